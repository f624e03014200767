"""How much slower, with an interval, from launches that took turns.

Rounds inside one process are not independent, so the unit is the launch: its median is one number,
and launches of base and head that ran one after the other are a pair, in which slow drift of the
machine cancels (Bulej et al., "Duet Benchmarking", ICPE 2020, arXiv:2001.05811). All arrays may
have leading axes.

The interval is Student's. In simulated pairs (3 % drift, 2 % noise: normal, heavy-tailed, or one
launch in twenty 10 % slower) the truth lies beyond either end in 3 to 5.5 % of draws at 2 to 20
pairs, where 5 % are wanted; beyond that of a percentile bootstrap in 25 % at 2 pairs, 10 % at 6 and
7 % at 20.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to import

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanLogRatio:
    """The mean log ratio of pairs (...,), the ends of its interval, and the p value of no slowdown.

    ``p_slower`` is one-sided: small where head is slower than base.
    """

    mean: Floats
    low: Floats
    high: Floats
    p_slower: Floats


def mean_log_ratio(log_ratios: npt.ArrayLike, confidence: float) -> MeanLogRatio:
    """Student's interval of the mean over pairs.

    Args:
        log_ratios: log(head / base) of every pair (..., pairs), two pairs at the least.
        confidence: of each end by itself: at 0.95 the truth is above ``low`` in 95 % of cases, and
            below ``high`` in 95 %. Each verdict rests on one end, so this is what it may be wrong
            by (Schuirmann's two one-sided tests, 1987); both ends together are a 90 % interval.
    """
    values = np.asarray(log_ratios, np.float64)
    pairs = values.shape[-1]
    if pairs < 2:
        raise ValueError(f"{pairs} pairs of launches have no spread, so no interval: 2 are needed")
    mean = values.mean(axis=-1)
    error = values.std(axis=-1, ddof=1) / np.sqrt(pairs)
    reach = stdtrit(pairs - 1, confidence) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p_slower = stdtr(pairs - 1, -mean / error)
    p_slower = np.where(error > 0, p_slower, np.where(mean > 0, 0.0, 1.0))
    return MeanLogRatio(mean, mean - reach, mean + reach, p_slower)


def is_slower(
    found: MeanLogRatio, adjusted: Floats, effect: npt.ArrayLike, error: float
) -> npt.NDArray[np.bool_]:
    """Where a slowdown is shown: it is real among all cells, and above the least that matters.

    Two questions, two tests. Whether anything changed at all is asked of every cell at once, so
    Holm's values answer it: an unchanged sweep raises an alarm with probability ``error`` at most.
    Whether the change matters is the interval's: its lower end is above the effect. Holm on the
    second question, too, would cost nearly all power: at 2 % noise and 20 pairs it finds a slowdown
    of 5 % among 100 cells in 41 % of sweeps instead of 96 %.

    Args:
        found: the estimates (..., cells).
        adjusted: Holm's values of their ``p_slower`` (..., cells).
        effect: the least log ratio that matters, one or (..., cells).
        error: the largest probability of an alarm in an unchanged sweep.

    Returns:
        Booleans (..., cells).
    """
    return (found.low > np.asarray(effect)) & (adjusted < error)
