"""The learning rate's course."""

import pytest

from fakemamba.training.recipe import OptimizationRecipe
from fakemamba.training.schedule import learning_rate


def test_it_rises_to_its_peak_and_stays():
    recipe = OptimizationRecipe(learning_rate=1.0, warmup_steps=4)
    rates = [learning_rate(recipe, step, 100) for step in range(8)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def test_a_cosine_goes_from_the_peak_over_its_half_to_almost_nothing():
    recipe = OptimizationRecipe(learning_rate=2.0, warmup_steps=10, schedule="cosine")
    rates = [learning_rate(recipe, step, 110) for step in range(110)]
    assert rates[10] == 2 and rates[60] == pytest.approx(1)
    assert 0 < rates[-1] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_as_published_it_is_always_the_same():
    assert {learning_rate(OptimizationRecipe(), step, 9) for step in range(9)} == {1e-6}
