"""The optimizer of a recipe, of the parameters that are trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fakemamba.training.recipe import OptimizationRecipe

BETA1 = MOMENTUM = 0.9  # of Adam's two, and of SGD


def make_optimizer(model: nn.Module, recipe: OptimizationRecipe) -> torch.optim.Optimizer:
    """Adam, AdamW, or SGD with Nesterov's momentum."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    shared: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.l2}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(trained, **shared, momentum=MOMENTUM, nesterov=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(trained, **shared, betas=(BETA1, recipe.beta2), eps=recipe.eps)
