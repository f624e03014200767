"""What makes two parts of a run one run, and what is written down of each: ``run.json``."""

from __future__ import annotations

import sys
from typing import Any

import torch

from fakemamba.environment import describe_environment
from fakemamba.models.checkpoints import checkpoint_sha256
from fakemamba.training.recipe import PATHS, TARGET, Recipe, TargetRecipe, dotted, without
from fakemamba.training.recipe_files import write_recipe
from fakemamba.training.run_folder import Facts, RunFolder
from fakemamba.training.trial_lists import TrialLists


def run_identity(recipe: Recipe, lists: TrialLists) -> dict[str, Any]:
    """What two parts of one run must have in common; where data is, and when to end, may differ."""
    free = {*PATHS, "detector.start", "selection.patience", "selection.averaging"}
    made = recipe.detector
    if not made.layers:
        free.add("detector.layers")  # which runs of before do not have
    if recipe.target == TargetRecipe():
        free.update(TARGET)  # likewise
    if recipe.optimization.schedule == "constant":
        free.add("selection.max_epochs")
    data: dict[str, Any] = {f"data of {name}": value for name, value in lists.identity().items()}
    if made.start is not None:
        data["weights of detector.start"] = checkpoint_sha256(made.start)
    return without(dotted(recipe), free) | data


def write_down(
    folder: RunFolder, recipe: Recipe, lists: TrialLists, device: torch.device, *, begun: bool
) -> None:
    """The recipe, the data and where the run began, or goes on."""
    starts = folder.read_facts().starts if begun else []
    start = {"command": sys.argv, "environment": describe_environment(device)}
    folder.path.mkdir(parents=True, exist_ok=True)
    write_recipe(folder.recipe, recipe)
    folder.write_facts(
        Facts(
            identity=run_identity(recipe, lists),
            recipe=dotted(recipe),
            data=lists.identity(),
            starts=[*starts, start],
        )
    )
