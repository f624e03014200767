"""The optimizer is the recipe's, of what is trained alone."""

import pytest
import torch
from torch import nn

from fakemamba.training.optimizer import make_optimizer
from fakemamba.training.recipe import OptimizationRecipe, RecipeError


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("adam", torch.optim.Adam, {"betas": (0.9, 0.95), "eps": 1e-6}),
        ("adamw", torch.optim.AdamW, {"betas": (0.9, 0.95), "eps": 1e-6}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_it_has_what_the_recipe_says(name, kind, said):
    model = nn.Linear(2, 3)
    model.weight.requires_grad_(False)
    recipe = OptimizationRecipe(optimizer=name, learning_rate=0.1, l2=0.2, beta2=0.95, eps=1e-6)
    made = make_optimizer(model, recipe)
    (group,) = made.param_groups
    assert type(made) is kind and group["params"] == [model.bias]
    assert said | {"lr": 0.1, "weight_decay": 0.2} == {
        key: group[key] for key in (*said, "lr", "weight_decay")
    }


def test_as_published_it_is_torchs_adam():
    model = nn.Linear(2, 3)
    made = make_optimizer(model, OptimizationRecipe())
    plain = torch.optim.Adam(model.parameters(), lr=1e-6, weight_decay=1e-4)
    assert made.state_dict() == plain.state_dict()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"beta2": 1.0}, "beta2 1.0: give a number from 0 to under 1"),
        ({"eps": 0.0}, "eps 0.0: give a number over 0"),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(RecipeError, match=told):
        OptimizationRecipe(**changes)
