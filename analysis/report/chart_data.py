"""All charts as the data that the page's script reads: the first, and a list of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from fakemamba.analysis.answers import Answers
from fakemamba.analysis.charts.lines import Lines, lines_of
from fakemamba.analysis.palette import Looks
from fakemamba.analysis.report.crossover_chart import crossover_charts
from fakemamba.analysis.report.curves import duration_charts
from fakemamba.analysis.report.first_chart import first_chart
from fakemamba.analysis.report.pareto_chart import pareto_charts
from fakemamba.analysis.report.rooflines import roofline_charts
from fakemamba.analysis.report.shares import share_charts
from fakemamba.analysis.report.traces import Chart, Style
from fakemamba.analysis.report.words import plotly_label
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group
from fakemamba.names import short_names, visible


def chart_data(
    groups: Sequence[Group],
    scalings: Sequence[Scaling],
    crossovers: Sequence[Crossover],
    decisions: pd.DataFrame,
    rates_source: str,
    looks: Looks,
) -> list[dict[str, Any]]:
    """The settings that have a chart: label, lines of the legend, charts."""
    data = []
    for group in groups:
        lines = _lines(group, looks)
        styles = [Style.of(line) for line, _ in lines]
        charts = [
            *pareto_charts(group, styles, decisions, rates_source),
            *duration_charts(group, lines, scalings),
            *share_charts(group),
            *crossover_charts(group, styles, crossovers),
            *roofline_charts(group, styles),
        ]
        if charts:
            data.append(_board(group, lines, charts))
    return data


def first_chart_data(
    found: Answers, scalings: Sequence[Scaling], looks: Looks
) -> dict[str, Any] | None:
    """The chart of the first screen, of the lines that its sentences are about."""
    if found.growth is None or not found.lines:
        return None
    cells = found.growth.cells
    asked = pd.concat(
        [cells[(cells["line"] == name) & (cells["part"] == found.part)] for name in found.lines]
    )
    group = replace(found.growth, cells=asked, parts=(found.part,))
    lines = _lines(group, looks)
    chart = first_chart(group, lines, scalings)
    return None if chart is None else _board(group, lines, [chart])


def _board(group: Group, lines: Lines, charts: Sequence[Chart]) -> dict[str, Any]:
    """Charts with one legend."""
    names = short_names(line.name for line, _ in lines)
    legend = [{"name": names[line.name]} | asdict(Style.of(line)) for line, _ in lines]
    plain = [_plain(one) for one in charts]
    return {"label": visible(group.setting.words), "lines": legend, "charts": plain}


def _lines(group: Group, looks: Looks) -> Lines:
    """In the order of the tables."""
    return sorted(lines_of(group.cells, looks), key=lambda one: group.lines.index(one[0].name))


def _plain(chart: Chart) -> dict[str, Any]:
    """A chart as JSON, its panels' titles as Plotly's labels."""
    return asdict(chart) | {"panels": [plotly_label(panel) for panel in chart.panels]}
