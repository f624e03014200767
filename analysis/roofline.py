"""Rooflines (Williams, Waterman and Patterson 2009): how near a device's ceilings a part runs.

Arithmetic intensity is flops over the bytes that unfused execution moves, so a part whose kernels
are fused, or whose tensors stay in the cache, may lie above the memory's ceiling.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

from fakemamba.analysis.plots import PART_ORDER, SETTING, line_names, save_figure, setting_title

LEAST_COVERAGE = 0.9
MARKERS = "osD^vPX*<>hpd8H"
MARGIN = 3.0  # factor between what is drawn and the frame
AREA_SMALLEST, AREA_LARGEST = 18.0, 130.0  # of markers, in points²
WORK = ["flops", "bytes_moved", "latency_s"]


def plot_roofline(results: pd.DataFrame, folder: str | Path) -> Iterator[Path]:
    """Write one figure a setting to ``folder``, and yield each file's path.

    Cells less than 90 % of whose time has a flop formula, or whose work was not counted, are not
    drawn; a note says how many. A setting that has no other cells gets no figure.

    Raises:
        ValueError: no cell of the results can be drawn.
    """
    measured = results[(results["status"] == "measured") & results["part"].isin(PART_ORDER)]
    drawn = 0
    for _, cells in measured.groupby(SETTING, dropna=False):
        is_counted = (cells["flop_coverage"] >= LEAST_COVERAGE) & cells[WORK].notna().all(axis=1)
        trusted = cells[is_counted]
        if not trusted.empty:
            drawn += 1
            yield _draw(trusted, len(cells) - len(trusted), Path(folder))
    if not drawn:
        raise ValueError(
            f"none of the {len(results)} cells has a time and a count of its work that covers "
            f"{LEAST_COVERAGE:.0%} of it, so there is no roofline to draw"
        )


def _draw(cells: pd.DataFrame, hidden: int, folder: Path) -> Path:
    """A marker a detector, a colour a part, a line over durations, whose markers grow."""
    cells = cells.assign(
        detector=line_names(cells),
        intensity=cells["flops"] / cells["bytes_moved"],
        flops_per_s=cells["flops"] / cells["latency_s"],
    )
    setting = cells.iloc[0]
    detectors = list(dict.fromkeys(cells["detector"]))
    parts = [part for part in PART_ORDER if part in set(cells["part"])]
    colours = dict(zip(parts, sns.color_palette("tab10"), strict=False))
    markers = {name: MARKERS[place % len(MARKERS)] for place, name in enumerate(detectors)}
    durations_s = sorted(cells["duration_s"].unique())
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(figsize=(8.5, 5.6))
    axes.set(xscale="log", yscale="log")
    for (detector, part), line in cells.groupby(["detector", "part"], sort=False):
        line = line.sort_values("duration_s")
        x, y, colour = line["intensity"], line["flops_per_s"], colours[str(part)]
        axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.5, zorder=2)
        areas = _areas(line["duration_s"], durations_s)
        axes.scatter(
            *(x, y, areas, [colour]),
            marker=markers[str(detector)],
            alpha=0.9,
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
        )
    _draw_ceilings(axes, cells)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.set_xlabel("arithmetic intensity (flop / byte moved)")
    axes.set_ylabel("achieved (flop/s)")
    axes.grid(True, which="minor", linewidth=0.4, alpha=0.5)
    _draw_legend(axes, markers, colours, durations_s)
    axes.set_title(setting_title(setting), fontsize="medium")
    if hidden:
        note = (
            f"{hidden} of {hidden + len(cells)} cells not drawn: "
            f"no count of their flops that covers {LEAST_COVERAGE:.0%} of their time"
        )
        figure.text(0.01, -0.02, note, fontsize="small", color="0.35")
    return save_figure(figure, folder, "roofline", setting)


def _draw_ceilings(axes: Axes, cells: pd.DataFrame) -> None:
    """Memory's slope and the matrix product's height, as far as they were measured."""
    bandwidth = cells["copy_bytes_per_s"].median()
    peak = cells["matmul_flops_per_s"].median()
    ridge = peak / bandwidth
    intensity, achieved = cells["intensity"], cells["flops_per_s"]
    left = np.nanmin([intensity.min(), ridge]) / MARGIN
    right = np.nanmax([intensity.max(), ridge]) * MARGIN
    axes.set_xlim(left, right)
    axes.set_ylim(
        np.nanmin([achieved.min(), peak / MARGIN**2]) / MARGIN,
        np.nanmax([achieved.max(), peak]) * MARGIN,
    )
    line: dict[str, Any] = {"color": "0.25", "linewidth": 1.4, "zorder": 1}
    text: dict[str, Any] = {"fontsize": "small", "color": "0.25"}
    text |= {"xytext": (0, 4), "textcoords": "offset points"}
    if np.isfinite(bandwidth):
        ends = np.array([left, ridge if np.isfinite(ridge) else right])
        axes.plot(ends, ends * bandwidth, **line)
        middle = float(np.sqrt(max(left, axes.get_ylim()[0] / bandwidth) * ends[1]))
        on_screen = axes.transData.transform(np.column_stack([ends, ends * bandwidth]))
        along = np.degrees(np.arctan2(*(on_screen[1] - on_screen[0])[::-1]))
        axes.annotate(
            f"copy {EngFormatter(unit='B/s', places=1)(bandwidth)}",
            (middle, middle * bandwidth),
            ha="center",
            rotation=along,
            rotation_mode="anchor",
            **text,
        )
    if np.isfinite(peak):
        axes.plot([ridge if np.isfinite(ridge) else left, right], [peak, peak], **line)
        label = f"matrix product {EngFormatter(unit='flop/s', places=1)(peak)} "
        axes.annotate(label, (right, peak), ha="right", **text)


def _draw_legend(
    axes: Axes,
    markers: dict[str, str],
    colours: dict[str, tuple[float, float, float]],
    durations_s: list[float],
) -> None:
    entries = [Line2D([], [], color=colour, linewidth=4, label=p) for p, colour in colours.items()]
    entries += [
        Line2D([], [], color="0.3", marker=marker, linestyle="", label=name)
        for name, marker in markers.items()
    ]
    ends = dict.fromkeys((durations_s[0], durations_s[-1]))
    entries += [
        Line2D(
            *([], []),
            color="0.6",
            marker="o",
            linestyle="",
            markersize=float(np.sqrt(_areas(pd.Series([duration_s]), durations_s)[0])),
            label=f"{duration_s:g} s",
        )
        for duration_s in ends
    ]
    axes.legend(
        handles=entries, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title=None
    )


def _areas(durations_s: pd.Series, all_durations_s: list[float]) -> np.ndarray:
    """Areas of markers, evenly over the durations' logarithm."""
    least, most = np.log(all_durations_s[0]), np.log(all_durations_s[-1])
    share = (np.log(durations_s) - least) / max(most - least, 1e-9)
    return (AREA_SMALLEST + (AREA_LARGEST - AREA_SMALLEST) * share).to_numpy()
