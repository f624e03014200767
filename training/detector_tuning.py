"""How much of a detector is trained: of the front-end all, some or nothing; and the rest."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from fakemamba.models.detector import Detector
from fakemamba.models.frontend import Frontend
from fakemamba.training.recipe import DetectorRecipe, RecipeError


def prepare_frontend(detector: Detector, recipe: DetectorRecipe) -> None:
    """Leave as it is what the recipe does not train, and keep activations or compute them again.

    The front-end has neither dropout nor batch norms here, so a part that is not trained is the
    same in training as in scoring.

    Raises:
        RecipeError: more layers are to be trained than there are, or there is no such front-end.
    """
    if recipe.tuned == "all" and not recipe.activation_checkpointing:
        return
    frontend = detector.parts.get("front-end")
    if frontend is None:
        raise RecipeError(
            f"detector.tuned is {recipe.tuned!r}, but {recipe.name} names no part `front-end` that "
            "could be left as it is"
        )
    if recipe.tuned != "all":
        frontend.requires_grad_(False)
        if isinstance(frontend, Frontend) and frontend.layer_sum is not None:
            frontend.layer_sum.requires_grad_(True)  # which nobody has trained before
    if recipe.tuned == "none" and not recipe.activation_checkpointing:
        return
    if not isinstance(frontend, Frontend):
        raise RecipeError(
            f"detector.tuned is {recipe.tuned!r} with activation_checkpointing "
            f"{recipe.activation_checkpointing}, but the layers of the front-end of {recipe.name} "
            "are not known: only those of this package's are"
        )
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


def freeze_back_end(detector: Detector) -> None:
    """Leave as it is all that is not the front-end; what is trained of that is not changed."""
    frontend = detector.parts.get("front-end")
    kept = set() if frontend is None else set(frontend.parameters())
    for parameter in set(detector.parameters()) - kept:
        parameter.requires_grad_(False)
