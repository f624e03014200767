"""How soon a listener knows: errors over time, the time to an alarm, and that over its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fakemamba.analysis.palette import system_looks
from fakemamba.analysis.pictures.classes import PER_CENT
from fakemamba.analysis.pictures.figures import (
    Caption,
    DrawnLine,
    house_style,
    plain_log_ticks,
    save_figure,
    shortened,
    tick_durations,
)

PREFIX_PICTURE = "Equal error rate of what was heard so far"
ALARM_PICTURE = "Spoofed trials with an alarm"
COST_PICTURE = "Time to an alarm over its cost"
BAND = 0.15  # opacity of intervals


def plot_prefixes(rates: pd.DataFrame, path: Path) -> Path:
    """Draw each system's equal error rate over the seconds that were heard.

    Args:
        rates: a row a system and prefix, with the columns ``system``, ``prefix_s``, ``eer`` and its
            interval ``low`` to ``high`` (shares of one; None where there is none).
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 4.2))
        lines = _lines(list(dict.fromkeys(rates["system"])))
        for system, line in lines.items():
            of_it = rates[rates["system"] == system].astype({"low": float, "high": float})
            axes.plot(of_it["prefix_s"], of_it["eer"], **line.stroke | line.points)
            axes.fill_between(
                of_it["prefix_s"], of_it["low"], of_it["high"], color=line.look.colour, alpha=BAND
            )
        tick_durations(axes, rates["prefix_s"], "heard (s); shorter trials as they ended")
        axes.yaxis.set_major_formatter(PER_CENT)
        axes.set_ylim(0, None)
        axes.set_ylabel("equal error rate")
        notes = ["Bands: 95 % intervals."] if rates["low"].notna().any() else []
        return _saved(
            figure, path, PREFIX_PICTURE, "each point has its own threshold", lines, notes
        )


def plot_alarms(
    detected_by: Mapping[str, Sequence[tuple[float, float]]],
    false_alarms_per_h: Mapping[str, float],
    path: Path,
) -> Path:
    """Draw the share of spoofed trials that has had an alarm, over time.

    Args:
        detected_by: of each system seconds, ascending, and the share by then.
        false_alarms_per_h: of bona fide speech.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 4.2))
        lines = _lines(list(detected_by))
        last_s = max((one[-1][0] for one in detected_by.values() if one), default=1.0)
        for system, line in lines.items():
            times_s, shares = np.array([(0.0, 0.0), *detected_by[system]]).T
            axes.step(
                np.append(times_s, last_s),
                np.append(shares, shares[-1]),
                where="post",
                **line.stroke,
            )
        axes.set(xlim=(0, last_s), ylim=(0, 1.02), xlabel="heard (s)", ylabel="share with an alarm")
        axes.yaxis.set_major_formatter(PER_CENT)
        told = "; ".join(f"{name} {rate:.3g}" for name, rate in false_alarms_per_h.items())
        notes = [f"False alarms an hour of bona fide speech: {told}."]
        caption = "thresholds chosen by development trials"
        return _saved(figure, path, ALARM_PICTURE, caption, lines, notes)


def plot_alarms_by_cost(table: pd.DataFrame, path: Path) -> Path:
    """Draw when half of the spoofs have an alarm over what a second of audio costs.

    Args:
        table: a row a system and way to compute, with the columns ``system``, ``cached``,
            ``cost_s_per_s`` and ``cost_low_s_per_s`` to ``cost_high_s_per_s``, ``median_s`` and its
            interval ``low`` to ``high``; ``inf`` is never.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 4.2))
        lines = _lines(list(dict.fromkeys(table["system"])))
        drawn = table[np.isfinite(table["median_s"]) & table["cost_s_per_s"].notna()]
        for row in drawn.to_dict("records"):
            line = lines[row["system"]]
            hollow = {"markerfacecolor": "white", "markeredgecolor": line.look.colour}
            points = line.points | {"fillstyle": "full"} | (hollow if row["cached"] else {})
            axes.errorbar(
                row["cost_s_per_s"],
                row["median_s"],
                xerr=_ends(row["cost_s_per_s"], row["cost_low_s_per_s"], row["cost_high_s_per_s"]),
                yerr=_ends(row["median_s"], row["low"], row["high"]),
                **points | {"capsize": 3, "linestyle": "", "ecolor": line.look.colour},
            )
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
        axes.set_ylim(0, None)
        axes.set(
            xlabel="computing a second of audio (s)", ylabel="time until half have an alarm (s)"
        )
        notes = ["Bars: 95 % intervals. Hollow: convolutions kept from window to window."]
        never = sorted(set(table["system"]) - set(drawn["system"]))
        if never:
            notes.append(f"Never, or without a cost: {', '.join(never)}.")
        return _saved(figure, path, COST_PICTURE, "lower and further left is better", lines, notes)


def _lines(systems: Sequence[str]) -> dict[str, DrawnLine]:
    looks = system_looks(systems)
    return {system: DrawnLine(shortened(system), looks[system]) for system in systems}


def _ends(value: float, low: object, high: object) -> list[list[float]] | None:
    """Distances to both ends, as an error bar takes them; None where an end is not known."""
    ends = np.array([low, high], dtype=np.float64)
    return [[value - ends[0]], [ends[1] - value]] if np.isfinite(ends).all() else None


def _saved(
    figure: Figure,
    path: Path,
    title: str,
    caption: str,
    lines: Mapping[str, DrawnLine],
    notes: Sequence[str],
) -> Path:
    handles = [line.handle for line in lines.values()]
    return save_figure(figure, path.parent, path.stem, Caption(caption, ""), title, handles, notes)
