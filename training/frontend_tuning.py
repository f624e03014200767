"""How much of the front-end is trained: all of it, its last layers, or nothing."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from fakemamba.models.detector import Detector
from fakemamba.training.recipe import DetectorRecipe, RecipeError


def prepare_frontend(detector: Detector, recipe: DetectorRecipe) -> None:
    """Leave as it is what the recipe does not train, and keep activations or compute them again.

    The front-end has neither dropout nor batch norms here, so a part that is not trained is the
    same in training as in scoring.

    Raises:
        RecipeError: more layers are to be trained than there are.
    """
    frontend = detector.frontend
    if recipe.tuned != "all":
        frontend.requires_grad_(False)
        if frontend.layer_sum is not None:  # which nobody has trained before
            frontend.layer_sum.requires_grad_(True)
    if recipe.tuned == "top":
        layers = frontend.layers
        if recipe.tuned_layers > len(layers):
            raise RecipeError(
                f"detector.tuned_layers is {recipe.tuned_layers}, but the front-end has "
                f"{len(layers)} layers"
            )
        for part in (*layers[-recipe.tuned_layers :], frontend.final_norm):
            if part is not None:
                part.requires_grad_(True)
    if recipe.activation_checkpointing:
        for layer in frontend.layers:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
