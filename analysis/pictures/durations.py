"""Real-time factor, latency, peak memory and energy over the audio's duration: a panel a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, Formatter

from fakemamba.analysis.charts.durations import FIT_NOTE, DurationSeries, duration_series
from fakemamba.analysis.charts.quantities import QUANTITIES, Quantity
from fakemamba.analysis.palette import looks_of
from fakemamba.analysis.pictures.figures import (
    PLAIN_NUMBERS,
    Caption,
    DrawnLine,
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
from fakemamba.analysis.setting import LINE

WITH_UNIT: dict[str, Formatter] = {"memory": EngFormatter(unit="B")}  # of ticks; others are plain
UNMEASURED = {
    "memory": "no cell has a peak; measure with --bench-instruments memory",
    "energy": "no cell has a reading; measure with --bench-instruments memory,work,energy on a "
    "machine with an energy counter",
}
NO_TIME = "no cell has a time"
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
    cells, looks = part_cells(results), looks_of(results["detector"])
    for quantity in QUANTITIES:
        drawn, alone = False, []
        for caption, group in captioned(cells, looks):
            shown = quantity.of(group)
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
            yield NotDrawn(_title(quantity).lower(), reason)
        elif not drawn:
            yield NotDrawn(_title(quantity).lower(), UNMEASURED.get(quantity.kind, NO_TIME))


def _title(quantity: Quantity) -> str:
    return f"{quantity.name} over duration{quantity.aside}"


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
        lines = drawn_lines(cells, caption.looks)
        for one in (series := duration_series(lines, quantity, fits)):
            _draw_series(panels[one.part], one)
        notes = [FIT_NOTE, *notes] if any(one.fit is not None for one in series) else notes
        handles: list[Artist] = [line.handle for line, _ in lines]
        if "end-to-end" in panels:
            others = draw_published(panels["end-to-end"], published, cells, quantity.column)
            handles += others
            notes = [*notes, PUBLISHED_NOTE] if others else notes
        for axes in panels.values():
            tick_durations(axes, cells["duration_s"], "audio duration (s)")
            axes.set_yscale("log")
            plain_log_ticks(axes.yaxis, WITH_UNIT.get(quantity.kind, PLAIN_NUMBERS))
            axes.grid(True, which="minor", linewidth=0.4, alpha=0.5)
        unit = "" if quantity.kind in WITH_UNIT else f" ({quantity.unit})"
        next(iter(panels.values())).set_ylabel(quantity.name.lower() + unit)
        title = _title(quantity)
        return save_figure(figure, folder, quantity.kind, caption, title, handles, notes)


def _draw_series(axes: Axes, series: DurationSeries) -> None:
    """Medians as markers, of steps if there are many; through them the fit, or straight lines."""
    line, medians = DrawnLine.of(series.line), series.medians
    if series.is_stepped:
        dots: Style = {"color": line.look.colour, "markersize": 4, "alpha": 0.45}
        axes.plot(series.points["duration_s"], series.points["value"], ".", **dots)
    axes.plot(medians["duration_s"], medians["value"], **line.points, linestyle="", zorder=3)
    curve = medians if series.fit is None else series.fit
    axes.plot(curve["duration_s"], curve["value"], **line.stroke)
    if series.fit is not None:
        band: Style = {"color": line.look.colour, "alpha": 0.2, "linewidth": 0}
        axes.fill_between(curve["duration_s"], curve["low"], curve["high"], **band)


def _notes(cells: pd.DataFrame, known: pd.DataFrame, quantity: Quantity) -> list[str]:
    """What the axes do not show."""
    notes = [quantity.note] if quantity.note else []
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
