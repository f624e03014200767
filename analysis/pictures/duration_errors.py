"""Errors by duration: the equal error rate in each bucket, and whose trials are mistaken there."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from fakemamba.analysis.palette import GREYS, system_looks
from fakemamba.analysis.pictures.classes import PER_CENT, SPOOF_COLOUR
from fakemamba.analysis.pictures.figures import (
    Caption,
    DrawnLine,
    house_style,
    save_figure,
    shortened,
)
from fakemamba.data.trials import BONA_FIDE

EER_PICTURE = "Equal error rate by duration"
CONFUSION_PICTURE = "Errors by duration and attack"
SPREAD = 0.5  # of the distance between buckets, that the systems share
ROOM = 1.1  # times the largest
LEAST_TOP = 0.001  # a rate, for a picture of none but zeros
MOST_ATTACKS = 40
ROW_IN, COLUMN_IN, NAMES_IN = 0.27, 1.2, 2.2
DARK = 0.6  # of the largest rate: from here on text is white
SHADES = LinearSegmentedColormap.from_list("errors", ["#ffffff", SPOOF_COLOUR, "#7a2d00"])


def plot_duration_eer(rates: pd.DataFrame, path: Path) -> Path:
    """Draw each system's equal error rate in each bucket, with its interval.

    Args:
        rates: a row a system and bucket, in the order to draw, with the columns ``system``,
            ``bucket`` (in seconds), ``eer``, its interval ``low`` to ``high`` (shares of one; NaN
            where there is none), and the trials ``bonafide`` and ``spoof``.
        path: the PNG to write.

    Returns:
        The file that was written.

    Raises:
        ValueError: no bucket has a rate.
    """
    known = rates[rates["eer"].notna()]
    if known.empty:
        raise ValueError("no duration has an equal error rate to draw")
    buckets = list(dict.fromkeys(rates["bucket"]))
    systems = list(dict.fromkeys(rates["system"]))
    shifts = (np.arange(len(systems)) - (len(systems) - 1) / 2) * SPREAD / len(systems)
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 4.2))
        looks = system_looks(systems)
        lines = [DrawnLine(shortened(system), looks[system]) for system in systems]
        for line, system, shift in zip(lines, systems, shifts, strict=True):
            of_it = known[known["system"] == system]
            x = np.array([buckets.index(bucket) for bucket in of_it["bucket"]]) + shift
            eer = of_it["eer"].to_numpy(np.float64)
            ends = np.abs(of_it[["low", "high"]].to_numpy(np.float64).T - eer)  # (2, buckets)
            axes.errorbar(x, eer, yerr=ends, color=line.look.colour, capsize=3, linestyle="")
            axes.plot(x, eer, **line.points, linestyle="", zorder=3)
        counts = rates.groupby("bucket")[["bonafide", "spoof"]].max()
        ticks = [
            f"{_seconds(bucket)}\n{of_it['bonafide']:,} + {of_it['spoof']:,}"
            for bucket, of_it in zip(buckets, counts.loc[buckets].to_dict("records"), strict=True)
        ]
        axes.set_xticks(range(len(buckets)), ticks)
        axes.set_xlim(-0.6, len(buckets) - 0.4)
        highest = np.nanmax(known[["eer", "high"]].to_numpy(np.float64))
        axes.set_ylim(0, ROOM * max(highest, LEAST_TOP))
        axes.yaxis.set_major_formatter(PER_CENT)
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="duration; bona fide + spoofed trials", ylabel="equal error rate")
        notes = ["Bars: 95 % intervals."] if known["low"].notna().any() else []
        without = rates[rates["eer"].isna()]
        if not without.empty:
            lacking = ", ".join(_seconds(bucket) for bucket in dict.fromkeys(without["bucket"]))
            notes.append(f"Without a rate, as one class has no trials: {lacking}.")
        caption = Caption("each bucket has its own threshold", "")
        handles = [line.handle for line in lines]
        return save_figure(figure, path.parent, path.stem, caption, EER_PICTURE, handles, notes)


def plot_confusion(confusion: pd.DataFrame, system: str, threshold: float, path: Path) -> Path:
    """Draw which share of each attack's trials is accepted and of bona fide ones rejected.

    Args:
        confusion: a row a bucket and attack (``bonafide``: these) with the columns ``bucket``,
            ``attack``, ``label``, ``accepted`` and ``rejected`` (trials).
        system: whose errors they are.
        threshold: from which score on a trial is accepted.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    is_bonafide = confusion["label"] == BONA_FIDE
    table = confusion.assign(
        errors=np.where(is_bonafide, confusion["rejected"], confusion["accepted"]),
        trials=confusion["accepted"] + confusion["rejected"],
        row=np.where(is_bonafide, "bona fide rejected", confusion["attack"]),
    )
    rows, left_out = _rows(table)
    buckets = list(dict.fromkeys(table["bucket"]))
    errors, trials = (
        table.pivot(index="row", columns="bucket", values=name)
        .reindex(index=rows, columns=buckets)
        .to_numpy(np.float64)
        for name in ("errors", "trials")
    )  # (rows, buckets), NaN where there are no trials
    with house_style():
        size = (NAMES_IN + COLUMN_IN * len(buckets), 0.7 + ROW_IN * len(rows))
        figure, axes = plt.subplots(figsize=(max(6.4, size[0]), size[1]))
        shares = errors / trials
        largest = max(float(np.nanmax(shares)), LEAST_TOP)
        axes.imshow(shares, cmap=SHADES, vmin=0, vmax=largest, aspect="auto")
        for row, column in np.ndindex(shares.shape):
            share = shares[row, column]
            count = trials[row, column]
            text = "–" if np.isnan(share) else f"{100 * share:.1f} % of {count:,.0f}"
            ink = "white" if share > DARK * largest else GREYS[0]
            axes.text(column, row, text, ha="center", va="center", fontsize="small", color=ink)
        axes.set_xticks(range(len(buckets)), [_seconds(bucket) for bucket in buckets])
        axes.set_yticks(range(len(rows)), [shortened(row) for row in rows])
        axes.axhline(0.5, color=GREYS[0], linewidth=1.2)
        axes.grid(visible=False)
        axes.set_xlabel("duration")
        notes = ["First row: bona fide trials rejected. Others: trials of the attack accepted."]
        if left_out:
            notes.append(f"{left_out} attacks with fewer errors are not drawn.")
        name = textwrap.shorten(system, 60, placeholder="…")
        caption = Caption(f"{name}, accepted from a score of {threshold:.4g} on", "")
        return save_figure(figure, path.parent, path.stem, caption, CONFUSION_PICTURE, (), notes)


def _seconds(bucket: str) -> str:
    """A bucket with its unit; of unknown durations it has none."""
    return f"{bucket} s" if any(letter.isdigit() for letter in bucket) else bucket


def _rows(table: pd.DataFrame) -> tuple[list[str], int]:
    """Bona fide and the attacks in order; of too many the worst. And how many are left out."""
    totals = table.groupby("row")[["errors", "trials"]].sum()
    first = [row for row in totals.index if row == "bona fide rejected"]
    shares = (totals["errors"] / totals["trials"]).drop(first).sort_values(ascending=False)
    return first + sorted(shares.index[:MOST_ATTACKS]), max(0, len(shares) - MOST_ATTACKS)
