"""``fakemamba train`` up to where training begins, and from where it has ended."""

import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakemamba import training
from fakemamba.cli.train import train
from fakemamba.training.recipe import Recipe, RecipeError
from fakemamba.training.recipe_files import read_recipe, recipe_names, with_overrides


@pytest.fixture
def trained(monkeypatch):
    """What training was called with, each time; it takes no time and needs no accelerate."""
    calls = []

    def run(recipe, out, **how):
        calls.append((recipe, out, how))
        best = (9, 12, 8, 7, 10)[: recipe.selection.averaged]
        return SimpleNamespace(
            **{"detector": out / "detector", "epochs": 12, "best": best},
            **{"criterion": 0.01234, "train_s": 3600.4},
        )

    fake = SimpleNamespace(train=run)
    monkeypatch.setitem(sys.modules, "fakemamba.training.run", fake)
    monkeypatch.setattr(training, "run", fake, raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    return calls


def test_a_recipe_is_followed_with_what_was_changed(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data.root", "LA", "--optimization.learning-rate", "1e-4", "--seed", "7"]
    options += ["--detector.options", "depth", "2", "textbook", "true", "--selection.no-augmented"]
    how = ["--resume", "--device", "cpu", "--workers", "0", "--save-minutes", "2.5"]
    train(("xlsr-mamba-df", "--out", "run", *options, *how))
    ((recipe, out, called_with),) = trained
    assert recipe == with_overrides(
        read_recipe("xlsr-mamba-df"),
        {
            "data.root": tmp_path / "LA",
            "optimization.learning_rate": 1e-4,
            "seed": 7,
            "detector.options": {"depth": 2, "textbook": True},
            "selection.augmented": False,
        },
    )
    assert out == Path("run")
    assert called_with == {"resume": True, "device": "cpu", "workers": 0, "save_minutes": 2.5}


def test_without_options_the_recipe_is_followed_to_the_letter(trained, tmp_path):
    train(("open-speech", "--out", str(tmp_path)))
    ((recipe, _, called_with),) = trained
    assert recipe == read_recipe("open-speech")
    assert called_with == {"resume": False, "device": "auto", "workers": None, "save_minutes": 10.0}


def test_options_of_the_detector_are_added_to_those_of_the_recipe(trained, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[detector]\nname = "xlsr-mamba"\noptions = {depth = 2, dropout = 0.0}\n')
    train((str(own), "--out", "run", "--detector.options", "depth", "3"))
    ((recipe, _, _),) = trained
    assert recipe.detector.options == {"depth": 3, "dropout": 0.0}


def test_the_recipe_is_printed_and_nothing_is_trained(trained, tmp_path, capsys):
    train(("xlsr-aasist-df", "--print", "--optimization.batch-size", "7", "--data.root", "/LA"))
    (tmp_path / "printed.toml").write_text(capsys.readouterr().out)
    printed = read_recipe(tmp_path / "printed.toml")
    changes = {"optimization.batch_size": 7, "data.root": "/LA"}
    assert printed == with_overrides(read_recipe("xlsr-aasist-df"), changes)
    assert trained == []


def test_the_end_says_what_was_made_and_what_comes_next(trained, capsys):
    train(("fake-mamba-la", "--out", "my run", "--data.root", "/LA"))
    assert capsys.readouterr().out == (
        "my run/detector: averaged as released from epochs 9, 12, 8, 7, 10 of 12; the best one's "
        "validation loss is 0.01234. Trained in 3,600 s\n"
        "next: fakemamba score --checkpoint 'my run/detector' --length 66800 --corpus "
        "asvspoof2019-la --root /LA --out scores.txt\n"
    )
    train(("xlsr-aasist-la", "--out", "run", "--data.crop", "random", "--data.root", "/LA"))
    printed = capsys.readouterr().out
    assert "run/detector: epoch 9 of 12" in printed and "--length" not in printed
    manifests = ("--data.train-manifest", "/t.csv", "--data.validation-manifest", "/v.csv")
    train(("open-speech", "--out", "run", "--data.corpus", "None", *manifests))
    printed = capsys.readouterr().out
    assert "the mean of epochs 9, 12, " in printed and "validation loss is 0.01234" in printed
    assert "--manifest TEST.csv --out scores.txt" in printed


def test_other_ranks_than_the_first_are_silent(trained, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    train(("open-speech", "--out", "run"))
    assert len(trained) == 1 and capsys.readouterr().out == ""


def options_of(table, prefix="--"):
    for one in fields(table):
        value, name = getattr(table, one.name), one.name.replace("_", "-")
        if is_dataclass(value):
            yield from options_of(value, f"--{name}.")
        else:
            yield prefix + name


def test_help_has_every_field_with_the_named_recipes_value(trained, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # boxes below each other
    with pytest.raises(SystemExit) as ended:
        train(("xlsr-aasist-la", "--help"))
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert [option for option in options_of(Recipe()) if option not in shown] == []
    assert "a shorter clip is repeated. (default: 64600)" in shown
    assert "such as fake-mamba-l. (default: xlsr-aasist)" in shown
    with pytest.raises(SystemExit) as ended:
        train(("--help",))
    assert ended.value.code == 0 and "(default: 66800)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [(), ("--out", "run", "fake-mamba-la")], ids=str)
def test_without_a_recipe_in_front_all_are_listed(arguments):
    with pytest.raises(ValueError, match="name a recipe first") as caught:
        train(arguments)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == recipe_names()
    assert "XLSR-AASIST as published, for ASVspoof 2021 DF" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "say with --out"),
        (("--out", "x", "--save-minutes", "-1"), "--save-minutes -1"),
        (("--out", "x", "--save-minutes", "nan"), "--save-minutes nan"),
        (("--out", "x", "--optimization.l2", "-1"), r"^optimization\.l2 -1"),
        (
            ("--out", "x", "--detector.options", "depth", "2"),
            "^detector.options: fake-mamba-l means",
        ),
        (("--out", "x", "--detector.options", "dept", "2"), "did you mean depth"),
        (
            ("--out", "x", "--data.augmentation", "no"),
            "^data.augmentation: 'no' is no augmentation",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_an_error_before_anything_is_done(options, message, trained):
    with pytest.raises(ValueError, match=message):
        train(("fake-mamba-la", *options))
    assert trained == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--optimization.learning-rate", "fast"), "could not convert string to float: 'fast'"),
        (("--optimisation.learning-rate", "1"), "Perhaps you meant"),
        (("--data.crop", "middle"), "invalid choice 'middle'"),
        (("another",), "another"),
    ],
    ids=str,
)
def test_what_is_no_option_or_no_value_of_one_is_refused(options, message, trained, capsys):
    with pytest.raises(SystemExit) as ended:
        train(("fake-mamba-la", "--out", "run", *options))
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert message in " ".join((printed.out + printed.err).replace("│", " ").split())
    assert trained == []


def test_an_unknown_recipe_is_refused():
    with pytest.raises(RecipeError, match="did you mean open-speech"):
        train(("open-speach", "--out", "run"))
