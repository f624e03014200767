"""The figure of a cell from its visits, and how sure it is.

A visit is a few timed calls in a row, and its figure their median; between two visits of a cell all
others are visited, so that its visits differ by all that a cell is off by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

LEAST_VISITS = 3


def figure(values: Sequence[float]) -> float:
    """A cell's figure: the median of its visits' (k,), as a visit's is the median of its rounds."""
    return statistics.median(values)


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of a cell's figure from its visits' figures (k,); None below 3 visits."""
    count = len(values)
    if count < LEAST_VISITS:
        return None
    middle, spread = figure(values), statistics.stdev(map(math.log, values))
    factor = math.exp(4 * spread / math.sqrt(count))
    return middle / factor, middle * factor
