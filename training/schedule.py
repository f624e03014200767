"""The learning rate of a step: a linear warm-up, then constant, half a cosine or exponential."""

from __future__ import annotations

import math

from fakemamba.training.recipe import OptimizationRecipe


def learning_rate(recipe: OptimizationRecipe, step: int, planned_steps: int) -> float:
    """The learning rate of a step (from 0) of so many (Loshchilov and Hutter, SGDR, 2017)."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / (recipe.warmup_steps + 1)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    share = (step - recipe.warmup_steps) / max(planned_steps - recipe.warmup_steps, 1)
    share, final = min(share, 1.0), recipe.final_share
    if recipe.schedule == "exponential":
        return recipe.learning_rate * final**share
    return recipe.learning_rate * (final + (1 - final) * (1 + math.cos(math.pi * share)) / 2)
