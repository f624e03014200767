"""Error against speed and memory: which detectors no other is better than."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.text import Annotation
from matplotlib.ticker import EngFormatter, StrMethodFormatter
from matplotlib.transforms import BboxBase

from fakemamba.analysis.charts.quantities import shown_memory
from fakemamba.analysis.decision import COSTS, TIE, decision_table
from fakemamba.analysis.palette import GREYS, looks_of
from fakemamba.analysis.pictures.figures import (
    Caption,
    NotDrawn,
    Outcome,
    Style,
    captioned,
    drawn_lines,
    house_style,
    save_figure,
)

PICTURE = "Equal error rate, real-time factor and memory"
LEAST_MARKER, MOST_MARKER = 7.0, 19.0  # points
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
    decisions = decision_table(results, rates=eer)
    known = decisions.dropna(subset=COSTS)
    known_memory = results.dropna(subset="peak_bytes_with_weights")
    if known.empty:
        yield NotDrawn(
            PICTURE.lower(),
            "no detector with an error rate was measured end-to-end with the front-end that it is "
            "of, and with its memory",
        )
    for caption, points in captioned(known, looks_of(results["detector"])):
        if len(points) < 2:
            (name,) = points["detector"]
            reason = f"only {name} has all three in this setting: {caption.title}"
            yield NotDrawn(PICTURE.lower(), reason)
            continue
        note = shown_memory(known_memory[known_memory["device"] == points["device"].iloc[0]]).note
        yield _draw(points, eer_source, note, caption, folder)


def _draw(
    points: pd.DataFrame, eer_source: str, memory_note: str, caption: Caption, folder: Path
) -> Path:
    byte = EngFormatter(unit="B")
    largest = points["memory_bytes"].max()
    lines, labels = drawn_lines(points, caption.looks), []
    with house_style():
        figure, axes = plt.subplots(figsize=(7.5, 4.8))
        for line, of_line in lines:
            (point,) = of_line.to_dict("records")
            share = np.sqrt(point["memory_bytes"] / largest)  # so that areas are as memories
            size = max(LEAST_MARKER, MOST_MARKER * share)
            place = (point["rtf"], point["eer"])
            ends = [[point["eer"] - point["eer_low"]], [point["eer_high"] - point["eer"]]]
            axes.errorbar(*place, yerr=ends, color=line.look.colour, capsize=3, linestyle="")
            axes.plot(*place, **line.points | {"markersize": size}, linestyle="")
            if point["on_front"]:
                ring = {"marker": "o", "markersize": size + RING, "markeredgecolor": GREYS[0]}
                axes.plot(*place, **ring, fillstyle="none", linestyle="")
            label = byte(float(f"{point['memory_bytes']:.3g}"))
            offset: Style = {"xytext": (size / 2 + 7, 0), "textcoords": "offset points"}
            text: Style = {"va": "center", "fontsize": "small", "color": GREYS[0]}
            labels.append(axes.annotate(label, place, **offset, **text))
        # From zero, so that small differences look small.
        axes.set_xlim(0, ROOM * points["rtf"].max())
        axes.set_ylim(0, ROOM * np.nanmax(points[["eer", "eer_high"]].to_numpy(np.float64)))
        axes.set_xlabel(f"end-to-end real-time factor at {points['at_s'].iloc[0]:.3g} s")
        axes.set_ylabel(f"equal error rate, {eer_source}")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
        figure.canvas.draw()  # only then are places known
        _move_apart(labels)
        notes = [
            "Lower left is better. Markers' areas and labels are peak memory with weights. Ringed: "
            f"no other is as good in all three, if less than {TIE:.0%} is no difference.",
            memory_note,
        ]
        unverified = points.loc[~points["eer_verified"].astype(bool), "detector"].unique()
        if len(unverified):
            notes.append(f"Error rates not verified: {', '.join(unverified)}.")
        handles = [line.handle for line, _ in lines]
        return save_figure(figure, folder, "pareto", caption, PICTURE, handles, notes)


def _move_apart(labels: Iterable[Annotation]) -> None:
    """Move labels up until none covers one below it."""
    placed: list[BboxBase] = []
    for label in sorted(labels, key=lambda one: one.get_window_extent().y0):
        while label.get_window_extent().count_overlaps(placed):
            beside, above = label.get_position()
            label.set_position((beside, above + 1))
        placed.append(label.get_window_extent())
