"""What studies train: each variant differs in what it says, and in nothing else."""

from dataclasses import replace

import pytest
from torch import nn
from transformers import Wav2Vec2Model

from fakemamba import create_detector
from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.mamba import ForwardMamba, SeparateBiMamba
from fakemamba.training.recipe import DetectorRecipe, Recipe
from fakemamba.training.recipe_files import with_overrides
from fakemamba.training.studies.variants import OWN, STUDIES, StudyError, study_variants


def recipe_of(name, frontend="xls-r-tiny", tuned="all", **options):
    return Recipe(DetectorRecipe(name, frontend, options=options, tuned=tuned))


def by_name(study, recipe):
    return {one.name: one.detector for one in study_variants(study, recipe)}


def made(recipe):
    return create_detector(recipe.name, recipe.frontend, device="meta", **recipe.options)


def blocks_of(recipe):
    return made(recipe).encoder.blocks


def kinds(blocks):
    return {type(module) for module in blocks.modules()}


def test_each_ablation_takes_away_what_it_names_and_keeps_the_rest():
    found = by_name("ablations", recipe_of("fake-mamba-s"))
    own = kinds(blocks_of(found[OWN]))
    assert {nn.LayerNorm, nn.GELU} <= own
    assert own - kinds(blocks_of(found["no-norms"])) == {nn.LayerNorm}
    assert nn.GELU not in kinds(blocks_of(found["no-feed-forward"]))
    assert ForwardMamba in kinds(blocks_of(found["forward-only"]))
    assert SeparateBiMamba in kinds(blocks_of(found["separate-mambas"]))
    no_pooling = found["no-pooling"]
    assert (
        create_detector(no_pooling.name, "xls-r-tiny", summary="first-frame").head.pooling is None
    )
    assert no_pooling.options == {"summary": "first-frame"}
    assert {len(blocks_of(one)) for one in found.values()} == {4}


def test_ablations_keep_the_options_of_the_recipe_and_leave_out_what_it_has_already():
    found = by_name("ablations", recipe_of("fake-mamba", depth=2, norms=False))
    assert "no-norms" not in found
    assert found["forward-only"].options == {"depth": 2, "norms": False, "directions": "forward"}


def test_durations_compare_encoders_of_one_depth_on_one_front_end():
    found = by_name("durations", recipe_of("fake-mamba-s", tuned="none"))
    assert list(found) == [OWN, "con-bimamba", "trans-bimamba", "xlsr-conformer"]
    assert {len(blocks_of(one)) for one in found.values()} == {4}
    assert {(one.frontend, one.tuned) for one in found.values()} == {("xls-r-tiny", "none")}
    deep = by_name("durations", recipe_of("fake-mamba", depth=2))
    assert len(blocks_of(deep["con-bimamba"])) == 2
    other = by_name("durations", recipe_of("xlsr-conformer"))
    assert list(other) == [OWN, "pn-bimamba", "con-bimamba", "trans-bimamba"]


@pytest.fixture
def loaded(tmp_path):
    """A front-end with weights in a folder, of the sizes given."""

    def save(**sizes):
        config = replace(FRONTEND_SIZES["xls-r-tiny"], **sizes).to_transformers()
        Wav2Vec2Model(config).save_pretrained(tmp_path / "frontend")
        return str(tmp_path / "frontend")

    return save


def test_front_ends_are_loaded_random_and_frozen(loaded):
    folder = loaded()
    found = by_name("frontend-from-scratch", recipe_of("fake-mamba-s", folder))
    assert {name: (one.frontend, one.tuned) for name, one in found.items()} == {
        OWN: (folder, "all"),
        "frozen": (folder, "none"),
        "random": ("xls-r-tiny", "all"),
        "random-frozen": ("xls-r-tiny", "none"),
    }
    large = by_name("frontend-from-scratch", recipe_of("fake-mamba-s", "xls-r-300m", "none"))
    assert {name: (one.frontend, one.tuned) for name, one in large.items()} == {
        OWN: ("xls-r-300m", "none"),
        "random": ("xls-r-300m", "all"),
        "tiny": ("xls-r-tiny", "all"),
    }


@pytest.mark.parametrize(
    ("study", "recipe", "message"),
    [
        ("ablations", recipe_of("xlsr-mamba"), "detector is xlsr-mamba: take a recipe of"),
        ("ablation", recipe_of("fake-mamba"), "no study is called 'ablation', but ablations"),
    ],
)
def test_what_cannot_be_varied_is_refused(study, recipe, message):
    with pytest.raises(StudyError, match=message):
        study_variants(study, recipe)


def test_a_front_end_of_sizes_of_its_own_cannot_be_had_random(loaded):
    recipe = recipe_of("fake-mamba", loaded(num_layers=3))
    with pytest.raises(StudyError, match="has sizes of its own"):
        study_variants("frontend-from-scratch", recipe)


@pytest.mark.parametrize("study", STUDIES)
def test_every_variant_is_a_recipe_that_can_be_followed(study):
    recipe = recipe_of("fake-mamba-l")
    variants = study_variants(study, recipe)
    assert variants[0].detector == recipe.detector
    assert len({one.name for one in variants}) == len(variants)
    for variant in variants:
        of_variant = replace(recipe, detector=variant.detector)
        assert with_overrides(of_variant, {}) == of_variant


def test_a_study_is_of_detectors_of_whole_recordings():
    recipe = with_overrides(recipe_of("fake-mamba-s"), {"target.kind": "frames"})
    with pytest.raises(StudyError, match='is "frames", but a study judges'):
        study_variants("seeds", recipe)
