"""The learning rate's course."""

import pytest

from fakemamba.training.recipe import OptimizationRecipe, RecipeError
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


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_it_falls_to_the_share_of_the_peak_that_is_asked_for(schedule):
    recipe = OptimizationRecipe(
        learning_rate=2.0, warmup_steps=10, schedule=schedule, final_share=0.01
    )
    rates = [learning_rate(recipe, step, 110) for step in range(111)]
    assert rates[10] == 2 and rates[110] == pytest.approx(0.02)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[60] == pytest.approx({"cosine": 1.01, "exponential": 0.2}[schedule])


def test_nothing_is_reached_by_no_factor():
    with pytest.raises(RecipeError, match=r"final_share 0\.0: give a number over 0 to 1"):
        OptimizationRecipe(schedule="exponential")
    with pytest.raises(RecipeError, match=r"final_share 1\.5: give a number from 0 to 1"):
        OptimizationRecipe(schedule="cosine", final_share=1.5)
