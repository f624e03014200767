"""A share is under a limit when its interval is, and quantiles have intervals that hold."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fakemamba.shares import (
    effective_count,
    judged,
    least_decisive,
    quantile_with_interval,
    share_interval,
)


@pytest.mark.parametrize(("count", "of"), [(0, 1), (0, 400), (3, 400), (7, 7), (5, 10)])
def test_the_interval_is_clopper_and_pearsons(count, of):
    wanted = binomtest(count, of).proportion_ci(0.95, "exact")
    assert share_interval(count, of) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.5])
def test_so_many_decide_and_one_fewer_does_not(limit):
    least = least_decisive(limit)
    assert judged(0, least, limit) == "holds"
    assert judged(0, least - 1, limit) == "undecided"
    assert judged(0, least, limit, look=2) == "undecided"


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


def times_in_queue(draw, count, load):
    """Of customers of a single server with fixed service, in units of it (Lindley's recursion)."""
    waits, gaps = np.zeros(count), draw.exponential(1 / load, count)
    for one in range(1, count):
        waits[one] = max(0.0, waits[one - 1] + 1 - gaps[one])
    return waits + 1


def test_independent_values_count_as_they_are_and_repeated_ones_once():
    draw = np.random.default_rng(0)
    values = draw.exponential(size=2_000)
    assert effective_count(values) > 0.8 * len(values)
    assert effective_count(np.repeat(values[:200], 10)) == pytest.approx(200, rel=0.5)
    assert effective_count(np.where(values > 3, np.inf, values)) > 0.8 * len(values)
    assert effective_count(np.full(50, 2.0)) == 50 and effective_count(np.empty(0)) == 0
    assert effective_count(np.arange(300.0)) < 6  # a queue that only grows


@pytest.mark.parametrize("load", [0.6, 0.8])
def test_intervals_hold_in_a_queue_where_independent_ones_do_not(load):
    draw = np.random.default_rng(0)
    long = times_in_queue(draw, 100_000, load)
    wanted = np.quantile(long, 0.95)
    held = {"as they are": 0, "as fewer": 0, "quantile": 0}
    for _ in range(100):
        values = times_in_queue(draw, 800, load)
        effective, count = effective_count(values), int((values > wanted).sum())
        low, high = share_interval(count, len(values))
        held["as they are"] += low <= 0.05 <= high
        low, high = share_interval(count, len(values), effective)
        held["as fewer"] += low <= 0.05 <= high
        _, low, high = quantile_with_interval(values, 0.95, effective)
        held["quantile"] += low <= wanted <= high
    assert held["as they are"] < 65
    assert min(held["as fewer"], held["quantile"]) >= 85


def test_a_share_over_its_limit_seldom_holds_however_often_it_is_looked_at():
    draw, limit, load = np.random.default_rng(1), 0.05, 0.6
    slo = np.quantile(times_in_queue(draw, 100_000, load), 1 - 1.2 * limit)  # 6 % are over it
    least, held = round(1.1 * least_decisive(limit)), 0
    for _ in range(200):
        runs: list[np.ndarray] = []
        while len(runs) < 4:  # as long as it is undecided
            runs.append(times_in_queue(draw, least, load))
            values = np.concatenate(runs)
            effective = sum(map(effective_count, runs))
            verdict = judged(int((values > slo).sum()), len(values), limit, effective, len(runs))
            if verdict != "undecided":
                held += verdict == "holds"
                break
    assert held <= 0.06 * 200
