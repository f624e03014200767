"""All charts as the data that the page's script reads: a list of settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fakemamba.analysis.report.crossover_chart import crossover_charts
from fakemamba.analysis.report.curves import duration_charts
from fakemamba.analysis.report.rooflines import roofline_charts
from fakemamba.analysis.report.settings import Setting
from fakemamba.analysis.report.shares import share_charts
from fakemamba.analysis.report.traces import Chart, Style
from fakemamba.analysis.report.words import plotly_label
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.names import shorten, visible


def chart_data(
    settings: Sequence[Setting], scalings: Sequence[Scaling], crossovers: Sequence[Crossover]
) -> list[dict[str, Any]]:
    """The settings that have a chart: label, lines of the legend, charts."""
    data = []
    for setting in settings:
        styles = _styles(setting)
        charts = list(_charts(setting, styles, scalings, crossovers))
        if charts:
            lines = [
                {"name": shorten(visible(name))} | asdict(style)
                for name, style in zip(setting.lines, styles, strict=True)
            ]
            label = visible(setting.label)
            data.append({"label": label, "lines": lines, "charts": [_plain(one) for one in charts]})
    return data


def _charts(
    setting: Setting,
    styles: Sequence[Style],
    scalings: Sequence[Scaling],
    crossovers: Sequence[Crossover],
) -> Iterator[Chart]:
    yield from duration_charts(setting, styles, scalings)
    yield from share_charts(setting)
    yield from crossover_charts(setting, styles, crossovers)
    yield from roofline_charts(setting, styles)


def _styles(setting: Setting) -> list[Style]:
    """A style a line; a detector's second line has the same colour and an open marker."""
    detectors = setting.cells.groupby("line", sort=False)["detector"].first()
    seen: Counter[str] = Counter()
    styles = []
    for name in setting.lines:
        detector = str(detectors[name])
        styles.append(Style.of(detector, seen[detector]))
        seen[detector] += 1
    return styles


def _plain(chart: Chart) -> dict[str, Any]:
    """A chart as JSON, its panels' titles as Plotly's labels."""
    return asdict(chart) | {"panels": [plotly_label(panel) for panel in chart.panels]}
