"""A share is under a limit when its interval is, and quantiles have intervals that hold."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fakemamba.shares import judged, least_decisive, quantile_with_interval, share_interval


@pytest.mark.parametrize(("count", "of"), [(0, 1), (0, 400), (3, 400), (7, 7), (5, 10)])
def test_the_interval_is_clopper_and_pearsons(count, of):
    wanted = binomtest(count, of).proportion_ci(0.95, "exact")
    assert share_interval(count, of) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.5])
def test_so_many_decide_and_one_fewer_does_not(limit):
    least = least_decisive(limit)
    assert judged(0, least, limit) == "holds"
    assert judged(0, least - 1, limit) == "undecided"


def test_the_verdict_is_what_the_interval_allows():
    assert judged(3, 30, 0.01) == "fails"
    assert judged(1, 400, 0.01) == "undecided"
    assert judged(0, 0, 0.01) == "undecided"


def test_a_quantiles_interval_holds_as_often_as_it_says():
    draw = np.random.default_rng(0)
    wanted = -math.log(0.01)  # of an exponential
    held = 0
    for _ in range(400):
        value, low, high = quantile_with_interval(draw.exponential(size=500), 0.99)
        assert low <= value <= high
        held += low <= wanted <= high
    assert 0.93 <= held / 400 <= 1


def test_few_values_leave_an_end_open():
    values = np.arange(1.0, 101.0)
    assert quantile_with_interval(values, 0.99) == (99.0, 97.0, math.inf)
    value, low, high = quantile_with_interval(values, 0.5)
    assert (value, low, high) == (50.0, 40.0, 61.0)
    nothing = quantile_with_interval(np.empty(0), 0.5)
    assert math.isnan(nothing[0]) and nothing[1:] == (-math.inf, math.inf)


def test_what_was_never_answered_is_the_longest():
    values = np.array([1.0] * 97 + [np.inf] * 3)
    assert quantile_with_interval(values, 0.97)[0] == 1.0
    assert quantile_with_interval(values, 0.99)[0] == math.inf
