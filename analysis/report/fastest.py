"""Which detector is the fastest at which duration, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import comb

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.report.answer import Claim, Point
from fakemamba.analysis.report.sections import Section
from fakemamba.analysis.report.settings import Setting
from fakemamba.analysis.report.tables import Field, Record, tabulate
from fakemamba.analysis.report.words import number
from fakemamba.analysis.scaling.fit import LEAST_DURATIONS
from fakemamba.analysis.ties import undecided

FEW_DURATIONS = 12
STEPS = 6
TIE = "no clear winner"
SHOWN = "beyond rounds' and cells' noise (95 %)"
TWO_SIDED = 1.96
LARGEST_CHANCE = 0.05  # of as many wins if both were as fast, by the sign test
FIELDS = (
    Field("duration (s)", "durations", is_key=True),
    Field("fastest", "line", is_key=True),
    Field("latency (ms)", "latency_s", 1e3, is_key=True),
    Field("next", "rival", is_key=True),
    Field("next takes", "times", is_key=True),
    Field("how sure", "sureness", is_key=True),
)


def fastest_section(settings: Sequence[Setting]) -> Iterator[Section]:
    """A table a setting and part: a row a duration, or a step of many durations."""
    tables = []
    for place, setting in enumerate(settings):
        for part in _compared(setting):
            records = list(_records(setting, part))
            if records:
                caption = f"{part}: {setting.label}"
                tables.append(tabulate(f"fastest-{place}-{part}", caption, FIELDS, records))
    if tables:
        yield Section("fastest", "Fastest", "The fastest at each duration", (), tuple(tables))


def fastest_claims(setting: Setting) -> Iterator[Claim]:
    """For each part: the detectors that are the fastest, from which duration on."""
    points = []
    for part in _compared(setting):
        runs = groupby(_records(setting, part), lambda one: one["line"] if one["sure"] else TIE)
        told = ", ".join(f"{name} from {number(next(run)['from_s'])} s" for name, run in runs)
        if told:
            points.append(Point("fastest", "", part, told))
    if points:
        yield Claim("Fastest", tuple(points))


def _compared(setting: Setting) -> list[str]:
    """The parts that are not the same for all detectors."""
    return [part for part in setting.parts if part != "front-end"]


def _records(setting: Setting, part: str) -> Iterator[Record]:
    """At durations that at least two lines have, or at steps of equal ratio of many durations."""
    measured = setting.cells["status"] == "measured"
    cells = setting.cells[measured & (setting.cells["part"] == part)]
    lines = cells.groupby("duration_s")["line"].transform("nunique")
    cells = cells[lines >= 2]
    if cells["duration_s"].nunique() <= FEW_DURATIONS:
        yield from _at_durations(cells)
    else:
        yield from _at_steps(cells)


def _at_durations(cells: pd.DataFrame) -> Iterator[Record]:
    """The two fastest at each duration, and whether their intervals are apart."""
    columns = ["latency_s", "latency_low_s", "latency_high_s"]
    noise = _noise_of_cells(cells)
    for duration_s, group in cells.groupby("duration_s"):
        medians = group.groupby("line")[columns].median().sort_values("latency_s")
        best, rival = medians.iloc[0], medians.iloc[1]
        doubt = _doubt(best, rival, noise)
        yield {
            "durations": duration_s,
            "from_s": duration_s,
            "line": str(best.name),
            "rival": str(rival.name),
            "latency_s": best["latency_s"],
            "times": f"{number(rival['latency_s'] / best['latency_s'])} × as long",
            "sure": doubt is None,
            "sureness": doubt or SHOWN,
        }


def _at_steps(cells: pd.DataFrame) -> Iterator[Record]:
    """The two fastest in each step, and at how many of its durations the first is faster."""
    latencies = cells.pivot_table(
        index="duration_s", columns="line", values="latency_s", aggfunc="median"
    )
    durations_s = latencies.index.to_numpy(np.float64)
    edges = np.geomspace(durations_s[0], durations_s[-1], STEPS + 1)
    for _, step in latencies.groupby(np.digitize(durations_s, edges[1:-1])):
        common = step.dropna(axis=1)
        if common.shape[1] < 2:
            continue
        first, second = common.median().sort_values().index[:2]
        wins, count = int((common[first] < common[second]).sum()), len(common)
        chance = 2 * sum(comb(count, k) for k in range(wins, count + 1)) / 2**count
        shown = chance < LARGEST_CHANCE
        yield {
            "durations": f"{number(step.index.min())} to {number(step.index.max())}",
            "from_s": step.index.min(),
            "line": first,
            "rival": second,
            "latency_s": common[first].median(),
            "times": f"{number((common[second] / common[first]).median())} × as long",
            "sure": shown,
            "sureness": f"faster at {wins} of {count} durations"
            f"{'' if shown else ': no difference shown'}",
        }


def roughness(nodes: npt.NDArray[np.float64], logs: npt.NDArray[np.float64]) -> float:
    """The variance of single cells: how far each is off the straight line between its neighbours.

    The median over cells lets a curve have an edge, as at the end of a floor.
    """
    right = (nodes[1:-1] - nodes[:-2]) / (nodes[2:] - nodes[:-2])
    off = logs[1:-1] - (1 - right) * logs[:-2] - right * logs[2:]
    median = 0.4549  # of chi-square, one degree of freedom
    return float(np.median(off**2 / (1 + right**2 + (1 - right) ** 2)) / median)


def _noise_of_cells(cells: pd.DataFrame) -> dict[str, float]:
    """By how much (log) a line's cells are off as a whole; lines of few durations have no entry.

    Rounds do not show it: a process may run at another speed as the next one does.
    """
    medians = cells.groupby(["line", "duration_s"])["latency_s"].median()
    noise = {}
    for line, curve in medians.groupby(level="line"):
        if len(curve) >= LEAST_DURATIONS:
            durations_s = curve.index.get_level_values("duration_s").to_numpy(np.float64)
            noise[str(line)] = roughness(np.log(durations_s), np.log(curve.to_numpy())) ** 0.5
    return noise


def _doubt(best: pd.Series, rival: pd.Series, noise: dict[str, float]) -> str | None:
    """Why the best one may not be the faster; None if it is."""
    if best.isna().any() or rival.isna().any():
        return "unknown: there are no intervals"
    if not best["latency_high_s"] < rival["latency_low_s"]:
        low = rival["latency_low_s"] / best["latency_high_s"]
        high = rival["latency_high_s"] / best["latency_low_s"]
        return f"95 % intervals overlap: {undecided(low, high)}"
    if not {str(best.name), str(rival.name)} <= noise.keys():
        return f"unknown: noise from cell to cell shows with {LEAST_DURATIONS} durations"
    ratio = rival["latency_s"] / best["latency_s"]
    margin = np.exp(TWO_SIDED * np.hypot(noise[str(best.name)], noise[str(rival.name)]))
    if ratio <= margin:
        told = undecided(ratio / margin, ratio * margin)
        return f"within the noise from cell to cell: {told}"
    return None
