"""Rooflines: a panel a part, in it a line a detector over durations, whose markers grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from fakemamba.analysis.charts.rooflines import Range, Roofline, roofline
from fakemamba.analysis.palette import GREYS, looks_of
from fakemamba.analysis.pictures.figures import (
    Caption,
    NotDrawn,
    Outcome,
    captioned,
    drawn_lines,
    house_style,
    part_cells,
    part_panels,
    plain_log_ticks,
    save_figure,
)
from fakemamba.result_schema import LEAST_COVERAGE

PICTURE = "Roofline"
MARGIN = 2.5  # factor between what is drawn and the frame
AREA_SMALLEST, AREA_LARGEST = 28.0, 130.0  # of markers, in points²


def plot_roofline(results: pd.DataFrame, folder: Path) -> Iterator[Outcome]:
    """Draw one figure a setting; yield each file, or why there is none.

    Cells less than 90 % of whose time has a flop formula, or whose work was not counted, are not
    drawn; a note says how many. A setting that has no other cells gets no figure.
    """
    cells, looks = part_cells(results), looks_of(results["detector"])
    drawn = False
    for caption, group in captioned(cells[cells["status"] == "measured"], looks):
        found = roofline(group)
        if found is not None:
            drawn = True
            yield _draw(found, caption, folder)
    if not drawn:
        yield NotDrawn(
            PICTURE.lower(),
            "no cell of a detector has a time and a count of its work that covers "
            f"{LEAST_COVERAGE:.0%} of it; measure with --bench-instruments work",
        )


def _draw(found: Roofline, caption: Caption, folder: Path) -> Path:
    cells = found.cells
    ceilings = found.ceilings(cells["intensity"], MARGIN)
    durations_s = np.unique(cells["duration_s"])
    with house_style():
        figure, panels = part_panels(cells["part"], width_in=4.4)
        lines = drawn_lines(cells, caption.looks)
        for line, of_line in lines:
            for part, group in of_line.groupby("part"):
                group = group.sort_values("duration_s")
                x, y = group["intensity"], group["flops_per_s"]
                axes = panels[str(part)]
                axes.plot(x, y, **line.stroke | {"linewidth": 0.9, "alpha": 0.6}, zorder=2)
                is_full = line.fill == "full"
                axes.scatter(
                    *(x, y, _areas(group["duration_s"], durations_s)),
                    marker=line.look.marker,
                    facecolors=line.look.colour if is_full else "none",
                    edgecolors="white" if is_full else line.look.colour,
                    linewidths=0.6 if is_full else 1.2,
                    zorder=3,
                )
        _limit(next(iter(panels.values())), found, ceilings)
        for axes in panels.values():
            axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity (flop / byte moved)")
            plain_log_ticks(axes.xaxis)
            plain_log_ticks(axes.yaxis, EngFormatter())
        next(iter(panels.values())).set_ylabel("achieved (flop/s)")
        figure.draw_without_rendering()  # lays the axes out: only then is the slope's angle known
        for axes in panels.values():
            _draw_ceilings(axes, found, ceilings)
        handles: list[Any] = [line.handle for line, _ in lines]
        ends_s = dict.fromkeys(durations_s[[0, -1]].tolist())
        handles += [_size_handle(duration_s, durations_s) for duration_s in ends_s]
        return save_figure(figure, folder, "roofline", caption, PICTURE, handles, found.notes)


def _limit(axes: Axes, found: Roofline, ceilings: tuple[Range, Range]) -> None:
    """Let points and ceilings in, with room around them."""
    (left, _), (_, right) = ceilings
    peak, achieved = found.matmul_flops_per_s, found.cells["flops_per_s"]
    axes.set_xlim(left, right)
    axes.set_ylim(
        np.nanmin([achieved.min(), peak / MARGIN**2]) / MARGIN,
        np.nanmax([achieved.max(), peak]) * MARGIN,
    )


def _draw_ceilings(axes: Axes, found: Roofline, ceilings: tuple[Range, Range]) -> None:
    """Memory's slope and the matrix product's height, as far as they were measured."""
    bandwidth, peak = found.copy_bytes_per_s, found.matmul_flops_per_s
    slope, height = ceilings
    line: dict[str, Any] = {"color": GREYS[0], "linewidth": 1.4, "zorder": 1}
    text: dict[str, Any] = {"fontsize": "small", "color": GREYS[0]}
    text |= {"xytext": (0, 4), "textcoords": "offset points"}
    if np.isfinite(bandwidth):
        ends = np.array(slope)
        axes.plot(ends, ends * bandwidth, **line)
        middle = float(np.sqrt(max(ends[0], axes.get_ylim()[0] / bandwidth) * ends[1]))
        on_screen = axes.transData.transform(np.column_stack([ends, ends * bandwidth]))
        along = np.degrees(np.arctan2(*(on_screen[1] - on_screen[0])[::-1]))
        axes.annotate(
            f"copy {EngFormatter(unit='B/s', places=0)(bandwidth)}",
            (middle, middle * bandwidth),
            ha="center",
            rotation=along,
            rotation_mode="anchor",
            **text,
        )
    if np.isfinite(peak):
        axes.plot(height, [peak, peak], **line)
        label = f"matrix product {EngFormatter(unit='flop/s', places=0)(peak)} "
        axes.annotate(label, (height[1], peak), ha="right", **text)


def _size_handle(duration_s: float, durations_s: np.ndarray) -> Line2D:
    size = float(np.sqrt(_areas(pd.Series([duration_s]), durations_s)[0]))
    style: dict[str, Any] = {"color": GREYS[2], "marker": "o", "linestyle": ""}
    return Line2D([], [], **style, markersize=size, label=f"{duration_s:g} s")


def _areas(durations_s: pd.Series, all_durations_s: np.ndarray) -> np.ndarray:
    """Areas of markers, evenly over the durations' logarithm."""
    least, most = np.log(all_durations_s[[0, -1]])
    share = (np.log(durations_s) - least) / max(most - least, 1e-9)
    return (AREA_SMALLEST + (AREA_LARGEST - AREA_SMALLEST) * share).to_numpy()
