"""Curves: one quantity of one detector's part over duration, in one setting, with its repetitions.

A row of a table is a cell of one launch. Here rows of the same setting become a curve: for each
duration the samples of each launch, and what its cells without a figure died of. The value at a
duration is the mean over launches of each launch's median.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.schema import LEAST_COVERAGE

PARTS = ("front-end", "encoder", "end-to-end", "training-step", "training-step-frozen")
# The figures that show a quantity, the better first, and their unit.
FIGURES = {
    "latency": (("latency_s",), "s"),
    # Without the weights, where they are known apart: a constant hides what grows.
    "peak-memory": (("activation_bytes", "peak_bytes"), "bytes"),
    "flops": (("flops",), "flop"),
    "energy": (("net_energy_j",), "J"),
}
EXACT = ("flops",)  # counted, not measured
SAME_OUTPUT = "stays the same when the end of its input changes"
LEAST_GROWTH = 1.01  # of the work in an octave, if the whole input is read
LEAST_LAUNCHES = 3  # to resample

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """What has to be equal for cells to be points of one curve; None where the file is older."""

    detector: str
    part: str
    device: str
    device_name: str | None
    precision: str
    backend: str | None
    batch_size: int
    attention: str | None
    execution: str | None
    frontend: str | None
    clock: str | None

    def labels(self) -> dict[str, Any]:
        """The fields of the setting alone."""
        return {name: getattr(self, name) for name in SETTING}


SETTING = tuple(field.name for field in fields(Setting))


@dataclass(frozen=True)
class Curve(Setting):
    """One quantity over duration.

    Attributes:
        quantity: ``latency``, ``peak-memory``, ``flops`` or ``energy``.
        figure: the column that it comes from: ``activation_bytes`` is memory without the weights.
        unit: of the samples.
        durations_s: (n,) ascending, distinct.
        rounds: for each duration, each launch's samples (k,), by the launch's number.
        fixed_length: why the input is known to be cut to a fixed length, or None.
        doubt: why the figures say nothing of growth, or None.
        without: which cells have no figure, and why; empty if all have one.
        disturbed: how many of the cells the machine was disturbed in.
    """

    quantity: str
    figure: str
    unit: str
    durations_s: Floats
    rounds: tuple[Mapping[int, Floats], ...]
    fixed_length: str | None = None
    doubt: str | None = None
    without: str = ""
    disturbed: int = 0

    @property
    def launches(self) -> int:
        """In how many launches any of it was measured."""
        return len({launch for samples in self.rounds for launch in samples})

    @property
    def rounds_each(self) -> int:
        """The median number of samples of a duration in a launch."""
        counts = [len(samples) for each in self.rounds for samples in each.values()]
        return int(np.median(counts)) if counts else 0

    def until(self, longest_s: float) -> Curve:
        """The same up to a duration."""
        kept = int((self.durations_s <= longest_s).sum())
        return replace(self, durations_s=self.durations_s[:kept], rounds=self.rounds[:kept])

    def values(self) -> Floats:
        """(n,): at each duration, the mean over launches of the median over rounds."""
        return np.array(
            [np.mean([np.median(one) for one in each.values()]) for each in self.rounds]
        )

    def resampled(self, draws: int, rng: np.random.Generator) -> tuple[Floats | None, str]:
        """The values as they might have been: (draws, n), and what was resampled.

        ``launches``, where every duration was measured in the same three or more; else ``rounds``
        of each duration and launch; ``nothing`` where a duration has one sample, so that all draws
        are equal. Of counts that are exact there are no draws: None.
        """
        if self.quantity in EXACT:
            return None, "nothing: exact"
        numbers = sorted(self.rounds[0])
        if len(numbers) >= LEAST_LAUNCHES and all(sorted(each) == numbers for each in self.rounds):
            return self._resampled_launches(numbers, draws, rng), "launches"
        drawn = [
            np.mean([draw_medians(one, draws, rng) for one in each.values()], axis=0)
            for each in self.rounds
        ]
        return np.stack(drawn, axis=-1), "rounds" if self.rounds_each > 1 else "nothing"

    def _resampled_launches(
        self, numbers: list[int], draws: int, rng: np.random.Generator
    ) -> Floats:
        medians = np.array(
            [[np.median(each[number]) for each in self.rounds] for number in numbers]
        )
        count = len(numbers)
        drawn = rng.multinomial(count, [1 / count] * count, size=draws) / count @ medians
        values = medians.mean(axis=0)
        # A resample of few varies too little, by the factor of a variance without Bessel's n - 1.
        return values * (drawn / values) ** np.sqrt(count / (count - 1))


def curves(
    results: pd.DataFrame, quantities: Sequence[str] = ("latency", "peak-memory", "flops")
) -> list[Curve]:
    """The curves of a table, by setting and quantity.

    A setting in which nothing was measured is a curve without durations, of the first quantity
    alone. Otherwise a quantity that was not measured has no curve.

    Args:
        results: from `read_results`.
        quantities: which of ``latency``, ``peak-memory``, ``flops`` and ``energy``.

    Raises:
        ValueError: the results have no cell of a detector, or a quantity is unknown.
    """
    if unknown := set(quantities) - set(FIGURES):
        raise ValueError(f"unknown quantity {min(unknown)!r}; there are {', '.join(FIGURES)}")
    cells = results[results["part"].isin(PARTS)] if len(results) else results
    if cells.empty:
        raise ValueError(f"none of the {len(results)} cells is a detector's")
    cells = cells.assign(**{name: None for name in SETTING if name not in cells})
    return [
        curve
        for values, group in cells.groupby(list(SETTING), dropna=False, sort=False)
        for curve in _curves_of(dict(zip(SETTING, values, strict=True)), group, quantities)
    ]


def draw_medians(samples: npt.ArrayLike, draws: int, rng: np.random.Generator) -> Floats:
    """Bootstrap medians (..., draws) of samples (..., k), without drawing the samples.

    A resample is k uniform places, so its middle is a middle order statistic of k uniform numbers,
    whose law is a Beta. All leading axes share the places.
    """
    ascending = np.sort(np.asarray(samples, np.float64), axis=-1)
    count = ascending.shape[-1]
    below = (count + 1) // 2
    lower = rng.beta(below, count - below + 1, draws)
    upper = lower
    if count % 2 == 0:  # the next one: the least of the others, which are uniform above the lower
        upper = 1 - (1 - lower) * rng.random(draws) ** (1 / (count - below))
    places = [np.minimum((count * middle).astype(int), count - 1) for middle in (lower, upper)]
    return (ascending[..., places[0]] + ascending[..., places[1]]) / 2


def _curves_of(
    setting: dict[str, Any], cells: pd.DataFrame, quantities: Sequence[str]
) -> Iterator[Curve]:
    """The curves of one setting's cells."""
    setting = {name: None if pd.isna(value) else value for name, value in setting.items()}
    setting["batch_size"] = int(setting["batch_size"])
    measured = cells[cells["status"] == "measured"]
    counted = measured[measured["flop_coverage"] >= LEAST_COVERAGE].dropna(subset="flops")
    known: dict[str, Any] = {
        "fixed_length": _fixed_length(cells, counted),
        "without": _without(cells),
        "disturbed": int(measured["disturbed"].sum()),
    }
    for place, quantity in enumerate(quantities):
        figures, unit = FIGURES[quantity]
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
        rounds = _rounds(rows, figure)
        yield Curve(
            **setting,
            **known,
            quantity=quantity,
            figure=figure,
            unit=unit,
            durations_s=np.array(sorted(rounds), np.float64),
            rounds=tuple(rounds[duration_s] for duration_s in sorted(rounds)),
            doubt=doubt,
        )


def _rounds(rows: pd.DataFrame, figure: str) -> dict[float, dict[int, Floats]]:
    """By duration and launch the samples (k,); one a cell where its rounds are not known."""
    samples = rows[figure].map(lambda value: (value,))
    if figure == "latency_s":
        samples = rows["samples_s"].where(rows["samples_s"].notna(), samples)
    found: dict[float, dict[int, list[float]]] = {}
    for duration_s, launch, each in zip(rows["duration_s"], rows["launch"], samples, strict=True):
        found.setdefault(float(duration_s), {}).setdefault(int(launch), []).extend(each)
    return {
        duration_s: {launch: np.array(one, np.float64) for launch, one in launches.items()}
        for duration_s, launches in found.items()
    }


def _fixed_length(cells: pd.DataFrame, counted: pd.DataFrame) -> str | None:
    """Why the input is cut: an output that does not change, or work that does not grow."""
    wrong = cells[
        (cells["status"] == "wrong") & cells["reason"].str.contains(SAME_OUTPUT, na=False)
    ]
    if not wrong.empty:
        shortest = wrong.sort_values("duration_s").iloc[0]
        return f"at {shortest['duration_s']:g} s {shortest['reason']}"
    flops = counted.groupby("duration_s")["flops"].median()
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
