"""Metrics of the tandem against published constants and searches over all pairs of thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.keys import AsvScores
from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.costs import (
    ADCF_ASVSPOOF5,
    ADCF_SHIM2024,
    DCF_ASVSPOOF5,
    TDCF_2019,
    AdcfCosts,
    DcfCosts,
    LinearCost,
)
from fakemamba.evaluation.metrics.detection import error_rates, min_dcf
from fakemamba.evaluation.metrics.tandem import (
    ASVSPOOF5_ASV_RATES,
    AsvRates,
    a_dcf,
    asv_rates,
    linear_2019,
    linear_2021,
    min_tdcf_2019,
    min_tdcf_2021,
    t_eer,
)

OF_2019_LA = AsvRates(false_accept=0.0246047, miss=0.0245810, spoof_false_accept=0.7606525)

sizes = st.integers(1, 30)


def drawn(seed, *counts, means=None, decimals=8):
    """Gaussian scores of several kinds of trials."""
    rng = np.random.default_rng(seed)
    means = np.zeros(len(counts)) if means is None else means
    return [
        rng.normal(mean, 1, count).round(decimals)
        for mean, count in zip(means, counts, strict=True)
    ]


def slow_t_eer(bonafide, spoof, asv):
    """All detector thresholds for each ASV threshold, as the definition says."""
    rates = error_rates(bonafide, spoof)
    kinds = (asv.target, asv.nontarget, asv.spoof)
    trials = sorted((score, kind) for kind, part in enumerate(kinds) for score in part)
    best = (np.inf, None)
    for rejected in range(len(trials) + 1):
        accepted = [kind for _, kind in trials[rejected:]]
        miss = (len(asv.target) - accepted.count(0)) / len(asv.target)
        false_accept = accepted.count(1) / len(asv.nontarget)
        of_spoof = accepted.count(2) / len(asv.spoof)
        if not miss < 0.5 * false_accept + 0.5 * of_spoof or of_spoof == 0:
            continue
        all_miss = rates.miss + (1 - rates.miss) * miss
        wrong = 0.5 * (1 - rates.miss) * false_accept + 0.5 * rates.false_accept * of_spoof
        nearest = int(np.argmin(np.abs(all_miss - wrong)))
        if rates.miss[nearest] == 1:
            continue
        passed = rates.false_accept[nearest] / (1 - rates.miss[nearest])
        mismatch = abs(false_accept / of_spoof - passed)
        if mismatch < best[0]:
            best = (mismatch, of_spoof * rates.false_accept[nearest])
    return best[1]


@settings(max_examples=60)
@given(st.integers(0, 10**6), sizes, sizes, sizes, sizes, sizes)
def test_bisection_finds_what_a_search_over_all_pairs_does(seed, n, m, targets, others, spoofs):
    bonafide, spoof = drawn(seed, n, m, means=(1, 0))
    asv = AsvScores(*drawn(seed + 1, targets, others, spoofs, means=(3, 0, 2)))
    expected = slow_t_eer(bonafide, spoof, asv)
    if expected is None:
        with pytest.raises(MetricError, match="no equal error rate"):
            t_eer(bonafide, spoof, asv)
    else:
        assert t_eer(bonafide, spoof, asv) == pytest.approx(expected)


def test_a_detector_that_accepts_all_or_none_has_no_tandem_eer():
    with pytest.raises(MetricError, match="inverted"):
        t_eer([1.03], [1.36], AsvScores(np.r_[2.99], np.r_[1.05, 0.74, 0.72, 1.62], np.r_[0.79]))


def test_a_perfect_detector_with_a_perfect_asv_has_no_tandem_errors():
    asv = AsvScores(*drawn(0, 50, 60, 70, means=(100, 0, 100)))
    assert t_eer(*drawn(0, 110, 70, means=(100, 0)), asv) == 0


def test_all_three_error_rates_of_the_tandem_meet():
    bonafide, spoof = drawn(2, 20_000, 20_000, means=(2, 0))
    asv = AsvScores(*drawn(3, 10_000, 10_000, 10_000, means=(3, 0, 1.5)))
    rate = t_eer(bonafide, spoof, asv)
    # At the concurrent point a tandem of independent systems misses as often as it errs on others.
    # Two equations for the two thresholds, solved on a grid.
    thresholds = np.linspace(-1, 3, 801)
    miss_detector = np.searchsorted(np.sort(bonafide), thresholds) / len(bonafide)
    accepted_spoof = 1 - np.searchsorted(np.sort(spoof), thresholds) / len(spoof)
    accepted = [
        1 - np.searchsorted(np.sort(kind), thresholds) / len(kind)
        for kind in (asv.target, asv.nontarget, asv.spoof)
    ]
    tandem_miss = 1 - (1 - miss_detector) * accepted[0][:, None]
    others = (1 - miss_detector) * accepted[1][:, None]
    spoofs = accepted_spoof * accepted[2][:, None]
    spread = np.maximum(np.abs(tandem_miss - others), np.abs(tandem_miss - spoofs))
    assert rate == pytest.approx(tandem_miss.flat[spread.argmin()], abs=0.005)


def test_coefficients_and_floor_of_2019_la_are_the_published_ones():
    revised = linear_2021(OF_2019_LA)
    found = (revised.constant, revised.miss, revised.false_accept, revised.floor)
    assert found == pytest.approx((0.0254559, 0.9150441, 0.3803262, 0.0627329), abs=1e-7)
    legacy = linear_2019(OF_2019_LA)
    assert (legacy.constant, legacy.floor) == (0, 0)
    assert (legacy.miss, legacy.false_accept) == pytest.approx((0.9150441, 0.3803262), abs=1e-7)


def test_the_organisers_coefficients_can_stand_for_asv_rates():
    bonafide, spoof = drawn(0, 300, 900, means=(1.5, 0))
    given = LinearCost(0.0305113, 0.9099887, 0.4694404)  # A07 without a codec
    rates = error_rates(bonafide, spoof)
    curve = 0.0305113 + 0.9099887 * rates.miss + 0.4694404 * rates.false_accept
    assert min_tdcf_2021(bonafide, spoof, given) == pytest.approx(curve.min() / 0.4999517)
    from_rates = min_tdcf_2021(bonafide, spoof, linear_2021(ASVSPOOF5_ASV_RATES))
    assert from_rates == min_tdcf_2021(bonafide, spoof, ASVSPOOF5_ASV_RATES)


def test_a_better_detector_has_the_lower_tdcf_and_none_is_under_the_floor():
    bonafide, spoof = drawn(4, 500, 500, means=(0, 0))
    for metric, floor in ((min_tdcf_2019, 0), (min_tdcf_2021, linear_2021(OF_2019_LA).floor)):
        found = [metric(bonafide + shift, spoof, OF_2019_LA) for shift in (0.5, 1, 2, 4, 20)]
        assert found == sorted(found, reverse=True)
        assert found[0] < 1
        assert found[-1] == pytest.approx(floor)


def test_asv_rates_are_those_at_its_eer_threshold():
    target, nontarget = np.array([3.0, 4.0, 5.0, 0.5]), np.array([-2.0, -1.0, 0.0, 3.5])
    found = asv_rates(AsvScores(target, nontarget, np.array([0.4, 0.5, 3.0, 9.0, 9.0])))
    # Rejecting -2, -1, 0 and 0.5 misses one target of four and accepts one nontarget of four.
    assert found == AsvRates(false_accept=0.25, miss=0.0, spoof_false_accept=0.8)


def test_an_asv_system_without_spoof_trials_is_refused():
    asv = AsvScores(np.ones(2), np.zeros(2), np.empty(0))
    with pytest.raises(MetricError, match="ASV spoof: no scores"):
        asv_rates(asv)
    with pytest.raises(MetricError, match="ASV spoof: no scores"):
        t_eer(np.ones(2), np.zeros(2), asv)


def test_a_tdcf_at_an_asv_system_that_rejects_every_spoof_is_refused():
    with pytest.raises(MetricError, match="error rates of the ASV system"):
        min_tdcf_2019(np.ones(2), np.zeros(2), AsvRates(0.01, 0.01, 0.0))


@given(st.integers(0, 10**6), sizes, sizes, sizes, st.sampled_from([0, 8]))
def test_a_dcf_is_the_least_cost_of_any_threshold(seed, targets, others, spoofs, decimals):
    scores = drawn(seed, targets, others, spoofs, means=(2, 0, 1), decimals=decimals)
    for costs in (ADCF_ASVSPOOF5, ADCF_SHIM2024):
        weights = (
            costs.c_miss * costs.pi_target,
            costs.c_fa * costs.pi_nontarget,
            costs.c_fa_spoof * costs.pi_spoof,
        )
        at_thresholds = [
            weights[0] * (scores[0] < threshold).mean()
            + sum(w * (s >= threshold).mean() for w, s in zip(weights[1:], scores[1:], strict=True))
            for threshold in [*np.concatenate(scores), np.inf]
        ]
        least = min(at_thresholds) / min(weights[0], weights[1] + weights[2])
        assert a_dcf(*scores, costs) == pytest.approx(least, abs=1e-12)


def test_without_nontargets_in_the_costs_a_dcf_is_min_dcf():
    target, nontarget, spoof = drawn(5, 200, 100, 300, means=(2, 1, 0))
    costs = AdcfCosts(0.95, 0.0, 0.05, 1.0, 10.0, 10.0)
    assert a_dcf(target, nontarget, spoof, costs) == pytest.approx(min_dcf(target, spoof))


def test_costs_print_themselves():
    assert DCF_ASVSPOOF5.text == "pi_spoof 0.05, C_miss 1, C_fa 10"
    assert DcfCosts(0.5, 2.5, 1.0).text == "pi_spoof 0.5, C_miss 2.5, C_fa 1"
    assert ADCF_SHIM2024.text == (
        "pi_target 0.9, pi_nontarget 0.05, pi_spoof 0.05, C_miss 1, C_fa 10, C_fa_spoof 20"
    )
    assert TDCF_2019.text.endswith("C_miss_asv 1, C_fa_asv 10, C_miss_cm 1, C_fa_cm 10")
    assert linear_2021(OF_2019_LA).text == "C0 0.02545588, C1 0.9150441, C2 0.3803262"
