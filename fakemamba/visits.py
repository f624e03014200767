"""A cell's figure from its visits, how sure it is, and the drift that its pass had.

A visit is a few timed calls in a row, and its figure their median. Between two visits of a cell all
others are visited, so that its visits differ by all that a cell as a whole is off by. What slows
the whole machine for minutes is in all cells of a pass, and cancels where cells are compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Sequence

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to import

from fakemamba.result_schema import PERCENTILES

LEAST_VISITS = 3
LEVEL = 0.95
LIKENESS = 1.5  # how much wider than of independent visits: those of minutes apart are alike
TRIMMED = 7  # of so many visits one at each end does not count for the spread
LEAST_SHARED = 5  # cells in a pass that together show its drift
SETTLED = 3  # rounds of a polish of medians, after which it hardly moves


def that_count(disturbed: Sequence[bool]) -> list[int]:
    """Which visits make a cell's figure, by their places.

    Other programs make a visit two to ten times as long, so those that were seen to be disturbed
    count only where there are no three others. They are known by the machine's counters, never by
    their own times, so that leaving them out does not choose the fast ones.

    Args:
        disturbed: of each visit.
    """
    quiet = [place for place, one in enumerate(disturbed) if not one]
    return quiet if len(quiet) >= LEAST_VISITS else list(range(len(disturbed)))


def figure(values: Sequence[float]) -> float:
    """A cell's figure: the median of its visits' figures (k,), in their unit."""
    return statistics.median(values)


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of a cell's figure from its visits' (k,), or from ratios of them.

    Student's around the median on a logarithmic scale, with Winsor's standard deviation so that
    single visits that something disturbed do not count from 7 on, and half as wide again, as
    neighbouring visits are alike. docs/scaling.md has how often it holds.

    Returns:
        The ends in the values' unit; None below 3 visits.
    """
    count = len(values)
    if count < LEAST_VISITS:
        return None
    out = count // TRIMMED
    ascending = np.sort(np.log(values))
    spread = float(np.clip(ascending, ascending[out], ascending[-1 - out]).std(ddof=1))
    reach = float(stdtrit(count - 1 - 2 * out, (1 + level) / 2)) * LIKENESS
    factor = math.exp(reach * spread / (1 - 2 * out / count) / math.sqrt(count))
    middle = figure(values)
    return middle / factor, middle * factor


def percentiles(rounds_s: Sequence[float]) -> dict[str, float]:
    """The median and the slow end of single calls (k,), by the names that a result has for them.

    One that fewer calls than one are beyond is left out: p95 of fewer than 20, p99 of 100.
    """
    return {
        name: float(np.quantile(rounds_s, level))
        for name, level in PERCENTILES.items()
        if round(len(rounds_s) * (1 - level), 9) >= 1
    }


def drifts(
    figures: Sequence[Sequence[float]], passes: Sequence[Sequence[Hashable]]
) -> dict[Hashable, float]:
    """By how much each pass was slow as a whole: a factor, with 1 for the median visit.

    The median over a pass' cells of how far each is off its own median over passes, repeated until
    both agree (Tukey's median polish). A pass of fewer than 5 cells counts as the median visit.

    Args:
        figures: of each cell its visits' (k,); k may differ.
        passes: of each cell the visits' passes, as many.
    """
    cells = [np.log(one) for one in figures]
    names = list(dict.fromkeys(name for one in passes for name in one))
    places = {name: place for place, name in enumerate(names)}
    of_cells = [np.array([places[name] for name in one], int) for one in passes]
    if not cells:
        return {}
    logs, of = np.concatenate(cells), np.concatenate(of_cells)
    ends = np.cumsum([len(one) for one in cells])[:-1]
    shared = np.bincount(of, minlength=len(names)) >= LEAST_SHARED
    effects = np.zeros(len(names))
    for _ in range(SETTLED):
        rest = [one - np.median(one) for one in np.split(logs - effects[of], ends) if len(one)]
        left = np.concatenate(rest)
        for place in np.flatnonzero(shared):
            effects[place] += np.median(left[of == place])
    effects[shared] -= np.median(effects[of[shared[of]]]) if shared.any() else 0.0
    return dict(zip(names, np.exp(effects).tolist(), strict=True))
