"""Real-time factor, latency, peak memory and energy over the audio's duration: a panel a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, Formatter

from fakemamba.analysis.memory import shown_memory
from fakemamba.analysis.pictures.figures import (
    PLAIN_NUMBERS,
    Caption,
    Line,
    NotDrawn,
    Outcome,
    Style,
    captioned,
    disturbed_note,
    drawn_lines,
    house_style,
    part_cells,
    part_panels,
    plain_log_ticks,
    save_figure,
    shortened,
    tick_durations,
)
from fakemamba.analysis.pictures.published import draw_published
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import LINE, SUBJECT, values_of
from fakemamba.analysis.steps import MANY_DURATIONS, step_medians

CURVE_POINTS = 200


@dataclass(frozen=True)
class Quantity:
    """A figure of a cell that is drawn over duration; ``kind`` names its files."""

    column: str
    kind: str
    title: str
    axis: str
    unmeasured: str
    formatter: Formatter = PLAIN_NUMBERS


QUANTITIES = (
    Quantity(
        "rtf",
        "rtf",
        "Real-time factor over duration",
        "real-time factor (latency / duration)",
        "no cell has a time",
    ),
    Quantity("latency_s", "latency", "Latency over duration", "latency (s)", "no cell has a time"),
    Quantity(
        "peak_bytes",
        "memory",
        "Peak memory over duration",
        "peak memory",
        "no cell has a peak; measure with --bench-instruments memory",
        EngFormatter(unit="B"),
    ),
    Quantity(
        "net_energy_j_per_audio_s",
        "energy",
        "Energy over duration, without idle power",
        "energy (J per second of audio)",
        "no cell has a reading; measure with --bench-instruments memory,work,energy on a machine "
        "with an energy counter",
    ),
)
FIT_NOTE = (
    "Curves: fits of a + bT + cT², with their 95 % bands, within the measured range. Straight "
    "lines join medians, where there is no fit."
)
PUBLISHED_NOTE = "What was published is of the device named with it, ours of that in the title."


def plot_durations(
    results: pd.DataFrame, folder: Path, fits: Sequence[Scaling], published: pd.DataFrame
) -> Iterator[Outcome]:
    """Draw each quantity of each setting.

    Args:
        results: from `read_results`.
        folder: to write to.
        fits: to the latencies, from `judge_growth`; those that found a curve are drawn as lines.
        published: from `read_published`; real-time factors of these detectors are drawn beside.

    Yields:
        Each file, or why there is none.
    """
    cells = part_cells(results)
    for quantity in QUANTITIES:
        drawn, alone = False, []
        for caption, group in captioned(cells):
            shown = _shown(quantity, group)
            # A logarithmic axis has no place for the peak of 0 bytes that a small call may have.
            known = group[(group["status"] == "measured") & (group[shown.column] > 0)]
            if len(known.groupby([*LINE, "duration_s"])) > 1:
                drawn = True
                notes = _notes(group, known, shown)
                yield _draw(known, shown, caption, folder, fits, published, notes)
            elif not known.empty:
                alone.append(caption.title)
        if alone:
            several = f" (and {len(alone) - 1} settings more)" if len(alone) > 1 else ""
            reason = f"one detector at one duration is no picture: {alone[0]}{several}"
            yield NotDrawn(quantity.title.lower(), reason)
        elif not drawn:
            yield NotDrawn(quantity.title.lower(), quantity.unmeasured)


def _shown(quantity: Quantity, cells: pd.DataFrame) -> Quantity:
    """The quantity as it is of these cells: memory with the weights or beside them."""
    if quantity.kind != "memory":
        return quantity
    memory = shown_memory(cells)
    title, axis = f"Peak memory {memory.words} over duration", f"peak memory {memory.words}"
    return replace(quantity, column=memory.column, title=title, axis=axis)


def _draw(
    cells: pd.DataFrame,
    quantity: Quantity,
    caption: Caption,
    folder: Path,
    fits: Sequence[Scaling],
    published: pd.DataFrame,
    notes: list[str],
) -> Path:
    with house_style():
        figure, panels = part_panels(cells["part"])
        lines = drawn_lines(cells)
        durations_s = cells["duration_s"].unique()
        fitted = False
        for line, group in lines:
            for part, at_part in group.groupby("part"):
                fit = _fit_of(at_part, fits) if quantity.kind == "latency" else None
                fitted |= fit is not None
                _draw_line(panels[str(part)], line, at_part, quantity.column, durations_s, fit)
        notes = [FIT_NOTE, *notes] if fitted else notes
        handles: list[Artist] = [line.handle for line, _ in lines]
        if "end-to-end" in panels:
            others = draw_published(panels["end-to-end"], published, cells, quantity.column)
            handles += others
            notes = [*notes, PUBLISHED_NOTE] if others else notes
        for axes in panels.values():
            tick_durations(axes, durations_s, "audio duration (s)")
            axes.set_yscale("log")
            plain_log_ticks(axes.yaxis, quantity.formatter)
            axes.grid(True, which="minor", linewidth=0.4, alpha=0.5)
        next(iter(panels.values())).set_ylabel(quantity.axis)
        return save_figure(figure, folder, quantity.kind, caption, quantity.title, handles, notes)


def _draw_line(
    axes: Axes,
    line: Line,
    cells: pd.DataFrame,
    column: str,
    durations_s: Iterable[float],
    fit: Scaling | None,
) -> None:
    """Medians as markers, of steps if there are many; through them the fit, or straight lines."""
    if len(set(durations_s)) > MANY_DURATIONS:
        dots: Style = {"color": line.look.colour, "markersize": 4, "alpha": 0.45}
        axes.plot(cells["duration_s"], cells[column], ".", **dots)
    medians = step_medians(cells, column, durations_s)
    axes.plot(medians["duration_s"], medians[column], **line.points, linestyle="", zorder=3)
    if fit is None or fit.t_min_s is None or fit.t_max_s is None:
        axes.plot(medians["duration_s"], medians[column], **line.stroke)
        return
    grid_s = np.geomspace(fit.t_min_s, fit.t_max_s, CURVE_POINTS)
    low, high = fit.band(grid_s)
    axes.plot(grid_s, fit.predict(grid_s), **line.stroke)
    axes.fill_between(grid_s, low, high, color=line.look.colour, alpha=0.2, linewidth=0)


def _fit_of(cells: pd.DataFrame, fits: Sequence[Scaling]) -> Scaling | None:
    """The fit to the latencies of these cells, if one was possible."""
    labels = values_of(cells.iloc[0], SUBJECT)
    return next((fit for fit in fits if fit.a_s is not None and fit.labels() == labels), None)


def _notes(cells: pd.DataFrame, known: pd.DataFrame, quantity: Quantity) -> list[str]:
    """What the axes do not show."""
    notes = []
    if quantity.kind == "memory":
        notes.append(shown_memory(known).note)
    zeros = int((cells[quantity.column] == 0).sum())
    notes += [f"{zeros} of {zeros + len(known)} cells are 0 and not drawn."] if zeros else []
    unmeasured = cells[cells["status"] != "measured"]
    for status, group in unmeasured.groupby("status", sort=False):
        who = ", ".join(
            f"{shortened(detector)} from {of_it['duration_s'].min():g} s"
            for detector, of_it in group.groupby("detector", sort=False)
        )
        notes.append(f"{len(group)} cells have no time, {status}: {who}.")
    return notes + disturbed_note(known)
