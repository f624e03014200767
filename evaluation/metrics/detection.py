"""Metrics of a detector by itself: EER, minDCF, actDCF and Cllr, as the ASVspoof packages do them.

Ties are not grouped: the threshold passes one trial at a time, bona fide before spoof of the same
score. The EER is therefore no function of the ROC alone, and a little pessimistic where scores are
rounded. No interpolation, no convex hull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fakemamba.evaluation.metrics.checks import Floats, checked, count_rejected
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5, DcfCosts, LinearCost


@dataclass(frozen=True)
class EqualError:
    """The equal error rate, a fraction, and its threshold.

    The official threshold is the score of the last rejected trial. Accepting where score ≥
    threshold therefore accepts one trial more, or all of that score.
    """

    eer: float
    threshold: float


@dataclass(frozen=True, eq=False)
class ErrorRates:
    """Both error rates at every threshold (n + 1,) of n trials; the first accepts all of them."""

    thresholds: Floats
    miss: Floats
    false_accept: Floats

    def equal_error(self) -> EqualError:
        """The mean of both rates where they differ least: at the first of several such places."""
        best = int(np.argmin(np.abs(self.miss - self.false_accept)))
        eer = (self.miss[best] + self.false_accept[best]) / 2
        return EqualError(float(eer), float(self.thresholds[best]))

    def min_cost(self, cost: LinearCost) -> float:
        """The least normalised cost of any threshold."""
        return float(cost.at(self.miss, self.false_accept).min())


def error_rates(bonafide: Floats, spoof: Floats) -> ErrorRates:
    """Rejected bona fide and accepted spoof, as fractions, in the official order.

    Args:
        bonafide: scores (n,), higher is more bona fide.
        spoof: scores (m,).

    Raises:
        MetricError: a class without trials, or scores that are not finite.
    """
    bonafide, spoof = checked("bona fide", bonafide), checked("spoof", spoof)
    thresholds, (missed, caught) = count_rejected(bonafide, spoof)
    return ErrorRates(thresholds, missed / len(bonafide), (len(spoof) - caught) / len(spoof))


def equal_error(bonafide: Floats, spoof: Floats) -> EqualError:
    """The EER of the ASVspoof challenges: the mean of both rates where they differ least.

    The first of several such thresholds counts. Arguments and errors are those of `error_rates`.
    """
    return error_rates(bonafide, spoof).equal_error()


def min_cost(bonafide: Floats, spoof: Floats, cost: LinearCost) -> float:
    """The least normalised cost of any threshold; for other arguments see `error_rates`."""
    return error_rates(bonafide, spoof).min_cost(cost)


def min_dcf(bonafide: Floats, spoof: Floats, costs: DcfCosts = DCF_ASVSPOOF5) -> float:
    """The least normalised detection cost of any threshold.

    For other arguments and errors see `error_rates`.
    """
    return min_cost(bonafide, spoof, costs.linear)


def act_dcf(bonafide: Floats, spoof: Floats, costs: DcfCosts = DCF_ASVSPOOF5) -> float:
    """The normalised detection cost at the threshold that is best for log-likelihood ratios.

    Args:
        bonafide: scores (n,), read as natural log-likelihood ratios of bona fide over spoof.
        spoof: scores (m,).
        costs: they alone give the threshold, −ln 1.9 for the default.

    Raises:
        MetricError: a class without trials, or scores that are not finite.
    """
    bonafide, spoof = checked("bona fide", bonafide), checked("spoof", spoof)
    threshold = costs.bayes_threshold
    return float(costs.linear.at((bonafide < threshold).mean(), (spoof >= threshold).mean()))


def cllr_bits(bonafide: Floats, spoof: Floats) -> float:
    """The cost of log-likelihood ratios over all thresholds, in bits (Brümmer and du Preez, 2006).

    Finite for all finite scores: the exponential is never taken by itself.

    Args:
        bonafide: scores (n,), read as natural log-likelihood ratios of bona fide over spoof.
        spoof: scores (m,).

    Raises:
        MetricError: a class without trials, or scores that are not finite.
    """
    bonafide, spoof = checked("bona fide", bonafide), checked("spoof", spoof)
    return float((surprise_bits(bonafide).mean() + surprise_bits(-spoof).mean()) / 2)


def surprise_bits(log_ratios: Floats) -> Floats:
    """log2(1 + e^-x): what a log-likelihood ratio for the truth (n,) costs, in bits."""
    return np.logaddexp(0, -log_ratios) / np.log(2)
