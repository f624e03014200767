"""Error against speed and memory: which detectors no other is better than."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import EngFormatter, StrMethodFormatter

from fakemamba.analysis.memory import ShownMemory, shown_memory
from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.figures import (
    Line,
    NotDrawn,
    Outcome,
    Setting,
    Style,
    by_setting,
    house_style,
    part_cells,
    save_figure,
    split_lines,
)

PICTURE = "Equal error rate, real-time factor and memory"
COSTS = ["eer", "rtf", "memory_bytes"]
LEAST_MARKER, MOST_MARKER = 7.0, 19.0  # points
TIE = 0.02  # relative: no difference, for being on the front
ROOM = 1.2  # times the largest, for its label
RING = 8.0  # points wider than the marker


def plot_pareto(
    results: pd.DataFrame, eer: pd.DataFrame | None, eer_source: str, folder: Path
) -> Iterator[Outcome]:
    """Draw one figure a setting; yield each file, or why there is none.

    Args:
        results: from `read_results`.
        eer: from `error_rates`; None if no error rate is known.
        eer_source: what the error rates are of, for the axis.
        folder: to write to.
    """
    if eer is None:
        yield NotDrawn(
            PICTURE.lower(), "no error rate is given; name some by --eer or --published-eer"
        )
        return
    cells = part_cells(results)
    whole = cells[(cells["part"] == "end-to-end") & (cells["status"] == "measured")]
    has_rate = whole["detector"].isin(eer["detector"])
    if eer["frontend"].notna().all():
        has_rate &= whole["frontend"].isin(eer["frontend"])
    known = whole[has_rate & whole["peak_bytes"].notna()]
    if known.empty:
        yield NotDrawn(
            PICTURE.lower(),
            "no detector with an error rate was measured end-to-end with the front-end that it is "
            "of, and with its memory",
        )
    for setting, group in by_setting(known):
        memory = shown_memory(group)
        lines = split_lines(group.assign(memory_bytes=group[memory.column]))
        common = set.intersection(*(set(of_line["duration_s"]) for _, of_line in lines))
        if len(lines) < 2 or not common:
            reason = (
                f"{len(lines)} detectors with {len(common)} durations in common: {setting.title}"
            )
            yield NotDrawn(PICTURE.lower(), reason)
            continue
        points = pd.DataFrame(
            [_point(of_line, common) | {"line": line} for line, of_line in lines]
        ).merge(eer, on="detector")
        yield _draw(points, sorted(common), eer_source, memory, setting, folder)


def on_front(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which rows (n,) of positive costs (n, k) no other row beats.

    To beat is to be better in one cost and no worse in all; differences below ``TIE`` are none.
    """
    ratios = costs[:, None] / costs[None]  # (n, n, k): row i over row j
    no_worse = (ratios <= 1 + TIE).all(axis=2)
    better = (ratios < 1 - TIE).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0), np.bool_)


def _point(cells: pd.DataFrame, common: set[float]) -> dict[str, object]:
    """Median real-time factor over the common durations, and the largest memory."""
    cells = cells[cells["duration_s"].isin(common)]
    per_duration = cells.groupby("duration_s")[["rtf", "memory_bytes"]].median()
    return {
        "detector": cells["detector"].iloc[0],
        "rtf": per_duration["rtf"].median(),
        "memory_bytes": per_duration["memory_bytes"].max(),
    }


def _draw(
    points: pd.DataFrame,
    durations_s: list[float],
    eer_source: str,
    memory: ShownMemory,
    setting: Setting,
    folder: Path,
) -> Path:
    best = on_front(points[COSTS].to_numpy(np.float64))
    byte = EngFormatter(unit="B")
    largest = points["memory_bytes"].max()
    with house_style():
        figure, axes = plt.subplots(figsize=(7.5, 4.8))
        for point, is_best in zip(points.to_dict("records"), best, strict=True):
            line: Line = point["line"]
            share = np.sqrt(point["memory_bytes"] / largest)  # so that areas are as memories
            size = max(LEAST_MARKER, MOST_MARKER * share)
            place = (point["rtf"], point["eer"])
            ends = [[point["eer"] - point["low"]], [point["high"] - point["eer"]]]
            axes.errorbar(*place, yerr=ends, color=line.look.colour, capsize=3, linestyle="")
            axes.plot(*place, **line.points | {"markersize": size}, linestyle="")
            if is_best:
                ring = {"marker": "o", "markersize": size + RING, "markeredgecolor": GREYS[0]}
                axes.plot(*place, **ring, fillstyle="none", linestyle="")
            label = byte(float(f"{point['memory_bytes']:.3g}"))
            offset: Style = {"xytext": (size / 2 + 7, 0), "textcoords": "offset points"}
            axes.annotate(label, place, **offset, va="center", fontsize="small", color=GREYS[0])
        # From zero, so that small differences look small.
        axes.set_xlim(0, ROOM * points["rtf"].max())
        axes.set_ylim(0, ROOM * np.nanmax(points[["eer", "high"]].to_numpy(np.float64)))
        ends_s = dict.fromkeys((durations_s[0], durations_s[-1]))
        span = " to ".join(f"{end_s:.3g}" for end_s in ends_s)
        axes.set_xlabel(f"end-to-end real-time factor, median over {span} s")
        axes.set_ylabel(f"equal error rate, {eer_source}")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
        notes = [
            "Lower left is better. Markers' areas and labels are the largest peak memory of these "
            f"durations, {memory.words}. Ringed: no other is as good in all three, if less than "
            f"{TIE:.0%} is no difference.",
            memory.note,
        ]
        unverified = points[~points["verified"]]["detector"].unique()
        if len(unverified):
            notes.append(f"Error rates not verified: {', '.join(unverified)}.")
        handles = [line.handle for line in points["line"]]
        return save_figure(figure, folder, "pareto", setting, PICTURE, handles, notes)
