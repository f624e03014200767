"""A score to what its user asks for: how probably it is of a spoof, and whether that is too much.

The probability is Bayes' rule on a calibrated log-likelihood ratio and the user's own prior; the
verdict compares the score with one threshold, which an operating point states with its reason
(Brümmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech &
Language 20, 2006). Scores without a calibration have neither, unless a threshold is given for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.metrics.costs import DcfCosts

BAYES, DEVELOPMENT_EER, GIVEN = "bayes", "eer", "given"


class JudgementError(ValueError):
    """There is no such operating point; the message says what it lacks."""


@dataclass(frozen=True)
class OperatingPoint:
    """From which score on a recording is taken for bona fide.

    Attributes:
        kind: `BAYES`, `DEVELOPMENT_EER` or `GIVEN`.
        threshold: a raw score; a score that equals it is bona fide.
        in_words: why it is this one.
    """

    kind: str
    threshold: float
    in_words: str


@dataclass(frozen=True)
class Judgement:
    """What is made of a score. What there is no ground for is None.

    Attributes:
        score: the raw logit of bona fide.
        llr: log-likelihood ratio of bona fide over spoof, in nats.
        spoof_probability: at the user's prior, in [0, 1].
        verdict: `BONA_FIDE` or `SPOOF`.
    """

    score: float
    llr: float | None = None
    spoof_probability: float | None = None
    verdict: str | None = None


def spoof_probability(llr: float, pi_spoof: float) -> float:
    """P(spoof | score) of a log-likelihood ratio (nats, bona fide over spoof), by Bayes' rule.

    Args:
        llr: any finite number; far from 0 the result is 0 or 1 within rounding.
        pi_spoof: share of spoofs that is expected before hearing anything, in (0, 1).
    """
    return float(expit(logit(pi_spoof) - llr))


def operating_point(
    threshold: str | float, calibration: Calibration | None, costs: DcfCosts
) -> OperatingPoint | None:
    """The operating point that is asked for.

    Args:
        threshold: `BAYES`, `DEVELOPMENT_EER`, or a raw score.
        calibration: of the detector.
        costs: the user's prior and costs, for `BAYES`.

    Returns:
        None for `BAYES` without a calibration: then no threshold has a reason.

    Raises:
        JudgementError: a prior outside (0, 1), a cost that is not positive, a threshold that is not
            finite, or `DEVELOPMENT_EER` without a calibration.
    """
    if not 0 < costs.pi_spoof < 1:
        raise JudgementError(f"a prior of {costs.pi_spoof:g} for spoof: must be between 0 and 1")
    for what, cost in (("rejecting bona fide", costs.c_miss), ("accepting a spoof", costs.c_fa)):
        if not 0 < cost < math.inf:
            raise JudgementError(f"a cost of {cost:g} for {what}: it must be positive and finite")
    if threshold == BAYES:
        return None if calibration is None else _bayes(calibration, costs)
    if threshold == DEVELOPMENT_EER:
        if calibration is None:
            raise JudgementError("the threshold eer is one of a calibration, but there is none")
        score = calibration.eer_threshold
        where = f"equal errors of the development trials ({calibration.eer:.2%} there)"
        return OperatingPoint(DEVELOPMENT_EER, score, f"{where}: {bona_fide_from(score)}")
    score = float(threshold)
    if not math.isfinite(score):
        raise JudgementError(f"a threshold of {score:g}: it must be a finite score")
    return OperatingPoint(GIVEN, score, f"as given: {bona_fide_from(score)}")


def judge_score(
    score: float,
    calibration: Calibration | None,
    point: OperatingPoint | None,
    pi_spoof: float,
) -> Judgement:
    """Judge one score as far as there is ground for it.

    Args:
        score: the raw logit of bona fide, finite.
        calibration: of the same detector; without one there is no probability.
        point: without one there is no verdict.
        pi_spoof: the prior of a spoof for the probability, in (0, 1).
    """
    llr = None if calibration is None else float(calibration.llr(np.array([score]))[0])
    return Judgement(
        score,
        llr,
        None if llr is None else spoof_probability(llr, pi_spoof),
        None if point is None else (BONA_FIDE if score >= point.threshold else SPOOF),
    )


def _bayes(calibration: Calibration, costs: DcfCosts) -> OperatingPoint:
    """The threshold of the least expected cost, if the calibration and the prior are right."""
    score = (costs.bayes_threshold - calibration.offset) / calibration.scale
    most = spoof_probability(costs.bayes_threshold, costs.pi_spoof)
    return OperatingPoint(
        BAYES,
        score,
        f"least expected cost, if accepting a spoof costs {costs.c_fa:g} and rejecting bona fide "
        f"{costs.c_miss:g} ({costs.text}): {bona_fide_from(score)}, where P(spoof) is "
        f"{100 * most:.3g} %",
    )


def bona_fide_from(threshold: float) -> str:
    """A threshold in words."""
    return f"bona fide from a score of {threshold:.6g} on"
