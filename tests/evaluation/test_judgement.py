"""Judgement: Bayes' rule at known ratios, and verdicts that change where costs say so."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm

from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.judgement import (
    Judgement,
    JudgementError,
    judge_score,
    operating_point,
    spoof_probability,
)
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5, DcfCosts

PRIORS = st.floats(1e-6, 1 - 1e-6)
COSTS = st.floats(1e-3, 1e3)


def calibration(scale=1.0, offset=0.0, eer_threshold=0.25):
    return Calibration(
        **{"scale": scale, "offset": offset, "pi_spoof": 0.5, "smoothed": False},
        **{"eer": 0.03, "eer_threshold": eer_threshold, "cllr_bits_before": 1.0},
        **{"cllr_bits_after": 0.2, "bonafide": 1, "spoof": 1, "fitted_on": (b"12345678",) * 2},
    )


@pytest.mark.parametrize(
    ("llr", "pi_spoof", "wanted"),
    [(0.0, 0.05, 0.05), (math.log(9), 0.5, 0.1), (-math.log(19), 0.05, 0.5), (900.0, 0.5, 0.0)],
)
def test_the_probability_at_known_ratios(llr, pi_spoof, wanted):
    assert spoof_probability(llr, pi_spoof) == pytest.approx(wanted, abs=1e-12)


@given(st.floats(-6, 6), PRIORS)
def test_the_probability_is_that_of_the_densities(score, pi_spoof):
    real, fake = norm.pdf(score, 1, 2**0.5), norm.pdf(score, -1, 2**0.5)  # so the llr is the score
    wanted = pi_spoof * fake / (pi_spoof * fake + (1 - pi_spoof) * real)
    found = judge_score(score, calibration(), None, pi_spoof).spoof_probability
    assert found == pytest.approx(wanted, rel=1e-9)


@given(
    st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        min_size=2,
        max_size=2,
        unique=True,
    ),
    st.floats(1e-3, 1e3),
    st.floats(-100, 100),
    PRIORS,
)
def test_a_higher_score_is_never_more_probably_spoofed(scores, scale, offset, pi_spoof):
    low, high = (
        judge_score(score, calibration(scale, offset), None, pi_spoof) for score in sorted(scores)
    )
    assert 0 <= high.spoof_probability <= low.spoof_probability <= 1
    if high.llr - low.llr > 1e-3 and 1e-9 < low.spoof_probability < 1 - 1e-9:
        assert high.spoof_probability < low.spoof_probability


@pytest.mark.parametrize(
    ("costs", "threshold"),
    [
        (DCF_ASVSPOOF5, -math.log(1.9)),
        (DcfCosts(0.5, 1, 1), 0.0),
        (DcfCosts(0.5, 1, 10), math.log(10)),
        (DcfCosts(0.01, 1, 10), math.log(10 / 99)),
    ],
)
def test_prior_and_costs_move_the_verdict_to_the_bayes_threshold(costs, threshold):
    point = operating_point("bayes", calibration(), costs)
    assert point.threshold == pytest.approx(threshold, abs=1e-12)
    for score, verdict in (
        (point.threshold, "bonafide"),
        (np.nextafter(point.threshold, -np.inf), "spoof"),
    ):
        assert judge_score(score, calibration(), point, costs.pi_spoof).verdict == verdict


@given(st.floats(-20, 20), st.floats(0.1, 10), st.floats(-5, 5), PRIORS, COSTS, COSTS)
def test_the_verdict_costs_least(score, scale, offset, pi_spoof, c_miss, c_fa):
    fitted, costs = calibration(scale, offset), DcfCosts(pi_spoof, c_miss, c_fa)
    found = judge_score(score, fitted, operating_point("bayes", fitted, costs), pi_spoof)
    rejecting, accepting = c_miss * (1 - found.spoof_probability), c_fa * found.spoof_probability
    assume(abs(math.log(max(accepting, 1e-300)) - math.log(max(rejecting, 1e-300))) > 1e-6)
    assert found.verdict == ("spoof" if rejecting < accepting else "bonafide")


def test_other_thresholds_are_raw_scores_whatever_the_costs():
    fitted = calibration(scale=3.0, offset=-7.0)
    for threshold, score in (("eer", 0.25), (-1.5, -1.5)):
        point = operating_point(threshold, fitted, DcfCosts(0.9, 1, 99))
        assert point.threshold == score and f"{score:g}" in point.in_words
        assert judge_score(score, fitted, point, 0.9).verdict == "bonafide"
        assert judge_score(score - 1e-9, fitted, point, 0.9).verdict == "spoof"


def test_without_ground_nothing_is_said():
    assert operating_point("bayes", None, DCF_ASVSPOOF5) is None
    assert judge_score(4.0, None, None, 0.05) == Judgement(4.0)
    point = operating_point(5.0, None, DCF_ASVSPOOF5)
    assert judge_score(4.0, None, point, 0.05) == Judgement(4.0, verdict="spoof")


@pytest.mark.parametrize(
    ("threshold", "fitted", "costs", "message"),
    [
        ("bayes", calibration(), DcfCosts(0.0), "a prior of 0 for spoof"),
        ("eer", calibration(), DcfCosts(1.0), "between 0 and 1"),
        ("bayes", calibration(), DcfCosts(0.05, 0.0), "rejecting bona fide: it must be positive"),
        ("bayes", calibration(), DcfCosts(0.05, 1, math.inf), "accepting a spoof"),
        ("bayes", calibration(), DcfCosts(math.nan), "a prior of nan"),
        ("eer", None, DCF_ASVSPOOF5, "of a calibration, but there is none"),
        (math.nan, None, DCF_ASVSPOOF5, "must be a finite score"),
    ],
)
def test_what_is_no_operating_point_is_refused(threshold, fitted, costs, message):
    with pytest.raises(JudgementError, match=message):
        operating_point(threshold, fitted, costs)
