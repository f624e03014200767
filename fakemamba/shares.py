"""Whether a share is under a limit: counted among so many, with the interval that this leaves.

The interval is Clopper and Pearson's (1934), which holds at least as often as it says, for cases
that are independent of each other. Cases that follow each other, as in a queue, are not: they say
as much as fewer independent ones do (`effective_count`), and count as so many.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaincinv  # scipy.stats takes a second to import

LEVEL = 0.95
Verdict = Literal["holds", "fails", "undecided"]


def effective_count(values: npt.NDArray[np.float64]) -> float:
    """How many independent values say as much as these (n,), which follow each other.

    n by the autocorrelation time of their ranks, which heavy tails and infinite values leave as it
    is; summed by Geyer's (1992) initial monotone sequence, and from 1 to n.
    """
    count = len(values)
    distinct, place, times = np.unique(values, return_inverse=True, return_counts=True)
    if count < 4 or len(distinct) == 1:
        return float(count)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]  # equal ones share a rank
    centred = ranks - ranks.mean()
    size = 1 << (2 * count - 1).bit_length()  # so that the end does not meet the beginning
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[:count]
    pairs = (products / products[0])[: count - count % 2].reshape(-1, 2).sum(axis=1)
    positive = pairs[: int(np.argmax(pairs <= 0))] if (pairs <= 0).any() else pairs
    time = 2 * float(np.minimum.accumulate(positive).sum()) - 1
    return count / min(max(time, 1.0), count)


def share_interval(
    count: int, of: int, effective: float | None = None, level: float = LEVEL
) -> tuple[float, float]:
    """The interval of the share that ``count`` among ``of`` cases are of.

    Args:
        count: of them.
        of: so many.
        effective: that say as much as so many independent ones; None: they are independent.
        level: how often it holds.
    """
    tail = (1 - level) / 2
    weight = 1.0 if effective is None or not of else effective / of
    found, rest = weight * count, weight * (of - count)
    low = float(betaincinv(found, rest + 1, tail)) if count else 0.0
    high = float(betaincinv(found + 1, rest, 1 - tail)) if count < of else 1.0
    return low, high


def judged(
    count: int, of: int, limit: float, effective: float | None = None, look: int = 1
) -> Verdict:
    """Whether a share is under a limit: it ``holds`` if all of the interval is, ``fails`` if none.

    Args:
        count: cases that are over.
        of: all of them.
        limit: between 0 and 1.
        effective: see `share_interval`.
        look: how often it was judged, with this time, where cases are added until it is decided.
    """
    low, high = share_interval(count, of, effective, level_of(look))
    if high < limit:
        return "holds"
    return "fails" if low > limit else "undecided"


def level_of(look: int) -> float:
    """Of the interval at a look: all looks together err as seldom as one of `LEVEL` would."""
    return 1 - (1 - LEVEL) / (look * (look + 1))


def least_decisive(limit: float, level: float = level_of(1)) -> int:
    """The fewest independent cases of which none is over that make a share hold."""
    return math.floor(math.log((1 - level) / 2) / math.log1p(-limit)) + 1


def quantile_with_interval(
    values: npt.NDArray[np.float64],
    share: float,
    effective: float | None = None,
    level: float = LEVEL,
) -> tuple[float, float, float]:
    """A quantile of values (n,), and its interval by order statistics, whatever they are spread as.

    The quantile is the least value that a share of them does not exceed. An end of the interval
    that so few values do not have is the infinite one.

    Args:
        values: in any order.
        share: that does not exceed it.
        effective: see `share_interval`.
        level: how often the interval holds.

    Returns:
        The value and the ends in the values' unit; NaN and both infinities of no values.
    """
    count = len(values)
    if not count:
        return math.nan, -math.inf, math.inf
    ascending = np.sort(values)
    tail = (1 - level) / 2
    independent = count if effective is None else max(int(effective), 1)
    # How probably at most k of so many independent values are below the quantile, for each k.
    below = bdtr(np.arange(independent + 1), independent, share)
    first = int(np.searchsorted(below, tail, side="right"))  # values below, at the least
    last = int(np.searchsorted(below, 1 - tail)) + 1
    first = first * count // independent  # of all values
    last = -(-last * count // independent)
    value = ascending[min(math.ceil(round(share * count, 9)), count) - 1]
    low = ascending[first - 1] if first else -math.inf
    high = ascending[last - 1] if last <= count else math.inf
    return float(value), float(low), float(high)
