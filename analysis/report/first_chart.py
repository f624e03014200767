"""The chart of the first screen: latency over duration, its bands, and the two laws of growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fakemamba.analysis.charts.lines import Lines
from fakemamba.analysis.report.curves import duration_charts
from fakemamba.analysis.report.traces import ALWAYS, Chart, Trace, trace
from fakemamba.analysis.scaling.fit import TOP
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group

LAWS = {"linear": 1, "quadratic": 2}
GREY = "#555d66"
HEIGHT = 320  # pixels
NOTE = (
    "Dots are measured; lines are fits of a + bT + cT² with 95 % bands. Dotted grey: linear and "
    "quadratic growth over the last two octaves, for the slopes alone."
)
NOTE_WITHOUT = (
    "Dots are measured, lines go through medians. Dotted grey: linear and quadratic growth."
)


def first_chart(group: Group, lines: Lines, scalings: Sequence[Scaling]) -> Chart | None:
    """Latency of the setting's one part; None if it has no time."""
    charts = {one.name: one for one in duration_charts(group, lines, scalings)}
    if "latency_s" not in charts:
        return None
    chart = charts["latency_s"]
    has_fit = any(one.get("fill") for one in chart.traces)
    (part,) = group.parts
    return replace(
        chart,
        name="first",
        title=f"Latency: {part}",
        note=NOTE if has_fit else NOTE_WITHOUT,
        traces=(*_laws(group), *chart.traces),
        panel_height=HEIGHT,
    )


def _laws(group: Group) -> Iterator[Trace]:
    """A straight line a law, from the middle of what was measured two octaves before the end."""
    cells = group.cells[group.cells["status"] == "measured"]
    latencies_ms = 1e3 * cells.groupby("duration_s")["latency_s"].median()
    durations_s = latencies_ms.index.to_numpy(np.float64)
    if len(durations_s) < 2:
        return
    end_s = durations_s[-1]
    start_s = max(end_s / TOP, durations_s[0])
    start_ms = np.exp(np.interp(np.log(start_s), np.log(durations_s), np.log(latencies_ms)))
    for name, power in LAWS.items():
        yield trace(
            *(0, ALWAYS, [start_s, end_s]),
            [start_ms, start_ms * (end_s / start_s) ** power],
            mode="lines+text",
            text=["", name],
            textposition="top left",
            textfont={"color": GREY},
            line={"color": GREY, "dash": "dot", "width": 1.5},
            hoverinfo="skip",
        )
