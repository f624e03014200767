"""Metrics of a detector against slow definitions, closed forms and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.costs import DcfCosts, LinearCost
from fakemamba.evaluation.metrics.detection import (
    act_dcf,
    cllr_bits,
    equal_error,
    error_rates,
    min_cost,
    min_dcf,
)

METRICS = (equal_error, error_rates, min_dcf, act_dcf, cllr_bits)

tied = st.lists(st.integers(-4, 4), min_size=1, max_size=25).map(lambda x: np.array(x, float))
free = st.lists(st.floats(-50, 50), min_size=1, max_size=25).map(np.array)
scores = st.one_of(tied, free)


def slow_equal_error(bonafide, spoof):
    """The official definition, counted anew at every step of the threshold."""
    trials = [(score, 0) for score in bonafide] + [(score, 1) for score in spoof]
    trials.sort()  # bona fide first in a tie
    points = []
    for rejected in range(len(trials) + 1):
        miss = sum(kind == 0 for _, kind in trials[:rejected]) / len(bonafide)
        false_accept = sum(kind == 1 for _, kind in trials[rejected:]) / len(spoof)
        threshold = trials[rejected - 1][0] if rejected else trials[0][0] - 0.001
        points.append((abs(miss - false_accept), (miss + false_accept) / 2, threshold))
    return min(points, key=lambda point: point[0])[1:]


@settings(max_examples=200)
@given(scores, scores)
def test_the_eer_is_that_of_the_slow_definition(bonafide, spoof):
    found = equal_error(bonafide, spoof)
    assert (found.eer, found.threshold) == slow_equal_error(bonafide, spoof)


@given(tied, tied)
def test_strictly_increasing_maps_of_scores_change_no_eer(bonafide, spoof):
    def mapped(values):
        return values**3 + 2 * values - 7

    before, after = equal_error(bonafide, spoof), equal_error(mapped(bonafide), mapped(spoof))
    assert after.eer == before.eer
    if before.threshold >= min(*bonafide, *spoof):
        assert after.threshold == mapped(before.threshold)


@given(st.permutations(range(24)))
def test_swapped_classes_with_negated_scores_have_the_same_eer(order):
    # As many of each class: both rates then meet exactly, so that there is one nearest point.
    bonafide, spoof = np.array(order[:12], float), np.array(order[12:], float)
    assert equal_error(-spoof, -bonafide).eer == pytest.approx(equal_error(bonafide, spoof).eer)


@given(scores, scores, st.integers(2, 4))
def test_duplicates_of_all_trials_change_nothing_but_the_grain_of_the_eer(bonafide, spoof, times):
    copies = np.repeat(bonafide, times), np.repeat(spoof, times)
    for metric in (min_dcf, act_dcf, cllr_bits):
        assert metric(*copies) == pytest.approx(metric(bonafide, spoof), abs=1e-12)
    grain = 1 / min(len(bonafide), len(spoof))
    assert abs(equal_error(*copies).eer - equal_error(bonafide, spoof).eer) <= grain


def test_in_a_tie_bona_fide_are_rejected_first():
    assert equal_error(np.zeros(5), np.zeros(5)).eer == 1.0
    assert equal_error(np.zeros(1), np.zeros(100)).eer == 1.0


def test_classes_that_do_not_overlap_have_no_errors_and_inverted_ones_nothing_else():
    low, high = np.linspace(-2, -1, 7), np.linspace(1, 2, 30)
    assert equal_error(high, low).eer == 0
    assert min_dcf(high, low) == 0
    assert act_dcf(high, low) == 0
    assert equal_error(low, high).eer == 1
    assert min_dcf(low, high) == 1


def test_metrics_of_gaussian_scores_are_near_their_closed_forms():
    rng = np.random.default_rng(0)
    # Log-likelihood ratios of unit Gaussians d apart are N(±d²/2, d²).
    d = 2.0
    bonafide, spoof = rng.normal(d**2 / 2, d, 200_000), rng.normal(-(d**2) / 2, d, 200_000)
    assert equal_error(bonafide, spoof).eer == pytest.approx(norm.cdf(-d / 2), abs=0.002)
    assert equal_error(bonafide, spoof).threshold == pytest.approx(0, abs=0.02)
    best = -math.log(1.9)
    at_best = 1.9 * norm.cdf(best, d**2 / 2, d) + norm.sf(best, -(d**2) / 2, d)
    assert act_dcf(bonafide, spoof) == pytest.approx(at_best, abs=0.005)
    assert min_dcf(bonafide, spoof) == pytest.approx(at_best, abs=0.005)


@given(scores, scores)
def test_min_dcf_is_the_least_cost_of_any_decision_and_at_most_one(bonafide, spoof):
    least = min_dcf(bonafide, spoof)
    # Counted at each distinct score: ties that pass one by one can only end between these.
    at_thresholds = [
        (0.95 * (bonafide < threshold).mean() + 0.5 * (spoof >= threshold).mean()) / 0.5
        for threshold in [*bonafide, *spoof, np.inf]
    ]
    assert least == pytest.approx(min(at_thresholds), abs=1e-12)
    assert least <= min(1, act_dcf(bonafide, spoof) + 1e-12)


def test_costs_move_the_threshold_of_act_dcf():
    bonafide, spoof = np.array([1.0]), np.array([0.5])
    assert act_dcf(bonafide, spoof, DcfCosts(0.5, 1.0, 1.0)) == 1  # threshold 0: both accepted
    assert act_dcf(bonafide, spoof, DcfCosts(0.5, 1.0, math.exp(0.7))) == 0


def test_cllr_of_scores_that_say_nothing_is_one_bit_and_of_wrong_ones_more():
    assert cllr_bits(np.zeros(3), np.zeros(5)) == pytest.approx(1)
    assert cllr_bits(np.full(3, -1000.0), np.full(5, 1000.0)) == pytest.approx(1000 / math.log(2))
    assert cllr_bits(np.full(3, 1000.0), np.full(5, -1000.0)) == 0


def test_the_constant_of_a_linear_cost_is_its_floor():
    cost = LinearCost(0.0305113, 0.9099887, 0.4694404)
    floor = 0.0305113 / (0.0305113 + 0.4694404)
    assert min_cost(np.ones(4), -np.ones(4), cost) == pytest.approx(floor)
    assert min_cost(-np.ones(4), np.ones(4), cost) == pytest.approx(1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([], "no scores"),
        ([0.0, np.nan], "1 of 2 scores are NaN or infinite, the first at position 1"),
        ([np.inf, 0.0], "NaN or infinite"),
        ([[0.0], [1.0]], "one score a trial"),
        (["a"], "must be numbers"),
    ],
)
def test_what_has_no_metric_is_refused_with_the_class(metric, bad, said):
    good = np.array([0.0, 1.0])
    with pytest.raises(MetricError, match=f"bona fide: .*{said}"):
        metric(bad, good)
    with pytest.raises(MetricError, match=f"spoof: .*{said}"):
        metric(good, bad)


@pytest.mark.parametrize(
    "costs", [DcfCosts(pi_spoof=0), DcfCosts(c_miss=-1), DcfCosts(c_fa=np.nan)]
)
def test_costs_that_make_no_sense_are_refused(costs):
    with pytest.raises(MetricError, match="costs"):
        min_dcf(np.ones(2), np.zeros(2), costs)
