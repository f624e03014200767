"""The Pareto chart: error against speed and memory, from the table of decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.decision import COSTS, TIE
from fakemamba.analysis.report.traces import Axis, Chart, Style, Trace, error_bars, hover, points
from fakemamba.analysis.report.words import number, plotly_label
from fakemamba.analysis.setting import Group

LEAST_MARKER, MOST_MARKER = 10, 30  # pixels
INK = "#1b1f24"


def pareto_charts(
    group: Group, styles: Sequence[Style], decisions: pd.DataFrame, rates_source: str
) -> Iterator[Chart]:
    """One chart, if two detectors have an error rate, a real-time factor and a memory."""
    known = group.rows_of(decisions).dropna(subset=COSTS)
    if len(known) < 2:
        return
    traces = [
        _point(row, line, styles[line], float(known["memory_bytes"].max()))
        for row in known.to_dict("records")
        for line in [group.lines.index(row["line"])]
    ]
    at_s = number(known["at_s"].iloc[0])
    yield Chart(
        "pareto",
        "Error rate, speed and memory",
        f"Of end to end at {at_s} s. Lower left is better; markers' areas are memory with "
        f"weights. With a dark rim: no other is as good in all three, if less than {TIE:.0%} is "
        "no difference.",
        ("end-to-end",),
        Axis(f"real-time factor at {at_s} s", ("linear", "log")),
        Axis(f"equal error rate (%), {plotly_label(rates_source)}", ("linear", "log")),
        tuple(traces),
        columns=1,
    )


def _point(row: dict[Any, Any], line: int, style: Style, largest: float) -> Trace:
    """A marker with the interval of its error rate, ringed if it is on the front."""
    size = max(LEAST_MARKER, MOST_MARKER * np.sqrt(row["memory_bytes"] / largest))
    rim = {"color": INK if row["on_front"] else style.colour, "width": 3 if row["on_front"] else 0}
    unverified = "" if row["eer_verified"] else ", not verified"
    told = (
        f"RTF {number(row['rtf'])}, {number(row['memory_bytes'] * 1e-6)} MB with weights, "
        f"EER {number(row['eer'])} %{unverified}"
    )
    more: dict[str, Any] = {}
    if not np.isnan(row["eer_low"]):
        ends = ("eer", "eer_low", "eer_high")
        more["error_y"] = error_bars(*(pd.Series([row[name]]) for name in ends))
    marker = {"size": float(f"{size:.4g}"), "line": rim}
    label = hover(row["line"], plotly_label(told))
    return points(
        *(0, line, style, [row["rtf"]], [row["eer"]]), marker=marker, hovertemplate=label, **more
    )
