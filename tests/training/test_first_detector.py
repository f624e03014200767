"""A run begins with a new detector or a trained one, behind all layers or the first."""

from dataclasses import replace

import pytest
import torch

from fakemamba import from_pretrained
from fakemamba.models.checkpoints import save_pretrained
from fakemamba.models.weight_files import CheckpointError
from fakemamba.training.first_detector import first_detector
from fakemamba.training.recipe import RecipeError
from fakemamba.training.recipe_files import read_recipe, to_toml
from fakemamba.training.run import train
from fakemamba.training.run_folder import TrainingError


@pytest.fixture
def start(tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba", depth=1, width=16), tmp_path / "start")
    return tmp_path / "start"


def test_a_trained_detector_is_fitted_again_behind_fewer_layers(start, make_recipe, tmp_path):
    recipe = make_recipe(start=start, layers=1, tuned="none", selection={"max_epochs": 1})
    train(recipe, tmp_path / "run", device="cpu", workers=0)
    begun, made = from_pretrained(start), from_pretrained(tmp_path / "run" / "detector")
    assert made.config.frontend.num_layers == 1
    of_begun = begun.frontend.state_dict()
    for name, value in made.frontend.state_dict().items():
        assert torch.equal(value, of_begun[name]), name
    changed = [
        name
        for name, value in made.encoder.named_parameters()
        if not torch.equal(value, begun.encoder.get_parameter(name))
    ]
    assert changed


@pytest.mark.at_length
def test_another_start_is_another_run_wherever_it_is(start, make_recipe, make_detector, tmp_path):
    recipe = make_recipe(start=start, selection={"max_epochs": 1})
    run = tmp_path / "run"
    train(recipe, run, device="cpu", workers=0)
    moved = replace(recipe, detector=replace(recipe.detector, start=start.rename(tmp_path / "new")))
    train(moved, run, device="cpu", workers=0, resume=True)  # is done already
    detector = make_detector("fake-mamba", depth=1, width=16)
    with torch.no_grad():
        detector.head.classifier.bias.add_(1)
    save_pretrained(detector, tmp_path / "new")
    with pytest.raises(TrainingError, match=r"weights of detector\.start"):
        train(moved, run, device="cpu", workers=0, resume=True)


def test_a_start_of_another_detector_is_refused(start, make_recipe):
    recipe = make_recipe("xlsr-conformer", options={}, start=start)
    with pytest.raises(CheckpointError, match="holds fake-mamba, not xlsr-conformer"):
        first_detector(recipe.detector)


def test_more_layers_than_there_are_are_refused(make_recipe):
    with pytest.raises(RecipeError, match=r"detector\.layers: 3 layers of xls-r-tiny: give a"):
        first_detector(make_recipe(layers=3).detector)


def test_a_start_is_found_from_the_recipes_folder(start, make_recipe, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(make_recipe(start=start)).replace(str(start), "start"))
    assert read_recipe(path).detector.start == start
