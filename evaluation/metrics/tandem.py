"""Metrics of a detector in front of speaker verification (ASV): t-DCF, a-DCF and t-EER.

The ASV system is fixed. Its errors are taken at its own EER threshold on target against nontarget
trials, in the ASVspoof packages' convention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fakemamba.evaluation.metrics.checks import Counts, Floats, MetricError, checked, count_rejected
from fakemamba.evaluation.metrics.costs import (
    TDCF_2019,
    TDCF_2021,
    AdcfCosts,
    LinearCost,
    TdcfCosts2019,
    TdcfCosts2021,
)
from fakemamba.evaluation.metrics.detection import equal_error, error_rates, min_cost

if TYPE_CHECKING:
    from fakemamba.data.keys import AsvScores

SPOOF_SHARE = 0.5  # of the trials that a tandem has to reject, in the ASVspoof 5 package's t-EER
TANDEM_COSTS = {
    "min_tdcf_2019": TDCF_2019.text,
    "min_tdcf_2021": TDCF_2021.text,
    "t_eer": f"misses, nontargets and spoofs alike, spoof share {SPOOF_SHARE:g}",
}


@dataclass(frozen=True)
class AsvRates:
    """Error rates of the ASV system at its threshold, as fractions."""

    false_accept: float
    miss: float
    spoof_false_accept: float

    @property
    def text(self) -> str:
        """The rates, to be printed beside the metric."""
        return (
            f"ASV false accept {self.false_accept:.7g}, miss {self.miss:.7g}, spoof false accept "
            f"{self.spoof_false_accept:.7g}"
        )


ASVSPOOF5_ASV_RATES = AsvRates(  # the package's, of the organisers' own ASV system
    false_accept=0.01881016557566423,
    miss=0.01880141010575793,
    spoof_false_accept=0.4607082907604729,
)


def asv_rates(asv: AsvScores) -> AsvRates:
    """The error rates of an ASV system at its EER on target against nontarget trials.

    Args:
        asv: scores of target, nontarget and spoof trials; higher is more target.

    Raises:
        MetricError: a class without trials, or scores that are not finite.
    """
    target, nontarget, spoof = _checked_asv(asv)
    threshold = equal_error(target, nontarget).threshold
    return AsvRates(
        false_accept=float((nontarget >= threshold).mean()),
        miss=float((target < threshold).mean()),
        spoof_false_accept=float((spoof >= threshold).mean()),
    )


def linear_2019(asv: AsvRates, costs: TdcfCosts2019 = TDCF_2019) -> LinearCost:
    """C1 and C2 of the t-DCF of ASVspoof 2019; its C0 is 0 (Kinnunen et al., Odyssey 2018)."""
    return LinearCost(
        0.0,
        costs.pi_target * (costs.c_miss_cm - costs.c_miss_asv * asv.miss)
        - costs.pi_nontarget * costs.c_fa_asv * asv.false_accept,
        costs.c_fa_cm * costs.pi_spoof * asv.spoof_false_accept,
    )


def linear_2021(asv: AsvRates, costs: TdcfCosts2021 = TDCF_2021) -> LinearCost:
    """C0, C1 and C2 of the t-DCF of ASVspoof 2021 and 5 (Kinnunen et al., IEEE/ACM TASLP 2020)."""
    constant = (
        costs.pi_target * costs.c_miss * asv.miss
        + costs.pi_nontarget * costs.c_fa * asv.false_accept
    )
    return LinearCost(
        constant,
        costs.pi_target * costs.c_miss - constant,
        costs.pi_spoof * costs.c_fa_spoof * asv.spoof_false_accept,
    )


def min_tdcf_2019(
    bonafide: Floats, spoof: Floats, asv: AsvRates, costs: TdcfCosts2019 = TDCF_2019
) -> float:
    """The least normalised t-DCF of ASVspoof 2019 of any threshold of the detector.

    Args:
        bonafide: the detector's scores (n,), higher is more bona fide.
        spoof: scores (m,).
        asv: the error rates of the ASV system.
        costs: priors and costs.

    Raises:
        MetricError: a class without trials, scores that are not finite, or an ASV system at which
            the t-DCF is not defined, as one that rejects every spoof.
    """
    return min_cost(bonafide, spoof, linear_2019(asv, costs))


def min_tdcf_2021(
    bonafide: Floats,
    spoof: Floats,
    asv: AsvRates | LinearCost,
    costs: TdcfCosts2021 = TDCF_2021,
) -> float:
    """The least normalised t-DCF of ASVspoof 2021 of any threshold; never under its floor.

    Args:
        bonafide: the detector's scores (n,), higher is more bona fide.
        spoof: scores (m,).
        asv: the error rates of the ASV system, or C0, C1 and C2, which the organisers ship for each
            attack and codec of 2021 LA; ``costs`` are then not used.
        costs: priors and costs.

    Raises:
        MetricError: as `min_tdcf_2019`.
    """
    return min_cost(bonafide, spoof, linear_2021(asv, costs) if isinstance(asv, AsvRates) else asv)


def a_dcf(target: Floats, nontarget: Floats, spoof: Floats, costs: AdcfCosts) -> float:
    """The least normalised cost of one score for both tasks, whatever made it (Shim et al., 2024).

    Args:
        target: scores (n,) of bona fide trials of the claimed speaker; higher is more of this kind.
        nontarget: scores (m,) of bona fide trials of others.
        spoof: scores (k,).
        costs: a value without them means nothing, and two sets are published.

    Raises:
        MetricError: a class without trials, scores that are not finite, or costs that are zero.
    """
    classes = (checked("target", target), checked("nontarget", nontarget), checked("spoof", spoof))
    rejecting_all = costs.c_miss * costs.pi_target
    accepting_all = costs.c_fa * costs.pi_nontarget + costs.c_fa_spoof * costs.pi_spoof
    if min(rejecting_all, accepting_all) <= 0:
        raise MetricError(f"at {costs.text} accepting or rejecting everything costs nothing")
    miss, false_accept, spoof_false_accept = _three_rates(*classes)
    cost = (
        rejecting_all * miss
        + costs.c_fa * costs.pi_nontarget * false_accept
        + costs.c_fa_spoof * costs.pi_spoof * spoof_false_accept
    )
    return float(cost.min()) / min(rejecting_all, accepting_all)


def t_eer(bonafide: Floats, spoof: Floats, asv: AsvScores) -> float:
    """The concurrent tandem EER: misses, nontargets and spoofs at one rate.

    To each ASV threshold belongs the detector's threshold at which the tandem's miss and false
    accept rates are nearest. Of these pairs the one counts at which nontargets and spoofs are
    accepted at the most similar rates (Kinnunen et al., IEEE TPAMI 2024).

    The value is that of the ASVspoof 5 package's exhaustive search over all pairs. As the
    difference of the rates only grows with the detector's threshold, the nearest is found by
    bisection: O((n + m) log(n + m)) rather than O(n m).

    Args:
        bonafide: the detector's scores (n,) of target and nontarget trials; the order is free.
        spoof: its scores (m,).
        asv: scores of the ASV system for trials of the same kinds.

    Returns:
        The rate as a fraction. The package prints it in percent.

    Raises:
        MetricError: a class without trials, scores that are not finite, or none of the pairs lets
            bona fide speech through.
    """
    rates = error_rates(bonafide, spoof)
    miss, false_accept, spoof_false_accept = _three_rates(*_checked_asv(asv))  # (thresholds,) each
    # Where misses outnumber false accepts even if the detector accepts all, no threshold of the
    # detector makes them equal.
    possible = miss < (1 - SPOOF_SHARE) * false_accept + SPOOF_SHARE * spoof_false_accept
    miss, false_accept = miss[possible], false_accept[possible]
    spoof_false_accept = spoof_false_accept[possible]

    def excess(index: Counts) -> Floats:
        """The tandem's misses less its false accepts at the detector's thresholds ``index``."""
        passed = 1 - rates.miss[index]
        wrong = (1 - SPOOF_SHARE) * passed * false_accept
        wrong = wrong + SPOOF_SHARE * rates.false_accept[index] * spoof_false_accept
        return rates.miss[index] + passed * miss - wrong

    low = np.zeros(len(miss), np.int64)  # negative there: the detector accepts all
    high = np.full(len(miss), len(rates.miss) - 1)  # positive there: it rejects all
    while (high - low > 1).any():
        middle = (low + high) // 2
        negative = excess(middle) < 0
        low, high = np.where(negative, middle, low), np.where(negative, high, middle)
    nearest = np.where(np.abs(excess(low)) <= np.abs(excess(high)), low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_asv = false_accept / spoof_false_accept
        of_detector = rates.false_accept[nearest] / (1 - rates.miss[nearest])
        mismatch = np.abs(of_asv - of_detector)
    mismatch[np.isnan(mismatch)] = np.inf  # 0 / 0: nobody is accepted
    best = int(np.argmin(mismatch))
    if np.isinf(mismatch[best]):
        raise MetricError(
            "bonafide: at every concurrent threshold the detector rejects all of them, so the "
            "tandem has no equal error rate; are the scores inverted?"
        )
    return float(spoof_false_accept[best] * rates.false_accept[nearest[best]])


def _checked_asv(asv: AsvScores) -> tuple[Floats, Floats, Floats]:
    return (
        checked("ASV target", asv.target),
        checked("ASV nontarget", asv.nontarget),
        checked("ASV spoof", asv.spoof),
    )


def _three_rates(target: Floats, nontarget: Floats, spoof: Floats) -> tuple[Floats, Floats, Floats]:
    """Rejected targets, accepted nontargets and accepted spoofs at every threshold (n + 1,)."""
    _, (missed, others, caught) = count_rejected(target, nontarget, spoof)
    return (
        missed / len(target),
        (len(nontarget) - others) / len(nontarget),
        (len(spoof) - caught) / len(spoof),
    )
