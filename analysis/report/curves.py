"""Charts over the duration of the audio: real-time factor, latency, peak memory and energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fakemamba.analysis.charts.durations import FIT_NOTE, DurationSeries, duration_series
from fakemamba.analysis.charts.lines import Lines
from fakemamba.analysis.charts.quantities import QUANTITIES, Quantity
from fakemamba.analysis.report.traces import (
    Axis,
    Chart,
    Style,
    Trace,
    band,
    curve,
    error_bars,
    hover,
    points,
)
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group

DURATION = Axis("audio duration (s)")
THINNED = 5  # one of so many points of a fit is enough
UNITS = {"latency": ("ms", 1e3), "memory": ("MB", 1e-6)}  # and by what values are multiplied
MEDIAN_NOTE = "Lines go through medians."


def duration_charts(group: Group, lines: Lines, scalings: Sequence[Scaling]) -> Iterator[Chart]:
    """A chart for every quantity that was measured, a panel a part."""
    measured = group.cells[group.cells["status"] == "measured"]
    for quantity in (one.of(measured) for one in QUANTITIES):
        series = duration_series(lines, quantity, scalings)
        if not series:
            continue
        unit, scale = UNITS.get(quantity.kind, (quantity.unit, 1.0))
        panels = tuple(part for part in group.parts if part in {one.part for one in series})
        traces = [
            trace
            for panel, part in enumerate(panels)
            for one in series
            if one.part == part
            for trace in _line(one, unit, scale, panel, group.lines.index(one.line.name))
        ]
        yield Chart(
            quantity.column,
            f"{quantity.name}{quantity.aside}",
            _note(quantity, series),
            panels,
            DURATION,
            Axis(f"{quantity.name.lower()} ({unit})"),
            tuple(traces),
        )


def _line(
    series: DurationSeries, unit: str, scale: float, panel: int, line: int
) -> Iterator[Trace]:
    """Points, and the fit with its band, or else medians."""
    where = (panel, line, Style.of(series.line))
    through = series.medians
    if series.fit is not None:
        through = series.fit.iloc[::THINNED]
        ends = (through["low"] * scale, through["high"] * scale)
        yield band(*where, through["duration_s"], *ends)
    yield curve(*where, through["duration_s"], through["value"] * scale, hoverinfo="skip")
    template = hover(series.line.name, f"%{{x:.4~g}} s: %{{y:.4~g}} {unit}")
    marker = {"size": 5, "opacity": 0.6} if series.is_stepped else {"size": 8}
    more: dict[str, Any] = {"hovertemplate": template, "marker": marker}
    if "low" in series.points and not series.is_stepped:
        bars = error_bars(*(series.points[name] * scale for name in ("value", "low", "high")))
        more |= {"error_y": bars | {"thickness": 1, "width": 3}}
    yield points(*where, series.points["duration_s"], series.points["value"] * scale, **more)


def _note(quantity: Quantity, series: Sequence[DurationSeries]) -> str:
    notes = [FIT_NOTE if any(one.fit is not None for one in series) else MEDIAN_NOTE, quantity.note]
    if any("low" in one.points and one.points["low"].notna().any() for one in series):
        notes.append("Bars are 95 % intervals of the median.")
    if zeros := sum(int((one.points["value"] <= 0).sum()) for one in series):
        notes.append(f"{zeros} cells are 0, which a logarithmic axis cannot show.")
    return " ".join(filter(None, notes))
