"""Figures of a benchmark: real-time factor and latency over duration, and the table behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from fakemamba.files import appearing_whole

# What has to be equal for two lines to be in one figure.
SETTING = ["frontend", "device", "device_name", "precision", "batch_size", "execution", "attention"]
SETTING += ["clock"]
PART_ORDER = ("front-end", "encoder", "end-to-end")
UNUSUAL = {"execution": "eager", "clock": "latency"}  # in a figure's name only if it is not this
QUANTITIES = {
    "rtf": "real-time factor (latency / duration)",
    "latency_s": "latency (s)",
}
MANY_POINTS = 16
MEDIAN_STEPS = 10


def plot_results(results: pd.DataFrame, folder: str | Path) -> Iterator[Path]:
    """Write the figures and ``cells.csv`` to ``folder``, and yield each file's path.

    Raises:
        ValueError: no cell of the results has a time.
    """
    folder = Path(folder)
    table = folder / "cells.csv"
    with appearing_whole(table) as partial:
        results.to_csv(partial, index=False)
    yield table
    measured = results[(results["status"] == "measured") & results["part"].isin(PART_ORDER)]
    if measured.empty:
        raise ValueError(
            f"none of the {len(results)} cells is a detector's and has a time, so there is nothing "
            f"to draw; the reasons are in {table}"
        )
    for _, cells in measured.groupby(SETTING, dropna=False):
        for quantity in QUANTITIES:
            if cells[quantity].notna().any():
                yield _draw(cells, quantity, folder)


def _draw(cells: pd.DataFrame, quantity: str, folder: Path) -> Path:
    """One figure: a panel a part, a line a detector, log axes.

    Many durations, as recordings have, are dots, with lines through the medians of equal steps of
    the duration's logarithm.
    """
    setting = cells.iloc[0]
    parts = [part for part in PART_ORDER if part in set(cells["part"])]
    cells = cells.assign(detector=line_names(cells))
    order = list(dict.fromkeys(cells["detector"]))
    durations_s = sorted(cells["duration_s"].unique())
    many = len(durations_s) > MANY_POINTS
    style = {
        "hue": "detector",
        "hue_order": order,
        "style": "detector",
        "style_order": order,
        "palette": sns.color_palette("husl" if len(order) > 10 else "tab10", len(order)),
    }
    lines = {"markers": True, "dashes": False, "estimator": "median", "errorbar": None}
    grid_style = {"col": "part", "col_order": parts, "height": 4.2, "aspect": 1.0}
    sns.set_theme(style="whitegrid", context="notebook")
    if many:
        dots = {"kind": "scatter", "s": 14, "alpha": 0.45, "linewidth": 0, "legend": False}
        grid = sns.relplot(data=cells, x="duration_s", y=quantity, **style, **dots, **grid_style)
        medians = _medians_of_steps(cells, quantity)
        for part, axes in grid.axes_dict.items():
            legend = "full" if part == parts[-1] else False
            data = medians[medians["part"] == part]
            sns.lineplot(
                data=data, x="duration_s", y=quantity, ax=axes, legend=legend, **style, **lines
            )
        sns.move_legend(axes, "center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    else:
        grid = sns.relplot(
            data=cells, kind="line", x="duration_s", y=quantity, **style, **lines, **grid_style
        )
    grid.set(xscale="log", yscale="log")
    grid.set_axis_labels("audio duration (s)", QUANTITIES[quantity])
    grid.set_titles("{col_name}")
    for axes in grid.axes.flat:
        _plain_durations(axes, durations_s)
        axes.grid(True, which="minor", linewidth=0.4, alpha=0.5)
    grid.figure.suptitle(setting_title(setting), y=1.03, fontsize="medium")
    return save_figure(grid.figure, folder, quantity.removesuffix("_s"), setting)


def setting_title(setting: pd.Series) -> str:
    """What all cells of a figure have in common, for people."""
    batch = "" if setting["batch_size"] == 1 else f", batch {setting['batch_size']}"
    return (
        f"{setting['frontend']}, {setting['precision']}{batch}, {setting['execution']} · "
        f"{setting['device_name']}"
    )


def save_figure(figure: Figure, folder: Path, kind: str, setting: pd.Series) -> Path:
    """Write a figure of a setting, under a name that says which, and close it."""
    name = [kind, setting["frontend"], setting["device"].replace(":", "")]
    name += [setting["precision"], f"b{setting['batch_size']}", setting["attention"]]
    name += [setting[key] for key, usual in UNUSUAL.items() if setting[key] != usual]
    path = folder / ("-".join(name) + ".png")
    with appearing_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    return path


def _medians_of_steps(cells: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Median duration and figure of each detector and part, in steps of equal ratio."""
    logarithm = np.log(cells["duration_s"])
    edges = np.linspace(logarithm.min(), logarithm.max(), MEDIAN_STEPS + 1)
    step = np.clip(np.digitize(logarithm, edges), 1, MEDIAN_STEPS)
    keys = ["detector", "part", step]
    return cells.groupby(keys)[["duration_s", quantity]].median().reset_index(["detector", "part"])


def line_names(cells: pd.DataFrame) -> pd.Series:
    """A detector's name, with its scan backend where the results have several of it."""
    several = cells.groupby("detector")["backend"].transform("nunique") > 1
    return cells["detector"].where(~several, cells["detector"] + " (" + cells["backend"] + ")")


def _plain_durations(axes: Axes, durations_s: list[float]) -> None:
    """Tick the durations themselves if they are few, else plain numbers instead of powers."""
    if len(durations_s) <= MANY_POINTS // 2:
        axes.set_xticks(durations_s)
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
