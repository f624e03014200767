"""What a training run begins with: a new detector, or a trained one, behind so many layers."""

from __future__ import annotations

from typing import Any

from fakemamba import create_detector
from fakemamba.models.checkpoints import from_pretrained
from fakemamba.models.detector import Detector
from fakemamba.models.truncation import with_first_layers
from fakemamba.training.recipe import DetectorRecipe, RecipeError


def first_detector(recipe: DetectorRecipe) -> Detector:
    """The detector before its first step.

    Raises:
        CheckpointError: ``start`` is no whole detector, or another than ``name``.
        RecipeError: the front-end has fewer layers than are to be kept.
    """
    if recipe.start is None:
        options: dict[str, Any] = dict(recipe.options)
        detector = create_detector(recipe.name, recipe.frontend, **options)
    else:
        detector = from_pretrained(recipe.start, expected=recipe.name)
    if not recipe.layers:
        return detector
    try:
        return with_first_layers(detector, recipe.layers)
    except ValueError as error:
        raise RecipeError(f"detector.layers: {error}") from error
