"""The recipes that come with the package: the published numbers, and the page about them."""

import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from fakemamba import create_detector
from fakemamba.data.corpora import CORPORA
from fakemamba.data.trial_counts import ASVSPOOF5, ASVSPOOF2019_LA
from fakemamba.training.recipe import (
    DataRecipe,
    OptimizationRecipe,
    Recipe,
    SelectionRecipe,
)
from fakemamba.training.recipe_files import read_recipe, recipe_names, recipe_summary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"

# What the authors' repositories train with, and their models' sizes with a transformers front-end.
# RawBoost 3 for DF is of XLSR-Conformer+TCM; XLSR-Conformer's own repository has 5 alone.
PUBLISHED = {
    "fake-mamba": {
        **{"detector": "fake-mamba-l", "parameters": 317_774_101, "rawboost": {"la": 5, "df": 3}},
        **{"batch": 20, "validation_batch": 20, "num_samples": 66_800},
        **{"patience": 7, "max_epochs": 75, "averaged": 5, "averaging": "as-released"},
    },
    "xlsr-conformer": {
        **{"detector": "xlsr-conformer", "parameters": 317_944_020, "rawboost": {"la": 5, "df": 3}},
        **{"batch": 20, "validation_batch": 8, "num_samples": 66_800},
        **{"patience": 7, "max_epochs": 75, "averaged": 5, "averaging": "as-released"},
    },
    "xlsr-mamba": {
        **{"detector": "xlsr-mamba", "parameters": 317_374_646, "rawboost": {"la": 5, "df": 3}},
        **{"batch": 20, "validation_batch": 8, "num_samples": 66_800},
        **{"patience": 7, "max_epochs": 75, "averaged": 5, "averaging": "as-released"},
    },
    "xlsr-aasist": {
        **{"detector": "xlsr-aasist", "parameters": 315_884_938, "rawboost": {"la": 5, "df": 3}},
        **{"batch": 14, "validation_batch": 14, "num_samples": 64_600},
        **{"patience": 0, "max_epochs": 100, "averaged": 1, "averaging": "true"},
    },
}

# Of those that have one recipe: detector, front-end and what is trained of it, seed, and tables.
LA = DataRecipe(corpus="asvspoof2019-la", num_samples=64_600)
LATER = {
    "nes2net-x": (
        ("nes2net-x", "facebook/wav2vec2-xls-r-300m", "all", 12_345),
        replace(LA, augmentation="rawboost:4"),
        OptimizationRecipe(learning_rate=2.5e-7, l2=1e-4, batch_size=12),
        SelectionRecipe(augmented=True, batch_size=12, patience=0, max_epochs=100),
    ),
    "xlsr-sls": (
        ("xlsr-sls", "facebook/wav2vec2-xls-r-300m", "all", 1234),
        replace(LA, augmentation="rawboost:3"),
        OptimizationRecipe(learning_rate=1e-6, l2=1e-4, batch_size=5),
        SelectionRecipe("training-loss", batch_size=8, patience=1, max_epochs=50, averaged=1),
    ),
    "antideepfake": (
        ("antideepfake", "facebook/mms-300m", "all", 1234),
        DataRecipe(corpus="asvspoof2019-la", crop="whole", augmentation="rawboost:5"),
        OptimizationRecipe(
            **{"optimizer": "adamw", "learning_rate": 1e-7, "l2": 0.01, "eps": 1e-6},
            **{"batch_size": 30, "clip_norm": 100.0, "precision": "fp16"},
            **{"spoof_weight": 1.0, "bonafide_weight": 1.0},
            **{"schedule": "exponential", "final_share": 0.01, "warmup_steps": 80_000},
        ),
        SelectionRecipe("eer", batch_size=1, patience=0, max_epochs=946, averaged=1),
    ),
    "xlsr-mambo": (
        ("xlsr-mambo", "facebook/wav2vec2-xls-r-300m", "all", 114_514),
        DataRecipe(corpus="asvspoof2019-la", num_samples=66_800, augmentation="rawboost:5"),
        OptimizationRecipe(
            **{"optimizer": "adamw", "learning_rate": 1e-5, "l2": 0.05, "beta2": 0.95},
            **{"batch_size": 32, "loss": "focal", "precision": "bf16"},
            **{"schedule": "cosine", "final_share": 0.1, "warmup_steps": 1_586},
        ),
        SelectionRecipe(augmented=True, batch_size=32, patience=7, max_epochs=20, averaged=1),
    ),
    "wavlm-mhfa": (
        ("wavlm-mhfa", "microsoft/wavlm-base-plus", "none", 42),
        DataRecipe(corpus="asvspoof5", num_samples=150 * 320, crop="random"),
        OptimizationRecipe(
            **{"optimizer": "sgd", "learning_rate": 0.1, "l2": 1e-4, "batch_size": 128},
            **{"spoof_weight": 1.0, "bonafide_weight": 1.0},
            **{"schedule": "exponential", "final_share": 5e-4 / 0.1, "warmup_steps": 2_848},
        ),
        SelectionRecipe(batch_size=128, patience=0, max_epochs=20, averaged=2),
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_a_recipe_for_one_corpus_has_the_published_numbers(name):
    (detector, frontend, tuned, seed), data, optimization, selection = LATER[name]
    recipe = read_recipe(name)
    made = recipe.detector
    assert (made.name, made.frontend, made.tuned, recipe.seed) == (detector, frontend, tuned, seed)
    assert not made.options
    assert (recipe.data, recipe.optimization, recipe.selection) == (data, optimization, selection)


def test_what_is_published_in_steps_or_epochs_is_the_same_of_these_corpora():
    anti, mambo, mhfa = map(read_recipe, ("antideepfake", "xlsr-mambo", "wavlm-mhfa"))
    steps = sum(ASVSPOOF2019_LA["train"]) // anti.optimization.batch_size
    assert steps * anti.selection.max_epochs == pytest.approx(800_000, rel=1e-3)
    steps = sum(ASVSPOOF2019_LA["train"]) // mambo.optimization.batch_size
    tenth = steps * mambo.selection.max_epochs // 10
    assert mambo.optimization.warmup_steps == tenth
    steps = sum(ASVSPOOF5["train"]) // mhfa.optimization.batch_size
    assert mhfa.optimization.warmup_steps == 2 * steps


@pytest.mark.parametrize("track", ["la", "df"])
@pytest.mark.parametrize("family", PUBLISHED)
def test_a_published_recipe_has_the_published_numbers(family, track):
    published, recipe = PUBLISHED[family], read_recipe(f"{family}-{track}")
    data, selection = recipe.data, recipe.selection
    assert recipe.seed == 1234
    assert (recipe.detector.name, recipe.detector.tuned) == (published["detector"], "all")
    assert recipe.detector.frontend == "facebook/wav2vec2-xls-r-300m"
    assert (data.corpus, data.train_phase, data.validation_phase) == (
        *("asvspoof2019-la", "train", "dev"),
    )
    assert (data.num_samples, data.crop) == (published["num_samples"], "first")
    assert data.augmentation == f"rawboost:{published['rawboost'][track]}"
    assert recipe.optimization == OptimizationRecipe(
        **{"optimizer": "adam", "learning_rate": 1e-6, "l2": 1e-4, "clip_norm": 0.0},
        **{"batch_size": published["batch"], "micro_batch_size": 0, "precision": "fp32"},
        **{"spoof_weight": 0.1, "bonafide_weight": 0.9, "schedule": "constant", "warmup_steps": 0},
    )
    assert (selection.criterion, selection.augmented) == ("loss", True)
    assert selection.batch_size == published["validation_batch"]
    for name in ("patience", "max_epochs", "averaged", "averaging"):
        assert getattr(selection, name) == published[name]
    detector = recipe.detector
    model = create_detector(detector.name, "xls-r-300m", device="meta", **detector.options)
    assert sum(one.numel() for one in model.parameters()) == published["parameters"]


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_a_corpus_and_its_phases_but_no_place(name):
    data = read_recipe(name).data
    assert {data.train_phase, data.validation_phase} <= set(CORPORA[data.corpus].phases)
    assert data.root is None
    assert 20 < len(recipe_summary(name)) < 100


def test_there_are_no_other_recipes_than_the_published_ones_and_ours():
    published = {f"{family}-{track}" for family in PUBLISHED for track in ("la", "df")}
    ours = {"fewer-layers", "open-speech", "open-speech-frames", "open-speech-source"}
    assert set(recipe_names()) == {*published, *LATER, *ours}
    assert recipe_names() == sorted(recipe_names())


@pytest.mark.parametrize("name", ["open-speech", "open-speech-frames", "open-speech-source"])
def test_the_open_recipes_are_for_a_cpu(name):
    recipe = read_recipe(name)
    made = create_detector(recipe.detector.name, recipe.detector.frontend, device="meta")
    assert sum(one.numel() for one in made.parameters()) < 3_000_000
    assert recipe.optimization.precision == "fp32"


def default_values(table, prefix=""):
    """Every field's default by its name with its table's."""
    for one in fields(table):
        value = getattr(table, one.name)
        if is_dataclass(value):
            yield from default_values(value, f"{one.name}.")
        else:
            yield prefix + one.name, value


def test_the_page_has_every_field_with_its_default_and_no_other():
    section = PAGE.read_text("utf-8").partition("\n## A recipe\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", section, re.MULTILINE))
    shown = {
        name: "–" if value in (None, "", {}) else f"{value:g}" if type(value) is float else value
        for name, value in default_values(Recipe())
    }
    assert rows == {name: str(value).lower() for name, value in shown.items()}


def test_the_page_lists_every_recipe():
    page = PAGE.read_text("utf-8")
    assert [name for name in recipe_names() if f"`{name}`" not in page] == []
