"""Recipes as files: what is read is what was written, and what is wrong is named with its line."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.training.recipe import (
    DataRecipe,
    DetectorRecipe,
    OptimizationRecipe,
    Recipe,
    RecipeError,
    SelectionRecipe,
    TargetRecipe,
)
from fakemamba.training.recipe_files import (
    read_recipe,
    recipe_names,
    to_toml,
    with_overrides,
    write_recipe,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
paths = texts.map(lambda text: Path("/") / text.replace("\0", ""))
counts = st.integers(1, 2**62)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
optional_paths = st.none() | paths
OPTIONS = {
    "xlsr-mamba": {
        "depth": st.integers(0, 2),
        "dropout": st.floats(0, 1),
        "textbook": st.booleans(),
    },
    "fake-mamba": {
        "depth": st.integers(0, 2),
        "directions": st.sampled_from(["shared", "forward"]),
    },
}
detectors = st.sampled_from(sorted(OPTIONS)).flatmap(
    lambda name: st.builds(
        DetectorRecipe,
        name=st.just(name),
        # An id that is no path, also not one of the folder in which the tests run.
        frontend=texts.map(lambda text: f"no such folder/{text}/") | st.just("xls-r-tiny"),
        options=st.fixed_dictionaries({}, optional=OPTIONS[name]),
        tuned=st.just("top"),
        tuned_layers=counts,
        activation_checkpointing=st.booleans(),
    )
)
corpora = st.builds(
    DataRecipe,
    corpus=st.none() | texts,
    root=optional_paths,
    train_phase=texts,
    num_samples=st.integers(400, 2**62),
    crop=st.sampled_from(["first", "random", "whole"]),
    augmentation=st.sampled_from(["", "rawboost:5 + 0.5*codec:opus@16000"]),
)
manifests = st.builds(DataRecipe, train_manifest=paths, validation_manifest=paths)
optimizations = st.builds(
    OptimizationRecipe,
    optimizer=st.sampled_from(["adam", "adamw"]),
    learning_rate=positive,
    l2=positive | st.just(0.0),
    batch_size=counts,
)
selections = st.builds(SelectionRecipe, augmented=st.booleans(), max_epochs=counts)
targets = st.builds(TargetRecipe, st.just("frames"), optional_paths, tuned_back_end=st.booleans())
targets |= st.builds(TargetRecipe, st.just("source"), column=st.sampled_from(["attack", "vocoder"]))
recipes = st.builds(
    Recipe,
    *(detectors, corpora | manifests, optimizations, selections),
    seed=st.integers(0, 2**62),
    target=st.builds(TargetRecipe) | targets,
)


@given(recipe=recipes)
@settings(max_examples=15)
def test_a_recipe_that_was_written_is_read_as_it_was(recipe, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    write_recipe(path, recipe)
    assert read_recipe(path) == recipe


@given(text=texts, number=positive)
@settings(max_examples=300)
def test_every_text_and_number_is_kept_to_the_last_bit(text, number):
    data, optimization = DataRecipe(corpus=text), OptimizationRecipe(learning_rate=number)
    content = tomllib.loads(to_toml(Recipe(data=data, optimization=optimization)))
    assert content["data"]["corpus"] == text
    assert content["optimization"]["learning_rate"] == number


@pytest.fixture
def written(tmp_path):
    """A recipe file with some content."""

    def write(content):
        path = tmp_path / "own.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "seed = 1\n[optimisation]\nl2 = 1",
            ", line 2: optimisation is unknown; did you mean optimization? A recipe has: detector, "
            "data, optimization, selection, seed",
        ),
        (
            "# of mine\n[optimization]\n\nlearning_rat = 1e-3",
            ", line 4: optimization.learning_rat is unknown; did you mean learning_rate? "
            "optimization has: optimizer, ",
        ),
        ("[data]\n'a b' = 1", ": data.a b is unknown. data has: corpus, "),
        (
            '[selection]\nbatch_size = 3\n[optimization]\nlearning_rate = "fast"',
            ", line 4: optimization.learning_rate is 'fast', but must be a number",
        ),
        ("optimization.l2 = true", ", line 1: optimization.l2 is True, but must be a number"),
        ("[optimization]\nl2 = nan", ", line 2: optimization.l2 nan: give 0 or more"),
        (f"[optimization]\nl2 = 1{'0' * 400}", "0, but must be a number"),
        ("seed = 1.5", ", line 1: seed is 1.5, but must be a whole number"),
        ("seed = true", ", line 1: seed is True, but must be a whole number"),
        ("[selection]\naugmented = 1", "selection.augmented is 1, but must be true or false"),
        (
            "[data]\nroot = 1979-05-27",
            "data.root is datetime.date(1979, 5, 27), but must be a path",
        ),
        (
            '[optimization]\nprecision = "fp8"',
            ", line 2: optimization.precision is 'fp8', but must be one of fp32, bf16, fp16",
        ),
        ("detector = 3", ", line 1: detector is 3, but must be a table, [detector]"),
        (
            "[detector]\noptions = 3",
            "detector.options is 3, but must be a table, [detector.options]",
        ),
        ("[optimization]\nbatch_size = 0", ", line 2: optimization.batch_size 0: give 1 or more"),
        ('[data]\naugmentation = "rawbost:5"', ", line 2: data.augmentation: 'rawbost:5' is no"),
        ('[data]\ntrain_manifest = "a.csv"', ", line 1: data: name either a corpus, or both"),
        (
            '[detector]\nname = "fake-mumba"',
            ", line 2: detector.name: unknown detector 'fake-mumba'",
        ),
        (
            '[detector]\nname = "fake-mamba"\n[detector.options]\ndept = 2',
            ", line 4: detector.options.dept is unknown; did you mean depth? detector.options has: "
            "depth, width, ",
        ),
        (
            '[detector]\nname = "fake-mamba"\noptions.frontend = "xls-r-1b"',
            ", line 3: detector.options.frontend is unknown",
        ),
        (
            '[detector.options]\ndepth = "two"',
            ", line 2: detector.options.depth is 'two', but must be a whole number",
        ),
        (
            "[detector.options]\ndepth = [2]",
            "[2], but must be true or false, a whole number, a number, text",
        ),
        (
            "[detector.options]\ndepth = 2",
            "detector.options: fake-mamba-l means depth=7, but depth=2",
        ),
        (
            '[detector]\nname = "xlsr-conformer"\n[detector.options]\nheads = 0',
            ", line 3: detector.options: ",
        ),
        ("[detector.options]\nwidth = -1", ", line 1: detector.options: "),
        ("seed 1", " is not TOML: "),
        (b"\xff = 1", " is not TOML: "),
        ("seed = " + "[" * 10_000, " is not TOML: "),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_its_file_and_line(content, message, written):
    path = written(content)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_what_is_left_out_has_its_default_and_a_whole_number_is_a_number(written):
    recipe = read_recipe(written("\ufeffoptimization = {l2 = 1}\r\nseed = 3\r\n"))
    assert recipe == Recipe(optimization=OptimizationRecipe(l2=1.0), seed=3)
    assert type(recipe.optimization.l2) is float
    assert read_recipe(written("")) == Recipe()


def test_paths_of_a_file_begin_at_its_folder(written, tmp_path, monkeypatch):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "xls-r-tiny").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    wanted = {
        "../xlsr2_300m.pt": str(tmp_path / ".." / "xlsr2_300m.pt"),
        "models/mine": str(tmp_path / "models" / "mine"),
        "facebook/wav2vec2-xls-r-300m": "facebook/wav2vec2-xls-r-300m",
        "xls-r-tiny": "xls-r-tiny",  # a name goes before a folder
    }
    for given_one, expected in wanted.items():
        written(
            f'[data]\ntrain_manifest = "t.csv"\nvalidation_manifest = "/v.csv"\nroot = "r"\n'
            f'[detector]\nfrontend = "{given_one}"'
        )
        recipe = read_recipe("../own.toml")
        assert Path(recipe.detector.frontend).resolve() == Path(expected).resolve()
        assert recipe.data.train_manifest.resolve() == tmp_path / "t.csv"
        assert recipe.data.root.resolve() == tmp_path / "r"
        assert recipe.data.validation_manifest == Path("/v.csv")


def test_paths_that_are_written_stay_where_they_were(tmp_path, monkeypatch):
    (tmp_path / "front").mkdir()
    monkeypatch.chdir(tmp_path)
    recipe = Recipe(DetectorRecipe(frontend="front"), DataRecipe(corpus="c", root=Path("LA")))
    write_recipe(tmp_path / "run" / "recipe.toml", recipe)
    found = read_recipe("run/recipe.toml")
    assert found.data.root == tmp_path / "LA"
    assert found.detector.frontend == str(tmp_path / "front")


def test_overrides_change_what_they_name_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = read_recipe("xlsr-mamba-la")
    changes = {
        "seed": 7,
        "optimization.learning_rate": 1,
        "data.root": "LA",
        "detector.options.depth": 2,
        "detector.options.textbook": True,
    }
    assert with_overrides(base, changes) == replace(
        base,
        seed=7,
        optimization=replace(base.optimization, learning_rate=1.0),
        data=replace(base.data, root=tmp_path / "LA"),
        detector=replace(base.detector, options={"depth": 2, "textbook": True}),
    )
    assert base == read_recipe("xlsr-mamba-la")
    deeper = with_overrides(with_overrides(base, changes), {"detector.options.depth": 3})
    assert deeper.detector.options == {"depth": 3, "textbook": True}


def test_overrides_are_checked_together_and_none_takes_a_value_away():
    manifests = {"data.train_manifest": Path("/t.csv"), "data.validation_manifest": Path("/v.csv")}
    with pytest.raises(RecipeError, match=r"^data: name either a corpus"):
        with_overrides(read_recipe("open-speech"), manifests)
    found = with_overrides(read_recipe("open-speech"), manifests | {"data.corpus": None})
    assert found.data.corpus is None and found.data.train_manifest == Path("/t.csv")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optimization.lr", 1, r"^optimization.lr is unknown\. optimization has: "),
        ("optimizatio.l2", 1, "^optimizatio is unknown; did you mean optimization"),
        ("seed.of", 1, "^seed.of: seed is no table"),
        ("seed", None, "^seed is None, but must be a whole number"),
        ("selection.max_epochs", 0, "^selection.max_epochs 0: give 1 or more"),
        ("detector.options.dept", 2, "^detector.options.dept is unknown; did you mean depth"),
    ],
)
def test_wrong_overrides_are_refused(name, value, message):
    with pytest.raises(RecipeError, match=message):
        with_overrides(Recipe(), {name: value})


def test_an_unknown_name_or_file_is_told_with_what_there_is(tmp_path):
    with pytest.raises(
        RecipeError, match=r"no recipe 'fake-mamba-l'; did you mean fake-mamba-la\?"
    ):
        read_recipe("fake-mamba-l")
    with pytest.raises(RecipeError, match=", ".join(recipe_names())):
        read_recipe("?")
    with pytest.raises(RecipeError, match=r"absent\.toml: no such file"):
        read_recipe(tmp_path / "absent.toml")
    with pytest.raises(RecipeError, match="fake-mamba-la: no such file"):
        read_recipe("./fake-mamba-la")


def test_a_field_of_any_length_is_told_shortly(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(f"{'x' * 5000} = 1\n")
    with pytest.raises(RecipeError, match="x… is unknown") as caught:
        read_recipe(path)
    assert len(str(caught.value)) < 1000
