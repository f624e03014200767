"""A cell's figure, its interval, and the drift of passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.visits import drifts, figure, interval, percentiles, that_count

times = st.lists(st.floats(1e-6, 1e3), min_size=3, max_size=14)


@given(times, st.floats(0.01, 100))
def test_an_interval_holds_its_figure_and_knows_no_unit(values, factor):
    low, high = interval(values)
    assert low <= figure(values) * (1 + 1e-9) and figure(values) <= high * (1 + 1e-9)
    scaled = interval([factor * one for one in values])
    assert scaled == pytest.approx((factor * low, factor * high))


def test_disturbed_visits_count_only_for_want_of_three_others():
    assert that_count([True, False, True, False, False]) == [1, 3, 4]
    assert that_count([True, False, True, False]) == [0, 1, 2, 3]
    assert that_count([True] * 5) == [0, 1, 2, 3, 4] and that_count([]) == []


@pytest.mark.parametrize(
    ("count", "known"),
    [(1, ""), (2, "50"), (19, "50"), (20, "50 95"), (99, "50 95"), (100, "50 95 99")],
)
def test_a_percentile_is_of_calls_of_which_one_is_beyond_it(count, known):
    found = percentiles([float(one) for one in range(count)])
    assert list(found) == [f"latency_p{level}_s" for level in known.split()]
    assert all(found[name] < count - 1 for name in found)


def test_below_three_visits_there_is_none():
    assert interval([]) is None and interval([1.0, 2.0]) is None


def test_equal_visits_have_a_point():
    assert interval([2.0] * 5) == pytest.approx((2.0, 2.0))


def test_single_disturbed_visits_do_not_widen_it_from_seven_on():
    quiet = [1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.01]
    low, high = interval([*quiet[1:], 10.0])
    assert high / low < 1.1
    assert interval([1.0, 1.01, 10.0])[1] > 10


def test_a_surer_interval_is_wider():
    low, high = interval([1.0, 1.1, 0.9])
    surer_low, surer_high = interval([1.0, 1.1, 0.9], level=0.99)
    assert surer_low < low and surer_high > high


def test_the_drift_of_passes_is_found_though_cells_are_in_different_ones():
    rng = np.random.default_rng(0)
    wanted = {0: 2.0, 1: 1.0, 2: 1.0, 3: 1.0, 4: 0.5}
    passes = [list(wanted) if cell % 2 else [0, 1, 2] for cell in range(40)]
    level = rng.uniform(0.001, 1, 40)
    figures = [
        [level[cell] * wanted[one] * np.exp(rng.normal(0, 0.02)) for one in each]
        for cell, each in enumerate(passes)
    ]
    assert drifts(figures, passes) == pytest.approx(wanted, rel=0.04)


def test_few_cells_show_no_drift():
    assert drifts([[1.0, 2.0]] * 4, [["a", "b"]] * 4) == {"a": 1.0, "b": 1.0}
    assert drifts([], []) == {}
