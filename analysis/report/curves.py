"""Charts over the duration of the audio: real-time factor, latency, peak memory and energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.memory import shown_memory
from fakemamba.analysis.report.traces import (
    Axis,
    Chart,
    Style,
    Trace,
    band,
    curve,
    hover,
    points,
    rounded,
)
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group
from fakemamba.analysis.steps import MANY_DURATIONS, step_medians

DURATION = Axis("audio duration (s)")
CURVE_POINTS = 40
FIT_NOTE = (
    "Lines are the fitted a + bT + cT² with their 95 % bands, and end where the measurements end; "
    "without a fit they go through medians."
)
MEDIAN_NOTE = "Lines go through medians."


@dataclass(frozen=True)
class ChartQuantity:
    """A column of the results as a chart; ``fitted`` is the name that scalings have for it."""

    column: str
    title: str
    unit: str
    scale: float = 1.0
    low: str | None = None
    high: str | None = None
    fitted: str | None = None
    note: str = ""


QUANTITIES = (
    ChartQuantity("rtf", "Real-time factor", "latency / duration"),
    ChartQuantity(
        *("latency_s", "Latency", "ms", 1e3, "latency_low_s", "latency_high_s"), fitted="latency"
    ),
    ChartQuantity("peak_bytes", "Peak memory", "MB", 1e-6, fitted="peak-memory"),
    ChartQuantity("net_energy_j_per_audio_s", "Energy, net of idle", "J per second of audio"),
)


def duration_charts(
    group: Group, styles: Sequence[Style], scalings: Sequence[Scaling]
) -> Iterator[Chart]:
    """A chart for every quantity that was measured, a panel a part."""
    measured = group.cells[group.cells["status"] == "measured"]
    own = [one for one in scalings if one.setting == group.setting]
    for quantity in _quantities(measured):
        cells = measured[measured[quantity.column].notna()]
        if cells.empty:
            continue
        fits = [one for one in own if one.quantity == quantity.fitted]
        durations_s = sorted(cells["duration_s"].unique())
        panels = tuple(part for part in group.parts if part in set(cells["part"]))
        traces = [
            trace
            for panel, part in enumerate(panels)
            for line, name in enumerate(group.lines)
            for trace in _line(
                quantity,
                cells[(cells["part"] == part) & (cells["line"] == name)],
                durations_s,
                [fit for fit in fits if fit.part == part],
                (panel, line, styles[line]),
            )
        ]
        yield Chart(
            quantity.column,
            quantity.title,
            _note(cells, quantity, any(fit.a_s is not None for fit in fits)),
            panels,
            DURATION,
            Axis(f"{quantity.title.split(',')[0].lower()} ({quantity.unit})"),
            tuple(traces),
        )


def _quantities(cells: pd.DataFrame) -> Iterator[ChartQuantity]:
    """Those that are drawn, memory with the weights or beside them."""
    for quantity in QUANTITIES:
        if quantity.column == "peak_bytes":
            memory = shown_memory(cells)
            title = f"{quantity.title} {memory.words}"
            yield replace(quantity, column=memory.column, title=title, note=memory.note)
        else:
            yield quantity


def _line(
    quantity: ChartQuantity,
    cells: pd.DataFrame,
    all_durations_s: Sequence[float],
    fits: Sequence[Scaling],
    where: tuple[int, int, Style],
) -> Iterator[Trace]:
    """Points, and the fit with its band, or else medians."""
    if cells.empty:
        return
    own = [fit for fit in fits if _is_of(fit, cells, quantity)]
    many = len(all_durations_s) > MANY_DURATIONS
    drawn = [
        trace
        for fit in own
        for constant in [_constants(fit, cells, quantity).iloc[0]]
        for trace in _fit(fit, constant, quantity.scale, where)
    ]
    if not drawn:
        medians = step_medians(cells, quantity.column, all_durations_s)
        through = medians["duration_s"], medians[quantity.column] * quantity.scale
        drawn = [curve(*where, *through, hoverinfo="skip")]
    yield from drawn
    told = f"%{{x:.4~g}} s: %{{y:.4~g}} {quantity.unit}"
    marker = {"size": 5, "opacity": 0.6} if many else {"size": 8}
    template = hover(str(cells["line"].iloc[0]), told)
    more: dict[str, Any] = {"hovertemplate": template, "marker": marker}
    y = cells[quantity.column] * quantity.scale
    if quantity.low and quantity.high and not many:
        bars = {
            "type": "data",
            "array": rounded(cells[quantity.high] * quantity.scale - y),
            "arrayminus": rounded(y - cells[quantity.low] * quantity.scale),
        }
        more |= {"error_y": bars | {"thickness": 1, "width": 3}}
    yield points(*where, cells["duration_s"], y, **more)


def _is_of(fit: Scaling, cells: pd.DataFrame, quantity: ChartQuantity) -> bool:
    """Whether a fit is of these cells, and of what is drawn but for a constant."""
    first = cells.iloc[0]
    if (fit.detector, fit.backend) != (first["detector"], first["backend"]):
        return False
    return _constants(fit, cells, quantity).nunique() == 1


def _constants(fit: Scaling, cells: pd.DataFrame, quantity: ChartQuantity) -> pd.Series:
    """What is drawn beyond what is fitted: memory is fitted without the weights."""
    return cells[quantity.column] - cells[fit.figure]


def _fit(
    fit: Scaling, constant: float, scale: float, where: tuple[int, int, Style]
) -> Iterator[Trace]:
    """The fitted curve and its band, within the durations that were measured."""
    if fit.a_s is None or fit.t_min_s is None or fit.t_max_s is None:
        return
    durations_s = np.geomspace(fit.t_min_s, fit.t_max_s, CURVE_POINTS)
    low, high = ((edge + constant) * scale for edge in fit.band(durations_s))
    middle = (fit.predict(durations_s) + constant) * scale
    yield band(*where, durations_s, low, high)
    yield curve(*where, durations_s, middle, hoverinfo="skip")


def _note(cells: pd.DataFrame, quantity: ChartQuantity, fitted: bool) -> str:
    notes = [FIT_NOTE if fitted else MEDIAN_NOTE]
    notes.append(quantity.note)
    if quantity.low and cells[quantity.low].notna().any():
        notes.append("Bars are 95 % intervals of the median.")
    if zeros := int((cells[quantity.column] <= 0).sum()):
        notes.append(f"{zeros} cells are 0, which a logarithmic axis cannot show.")
    return " ".join(filter(None, notes))
