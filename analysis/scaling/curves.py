"""Curves: one quantity of one detector's part over duration, in one setting, with its visits.

A row of a table is a cell of one launch. Here rows of the same subject become a curve: for each
duration the figures of its visits, and what its cells without a figure died of. The value at a
duration is the median over visits, without the drift of their passes; where every duration was
measured in three launches or more, a launch's median counts as one visit, as its process is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri, stdtrit

from fakemamba.analysis.drift import without_drift
from fakemamba.analysis.scaling.fit import LEVEL, Floats
from fakemamba.analysis.scaling.noise import Noise, noise_of
from fakemamba.analysis.setting import ASKED_PARTS, SUBJECT, Subject, split
from fakemamba.result_schema import LEAST_COVERAGE
from fakemamba.visits import LEAST_VISITS

# The figures that show a quantity, the better first, and their unit.
FIGURES = {
    "latency": (("latency_s",), "s"),
    # Without the weights, where they are known apart: a constant hides what grows.
    "peak-memory": (("activation_bytes", "peak_bytes"), "bytes"),
    "flops": (("flops",), "flop"),
    "energy": (("net_energy_j",), "J"),
}
EXACT = ("flops", "peak-memory")  # counted, not measured
FORMULA = "work"  # the figure that no measurement decides
SAME_OUTPUT = "stays the same when the end of its input changes"
# A mean of passes whose neighbours are half alike is off by 1.7 times as much as of independent
# ones, and they lie 1.4 times as close together: docs/scaling.md has how often intervals hold.
ALIKE = 2.5
LEAST_GROWTH = 1.01  # of the work in an octave, if the whole input is read
MANY_DURATIONS = 16  # as recordings have; beyond them neighbours are joined, and drawn in steps
SINGLE = (
    "each cell was visited fewer than three times, which does not show how far one as a whole is "
    "off: measure in passes, for longer (--bench-budget), or give the files of three launches"
)
RESIDENT = (
    "before schema 3 it was the growth of the process, which does not repeat: measure again with "
    "this version"
)


@dataclass(frozen=True)
class Curve(Subject):
    """One quantity over duration.

    Attributes:
        quantity: ``latency``, ``peak-memory``, ``flops`` or ``energy``.
        figure: the column that it comes from: ``activation_bytes`` is memory without the weights.
        unit: of the samples.
        durations_s: (n,) ascending, distinct.
        visits: for each duration its visits' figures (k,), without drift; k may differ.
        launches: in how many files any of it was measured.
        are_launches: whether a visit here is a whole launch.
        level_error: how far the level of the whole curve may be off by drift, as a share.
        fixed_length: why the input is known to be cut to a fixed length, or None.
        doubt: why the figures say nothing of growth, or None.
        without: which cells have no figure, and why; empty if all have one.
        disturbed: how many of the cells the machine was disturbed in.
    """

    quantity: str
    figure: str
    unit: str
    durations_s: Floats
    visits: tuple[Floats, ...]
    launches: int = 1
    are_launches: bool = False
    level_error: float = 0.0
    fixed_length: str | None = None
    doubt: str | None = None
    without: str = ""
    disturbed: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether its values are counted, so that none is off."""
        return self.quantity in EXACT

    @property
    def visits_each(self) -> int:
        """The median number of visits of a duration."""
        return int(np.median([len(one) for one in self.visits])) if self.visits else 0

    @property
    def resampled(self) -> str | None:
        """What tells how sure it is: ``launches`` or ``visits``; None where nothing does."""
        if self.noise is None:
            return None
        return "launches" if self.are_launches else "visits"

    @cached_property
    def noise(self) -> Noise | None:
        """How far its visits are off; None where it is exact or that is not known."""
        enough = all(len(one) >= LEAST_VISITS and (one > 0).all() for one in self.visits)
        return noise_of(self.visits) if self.visits and enough and not self.is_exact else None

    def until(self, longest_s: float) -> Curve:
        """The same up to a duration."""
        kept = int((self.durations_s <= longest_s).sum())
        return replace(self, durations_s=self.durations_s[:kept], visits=self.visits[:kept])

    def values(self) -> Floats:
        """(n,): at each duration, the median over visits."""
        return np.array([np.median(one) for one in self.visits])

    def drawn(
        self, draws: int, rng: np.random.Generator, with_level: bool = False
    ) -> Floats | None:
        """The values as they might have been (draws, n), one draw where they are exact.

        None where it is not known how far they are off. The level of the whole curve bends nothing
        and cancels where curves of the same passes are compared, so it stays, unless it is asked
        for.
        """
        if self.is_exact:
            return self.values()[None]
        if self.noise is None:
            return None
        errors = self.noise.errors(draws, rng)
        if with_level:
            errors = errors + self.level_error * rng.standard_normal((draws, 1))
        return self.values() * np.exp(errors)


def curves(
    results: pd.DataFrame, quantities: Sequence[str] = ("latency", "peak-memory", "flops")
) -> list[Curve]:
    """The curves of a table, by subject and quantity.

    A subject of which nothing was measured is a curve without durations, of the first quantity
    alone. Otherwise a quantity that was not measured has no curve.

    Args:
        results: from `read_results`.
        quantities: which of ``latency``, ``peak-memory``, ``flops`` and ``energy``.

    Raises:
        ValueError: the results have no cell of a detector, or a quantity is unknown.
    """
    if unknown := set(quantities) - set(FIGURES):
        raise ValueError(f"unknown quantity {min(unknown)!r}; there are {', '.join(FIGURES)}")
    if len(results) and "steady_s" not in results:
        results = without_drift(results)
    cells = results[results["part"].isin(ASKED_PARTS)] if len(results) else results
    if cells.empty:
        raise ValueError(f"none of the {len(results)} cells is a detector's, streams aside")
    return [
        curve
        for labels, group in split(cells, SUBJECT)
        for curve in _curves_of(labels, group, quantities)
    ]


def quarter_octaves(durations_s: npt.ArrayLike) -> Floats:
    """Numbers (n,), equal for distinct durations (n,) that are joined; of few, each is its own."""
    distinct_s = np.asarray(durations_s, np.float64)
    return distinct_s if len(distinct_s) <= MANY_DURATIONS else np.round(4 * np.log2(distinct_s))


def _curves_of(
    labels: dict[str, Any], cells: pd.DataFrame, quantities: Sequence[str]
) -> Iterator[Curve]:
    """The curves of one subject's cells."""
    measured = cells[cells["status"] == "measured"]
    counted = measured[measured["flop_coverage"] >= LEAST_COVERAGE].dropna(subset="flops")
    works = cells["work"].dropna() if "work" in cells else pd.Series(dtype=object)
    work = None if works.empty else works.iloc[0]
    known: dict[str, Any] = {
        "fixed_length": _fixed_length(cells, _flops(counted, work)),
        "disturbed": int(measured["disturbed"].sum()),
    }
    for place, quantity in enumerate(quantities):
        figures, unit = FIGURES[quantity]
        known |= {"quantity": quantity, "unit": unit}
        if quantity == "flops" and work is not None and not measured.empty:
            yield _of_work(work, **labels, **known, launches=cells["launch"].nunique())
            continue
        present = [name for name in figures if measured[name].notna().any()]
        if not present and (place > 0 or not measured.empty):
            continue
        figure = next((name for name in present if measured[name].notna().all()), figures[-1])
        rows = measured.dropna(subset=figure)
        doubt = None
        if quantity == "flops" and len(counted) < len(rows):
            doubt = (
                f"the count of {len(rows) - len(counted)} of {len(rows)} cells covers less than "
                f"{LEAST_COVERAGE:.0%} of their time, and what was not counted may grow otherwise"
            )
        if quantity == "peak-memory" and labels["device"] == "cpu" and _is_before_visits(rows):
            doubt = RESIDENT
        visits, are_launches = _visits(rows, figure)
        few = [] if quantity in EXACT else _with_few(visits)
        without = _without(cells)
        if few:
            told = f"fewer than {LEAST_VISITS} visits at {', '.join(f'{one:g} s' for one in few)}"
            without = "; ".join(one for one in (without, told) if one)
        durations_s = [one for one in visits if one not in few]
        yield Curve(
            **labels,
            **known,
            figure=figure,
            durations_s=np.array(durations_s, np.float64),
            visits=tuple(visits[one] for one in durations_s),
            launches=rows["launch"].nunique(),
            are_launches=are_launches,
            level_error=0.0 if figure != "latency_s" else level_error(chain(*rows["drift"])),
            doubt=doubt,
            without=without,
        )


def _of_work(work: Any, **known: Any) -> Curve:
    """FLOPs by formula, over more durations than were measured."""
    return Curve(
        **known,
        figure=FORMULA,
        durations_s=np.array(work.durations_s if work.reason is None else (), np.float64),
        visits=tuple(np.array([one], np.float64) for one in work.flops) if not work.reason else (),
        without=work.reason or "",
    )


def _visits(rows: pd.DataFrame, figure: str) -> tuple[dict[float, Floats], bool]:
    """By duration, ascending, the figures of visits (k,), and whether these are launches."""
    figures = rows["steady_s"] if figure == "latency_s" else rows[figure].map(lambda one: (one,))
    found: dict[float, dict[int, list[float]]] = {}
    for duration_s, launch, each in zip(rows["duration_s"], rows["launch"], figures, strict=True):
        found.setdefault(float(duration_s), {}).setdefault(int(launch), []).extend(each)
    everywhere = [set(found[duration_s]) for duration_s in found]
    launches = set(rows["launch"])
    are_launches = len(launches) >= LEAST_VISITS and all(one == launches for one in everywhere)
    return {
        duration_s: np.array(
            [np.median(one) for one in found[duration_s].values()]
            if are_launches
            else [value for one in found[duration_s].values() for value in one],
            np.float64,
        )
        for duration_s in sorted(found)
    }, are_launches


def _with_few(visits: Mapping[float, Floats]) -> list[float]:
    """Durations with too few visits beside others that have enough."""
    few = [duration_s for duration_s, one in visits.items() if len(one) < LEAST_VISITS]
    return few if len(few) < len(visits) else []


def level_error(drift: Iterable[float]) -> float:
    """How far the passes' drift (factors) may have shifted all of a curve, as a share.

    Student's, as there are few passes, and wider than of independent ones.
    """
    factors = sorted(set(drift))
    count = len(factors)
    if count < LEAST_VISITS:
        return 0.0
    few = float(stdtrit(count - 1, LEVEL[1]) / ndtri(LEVEL[1]))
    return few * ALIKE * float(np.std(np.log(factors), ddof=1)) / np.sqrt(count)


def _is_before_visits(rows: pd.DataFrame) -> bool:
    return "passes" not in rows or bool(rows["passes"].isna().any())


def _flops(counted: pd.DataFrame, work: Any) -> pd.Series:
    """FLOPs by duration, by formula where they are."""
    if work is not None and work.reason is None:
        return pd.Series(work.flops, list(work.durations_s), np.float64)
    return counted.groupby("duration_s")["flops"].median()


def _fixed_length(cells: pd.DataFrame, flops: pd.Series) -> str | None:
    """Why the input is cut: said so, an output that does not change, or work that does not grow."""
    said = cells["fixed_length"].dropna() if "fixed_length" in cells else cells["reason"].iloc[:0]
    if not said.empty:
        return str(said.iloc[0])
    wrong = cells[
        (cells["status"] == "wrong") & cells["reason"].str.contains(SAME_OUTPUT, na=False)
    ]
    if not wrong.empty:
        shortest = wrong.sort_values("duration_s").iloc[0]
        return f"at {shortest['duration_s']:g} s {shortest['reason']}"
    if flops.empty:
        return None
    longest_s = flops.index.max()
    shorter = flops[flops.index <= longest_s / 2]
    if shorter.empty or flops[longest_s] >= LEAST_GROWTH * shorter.iloc[-1]:
        return None
    return (
        f"at {longest_s:g} s it does as much work as at {shorter.index[-1]:g} s "
        f"({flops[longest_s]:.4g} and {shorter.iloc[-1]:.4g} flop), so the input is cut"
    )


def _without(cells: pd.DataFrame) -> str:
    """Which cells have no figure: 'out-of-memory at 64 s; failed at 1 s, 2 s'."""
    lost = cells[cells["status"] != "measured"]
    return "; ".join(
        f"{status} at {', '.join(f'{one:g} s' for one in sorted(set(group['duration_s'])))}"
        for status, group in lost.groupby("status")
    )
