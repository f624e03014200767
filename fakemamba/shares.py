"""Whether a share is under a limit: counted among so many, with the interval that this leaves.

The interval is Clopper and Pearson's (1934), which holds at least as often as it says, for cases
that are independent of each other.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaincinv  # scipy.stats takes a second to import

LEVEL = 0.95
Verdict = Literal["holds", "fails", "undecided"]


def share_interval(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the share that ``count`` among ``of`` independent cases are of."""
    tail = (1 - level) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high


def judged(count: int, of: int, limit: float) -> Verdict:
    """Whether a share is under a limit: it ``holds`` if all of the interval is, ``fails`` if none.

    Args:
        count: cases that are over.
        of: all of them.
        limit: between 0 and 1.
    """
    low, high = share_interval(count, of)
    if high < limit:
        return "holds"
    return "fails" if low > limit else "undecided"


def least_decisive(limit: float, level: float = LEVEL) -> int:
    """The fewest cases of which none is over that make a share hold."""
    return math.floor(math.log((1 - level) / 2) / math.log1p(-limit)) + 1


def quantile_with_interval(
    values: npt.NDArray[np.float64], share: float, level: float = LEVEL
) -> tuple[float, float, float]:
    """A quantile of values (n,), and its interval by order statistics, whatever they are spread as.

    The quantile is the least value that a share of them does not exceed. An end of the interval
    that so few values do not have is the infinite one.

    Returns:
        The value and the ends in the values' unit; NaN and both infinities of no values.
    """
    count = len(values)
    if not count:
        return math.nan, -math.inf, math.inf
    ascending = np.sort(values)
    tail = (1 - level) / 2
    # How probably at most k of so many independent values are below the quantile, for each k.
    below = bdtr(np.arange(count + 1), count, share)
    first = int(np.searchsorted(below, tail, side="right"))  # values below, at the least
    last = int(np.searchsorted(below, 1 - tail)) + 1
    value = ascending[min(math.ceil(round(share * count, 9)), count) - 1]
    low = ascending[first - 1] if first else -math.inf
    high = ascending[last - 1] if last <= count else math.inf
    return float(value), float(low), float(high)
