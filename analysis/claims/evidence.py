"""What cells measured, with the interval that their visits give; without it there is no verdict.

A value has the interval of its cell's visits, a ratio that of both curves' visits, in which the
drift of passes cancels. What was visited fewer than three times, as in a single file before schema
3, has no interval, and neither has what was disturbed every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # scipy.stats takes a second to import

from fakemamba.analysis.claims.claim import FAILS, HOLDS, OPEN, Figure, Verdict
from fakemamba.analysis.scaling.curves import SINGLE, Curve, curves, quarter_octaves
from fakemamba.analysis.scaling.ranking import ratios
from fakemamba.visits import LEAST_VISITS, LEVEL, interval

LEAST_DURATIONS = 3  # with fewer, a range was not looked at
DRAWS = 4000  # the ends of several intervals that hold together lie far out
EDGE = 1.1  # a recording that is 10 % off the end of a range still stands for it


@dataclass(frozen=True)
class Found:
    """A positive value with its 95 % interval.

    Attributes:
        value: the median of the visits.
        low, high: None where the interval is not known.
        basis: what the interval is made of, or why there is none.
    """

    value: float
    low: float | None
    high: float | None
    basis: str

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


def value_of(values: pd.Series, cells: pd.DataFrame, together: int = 1) -> Found:
    """A figure that is proportional to the latency or its inverse, in cells of the same work.

    Args:
        values: (cells,), positive.
        cells: rows of results, of several launches or recordings of one setting.
        together: how many intervals have to hold at once.
    """
    value = float(values.median())
    latencies_s = _of_visits(cells)
    found = interval(latencies_s, 1 - (1 - LEVEL) / together)
    if cells["disturbed"].any() or found is None:
        return Found(value, None, None, _disturbance(cells) or SINGLE)
    below, above = np.array(found) / np.median(latencies_s)
    return Found(value, float(value * below), float(value * above), f"{len(latencies_s)} visits")


def paired_ratios(above: pd.DataFrame, below: pd.DataFrame) -> dict[float, Found]:
    """Latencies of cells over those of others that were measured beside them, by duration.

    Args:
        above: rows of results in one setting.
        below: rows in another; compared are durations of the same launches.

    Returns:
        By duration in seconds, ascending; many durations are joined to quarters of an octave. The
        intervals hold together. Empty, if no two cells were measured beside each other.
    """
    pairs = ["launch", "duration_s"]
    above, below = (
        one.merge(other[pairs].drop_duplicates(), on=pairs)
        for one, other in ((above, below), (below, above))
    )
    if above.empty:
        return {}
    tops, bottoms = _curve(above), _curve(below)
    found = ratios(tops, bottoms, DRAWS)
    joined = dict(_joined(list(found)))
    disturbed = pd.concat([above, below])
    disturbed = disturbed[disturbed["disturbed"].astype(bool)]
    tail = (1 - LEVEL) / 2 / len(joined) if joined else 0.0
    told = {}
    for at, durations_s in joined.items():
        logs = np.log([found[one][0] for one in durations_s]).mean()
        value = float(np.exp(logs))
        draws = np.exp(np.mean([np.log(found[one][1]) for one in durations_s], axis=0))
        doubt = _disturbance(disturbed[disturbed["duration_s"].isin(durations_s)])
        if doubt or not len(draws):
            told[at] = Found(value, None, None, doubt or SINGLE)
        else:
            low, high = np.quantile(draws, (tail, 1 - tail)).tolist()
            told[at] = Found(value, low, high, f"{tops.resampled} of both, in the same passes")
    return told


def of_runs(rates: Sequence[float]) -> Found:
    """A rate of whole runs, by their scatter where there are three."""
    logs = np.log(rates)
    mean = float(np.exp(logs.mean()))
    if len(logs) < LEAST_VISITS:
        return Found(mean, None, None, f"{len(logs)} runs do not show how well they repeat")
    reach = float(stdtrit(len(logs) - 1, (1 + LEVEL) / 2))
    factor = float(np.exp(reach * logs.std(ddof=1) / np.sqrt(len(logs))))
    return Found(mean, mean / factor, mean * factor, f"scatter of {len(logs)} runs")


def by_duration(cells: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Cells of one duration, ascending; many durations are joined to quarters of an octave."""
    durations_s = cells["duration_s"]
    for at, joined in _joined(sorted(set(durations_s))):
        yield at, cells[durations_s.isin(joined)]


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


def _joined(durations_s: Sequence[float]) -> Iterator[tuple[float, list[float]]]:
    """Durations, ascending, each by itself; many are joined to quarters of an octave."""
    steps = quarter_octaves(durations_s).tolist()
    for step in dict.fromkeys(steps):
        joined = [one for one, of in zip(durations_s, steps, strict=True) if of == step]
        yield float(np.exp(np.log(joined).mean())) if len(joined) > 1 else joined[0], joined


def _curve(cells: pd.DataFrame) -> Curve:
    (curve,) = curves(cells, ["latency"])
    return curve


def _of_visits(cells: pd.DataFrame) -> list[float]:
    """The visits' figures; where there are three launches or more, one of each."""
    launches = cells.groupby("launch")["steady_s"]
    if launches.ngroups >= LEAST_VISITS:
        return [float(np.median(np.concatenate(list(one)))) for _, one in launches]
    return [figure for one in cells["steady_s"] for figure in one]
