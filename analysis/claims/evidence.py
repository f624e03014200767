"""What cells measured, with an interval for cells as a whole and not for the rounds of one alone.

A cell as a whole is off by more than its rounds show (docs/measuring.md). How much, shows where the
same was measured again: the scatter of a ratio over launches; else how well the part repeats
(`repeatability`), and where that part was not repeated, the part of this machine that repeats worst
stands for it. Recordings of one launch are no repeats: the machine may have been slow throughout.
Where nothing was measured twice there is no interval, and so no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # scipy.stats takes a second to import

from fakemamba.analysis.claims.claim import FAILS, HOLDS, OPEN, Figure, Verdict
from fakemamba.analysis.repeatability import (
    LEAST_FREEDOM,
    LEVEL,
    SETTING,
    Repeatability,
    repeatabilities,
)
from fakemamba.analysis.scaling.advice import MANY_DURATIONS
from fakemamba.analysis.scaling.crossover import STEPS

LEAST_DURATIONS = 3  # with fewer, a range was not looked at
EDGE = 1.1  # a recording that is 10 % off the end of a range still stands for it
UNKNOWN = (
    "nothing was measured twice, so it is not known how far a cell as a whole is off: measure "
    "three launches and give all files"
)
# What two cells share that are a pair; recordings may share a name and a duration.
PAIR = ["launch", "duration_s", "recording", "number"]


@dataclass(frozen=True)
class Found:
    """A positive value with its 95 % interval.

    Attributes:
        value: the geometric mean of the cells.
        low, high: None where the interval is not known.
        basis: what the interval is made of, or why there is none.
    """

    value: float
    low: float | None
    high: float | None
    basis: str

    def over(self, other: Found) -> Found:
        """The ratio to another value, whose cells are off independently of these."""
        value = self.value / other.value
        if None in (self.low, self.high, other.low, other.high):
            return Found(value, None, None, self.basis if self.low is None else other.basis)
        basis = "; ".join(dict.fromkeys((self.basis, other.basis)))
        return _around(value, np.hypot(self._half_width, other._half_width), basis)

    @property
    def _half_width(self) -> float:
        """Of its logarithm."""
        return float(np.log(self.high / self.low) / 2) if self.high and self.low else np.nan

    def figure(self, name: str, unit: str = "") -> Figure:
        """As a figure of a claim."""
        return Figure(name, self.value, unit, self.low, self.high)

    def is_at_most(self, limit: float) -> Verdict:
        """Whether all of the interval is at most the limit, or all of it above."""
        if self.low is None or self.high is None:
            return OPEN
        return HOLDS if self.high <= limit else FAILS if self.low > limit else OPEN

    def is_at_least(self, limit: float) -> Verdict:
        """Whether all of the interval is at least the limit, or all of it below."""
        if self.low is None or self.high is None:
            return OPEN
        return HOLDS if self.low >= limit else FAILS if self.high < limit else OPEN


@dataclass(frozen=True)
class CellToCell:
    """How far one cell as a whole is off.

    Attributes:
        half_width: of the 95 % interval of its log latency.
        freedom: repeats that this was seen in.
        basis: where it is from, in words.
    """

    half_width: float
    freedom: int
    basis: str


@dataclass(frozen=True)
class Spread:
    """How far cells as a whole are off, as far as the results show it."""

    known: tuple[Repeatability, ...]

    @classmethod
    def of(cls, results: pd.DataFrame) -> Spread:
        """Of all parts and settings that were measured more than twice."""
        return cls(tuple(repeatabilities(results)))

    def of_cell(self, cell: Mapping[str, Any]) -> CellToCell | None:
        """Of a cell's own part and setting, else of the worst; None if nothing was repeated."""
        own = [one for one in self.known if all(vars(one)[name] == cell[name] for name in SETTING)]
        return _cell_to_cell(own[0]) if own else self.worst

    @property
    def worst(self) -> CellToCell | None:
        """Of the part and setting that repeat worst; None if nothing was repeated."""
        if not self.known:
            return None
        worst = max(self.known, key=lambda one: one.factor)
        return _cell_to_cell(worst, ", which repeats worst here and stands for this")


def value_of(values: pd.Series, cells: pd.DataFrame, spread: Spread, together: int = 1) -> Found:
    """A figure that is proportional to the latency or its inverse, in cells of the same work.

    Args:
        values: (cells,), positive.
        cells: rows of results, of several launches or recordings of one setting.
        spread: of all results.
        together: how many intervals have to hold at once.
    """
    mean = float(np.exp(np.log(values).mean()))
    one = spread.of_cell({name: cells[name].iloc[0] for name in SETTING})
    if cells["disturbed"].any() or one is None:
        return Found(mean, None, None, _disturbance(cells) or UNKNOWN)
    rounds = np.log(cells["latency_high_s"] / cells["latency_low_s"]) / 2
    # Of its rounds alone, where these say that a cell is off by more.
    half_width = np.fmax(one.half_width, rounds.max()) / np.sqrt(cells["launch"].nunique())
    wider = _reach(one.freedom, together) / _reach(one.freedom, 1)
    return _around(mean, half_width * wider, one.basis)


def paired_ratios(above: pd.DataFrame, below: pd.DataFrame, spread: Spread) -> dict[float, Found]:
    """Latencies of cells over those of others that were measured beside them, by duration.

    Args:
        above: rows of results in one setting.
        below: rows in another; pairs are of one launch, duration and recording.
        spread: of all results.

    Returns:
        By duration in seconds, ascending, as of `by_duration`; the intervals hold together. Empty,
        if no two cells were measured beside each other.
    """
    above, below = map(_numbered, (above, below))
    above, below = (
        one.merge(other[PAIR], on=PAIR) for one, other in ((above, below), (below, above))
    )
    if above.empty:
        return {}
    pairs = above.merge(below, on=PAIR, suffixes=("", "_below"))
    pairs = pairs.assign(log=np.log(pairs["latency_s"] / pairs["latency_s_below"]))
    quiet = pairs[~(pairs["disturbed"] | pairs["disturbed_below"])]
    repeats = quiet.groupby([name for name in PAIR if name != "launch"], dropna=False)["log"]
    freedom = len(quiet) - repeats.ngroups
    squares = ((quiet["log"] - repeats.transform("mean")) ** 2).sum()
    basis = f"scatter of {len(quiet)} pairs of cells over launches"
    tops, bottoms = dict(by_duration(above)), dict(by_duration(below))
    found = {}
    for at, group in by_duration(pairs):
        if freedom >= LEAST_FREEDOM and group.index.isin(quiet.index).all():
            half_width = np.sqrt(squares / freedom) * _reach(freedom, len(tops))
            mean, repeated = np.exp(group["log"].mean()), group["launch"].nunique()
            found[at] = _around(float(mean), half_width / np.sqrt(repeated), basis)
        else:
            top, bottom = (
                value_of(one[at]["latency_s"], one[at], spread, len(tops))
                for one in (tops, bottoms)
            )
            found[at] = top.over(bottom)
    return found


def of_runs(rates: Sequence[float], spread: Spread) -> Found:
    """A rate of whole runs: by their scatter, else by what repeats worst on this machine."""
    logs = np.log(rates)
    mean, freedom = float(np.exp(logs.mean())), len(logs) - 1
    if freedom >= LEAST_FREEDOM:
        half_width = logs.std(ddof=1) * _reach(freedom, 1) / np.sqrt(len(logs))
        return _around(mean, half_width, f"scatter of {len(logs)} runs")
    one = spread.worst
    if one is None:
        return Found(mean, None, None, f"{len(logs)} runs do not show how well they repeat")
    return _around(mean, one.half_width / np.sqrt(len(logs)), one.basis)


def by_duration(cells: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Cells of one duration, ascending; many durations are joined to quarters of an octave."""
    durations_s = cells["duration_s"]
    if durations_s.nunique() <= MANY_DURATIONS:
        for _, group in cells.groupby(durations_s):
            yield float(group["duration_s"].iloc[0]), group
        return
    for _, group in cells.groupby(np.round(STEPS * np.log2(durations_s))):
        yield float(np.exp(np.log(group["duration_s"]).mean())), group


def usable(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with a time; one that something disturbed only where it was disturbed every time."""
    measured = cells[cells["status"] == "measured"]
    is_disturbed = measured["disturbed"].astype(bool)
    return measured[~is_disturbed | is_disturbed.groupby(measured["cell_id"]).transform("all")]


def why_none(cells: pd.DataFrame) -> str:
    """Why no cell of these has a time."""
    if cells.empty:
        return "not measured"
    first = cells.iloc[0]
    return f"{first['status']}: {first['reason']}" if first["reason"] else str(first["status"])


def covered(durations_s: Sequence[float], shortest_s: float, longest_s: float) -> str | None:
    """What is missing of a range that a claim is about; None where it is covered."""
    reaches = (
        len(durations_s) >= LEAST_DURATIONS
        and min(durations_s) <= shortest_s * EDGE
        and max(durations_s) * EDGE >= longest_s
    )
    if reaches:
        return None
    told = ", ".join(f"{one:.3g}" for one in durations_s)
    return f"measured at {told} s, but the claim is about {shortest_s:g} to {longest_s:g} s"


def _disturbance(cells: pd.DataFrame) -> str | None:
    """What disturbed cells, which may be off by anything; None where nothing did."""
    reasons = dict.fromkeys(reason for each in cells["disturbed_by"] for reason in each)
    return (
        f"disturbed, so by how much it is off is not known: {'; '.join(reasons)}"
        if reasons
        else None
    )


def _numbered(cells: pd.DataFrame) -> pd.DataFrame:
    equal = cells.groupby([name for name in PAIR if name != "number"], dropna=False)
    return cells.assign(number=equal.cumcount())


def _cell_to_cell(one: Repeatability, stands: str = "") -> CellToCell:
    return CellToCell(
        float(np.log(one.factor)),
        one.cells - one.works,
        f"95 % of {one.cells} cells of the {one.part} in {one.precision}, {one.execution}, are "
        f"within a factor of {one.factor:.3g}{stands}",
    )


def _around(value: float, half_width: float, basis: str) -> Found:
    """A value whose logarithm is off by ``half_width``."""
    factor = float(np.exp(half_width))
    return Found(value, value / factor, value * factor, basis)


def _reach(freedom: int, together: int) -> float:
    return float(stdtrit(freedom, 1 - (1 - LEVEL) / 2 / together))
