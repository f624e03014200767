"""What charts are made of: Plotly's traces as plain data, each belonging to a line of the legend.

The page's script lays the panels out, draws the legend, and changes the axes; what is drawn is
decided here. Strings reach Plotly through ``plotly_label`` only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from fakemamba.analysis.charts.lines import Line
from fakemamba.analysis.report.markers import PLOTLY, svg_path
from fakemamba.analysis.report.words import is_known, plotly_label

VARIANTS = ("", "-open", "-open-dot")  # the same detector with another scan backend
LINE_WIDTH = 2
DIGITS = 5
ALWAYS = -1  # the line of what no button of the legend hides

Trace = dict[str, Any]


@dataclass(frozen=True)
class Style:
    """How a line looks, in Plotly's words; ``outline`` is its marker as a path of SVG."""

    colour: str
    symbol: str
    dash: str
    outline: str

    @classmethod
    def of(cls, line: Line) -> Style:
        """The look of a line."""
        drawn = line.look
        symbol = PLOTLY[drawn.marker] + VARIANTS[line.variant % len(VARIANTS)]
        dash = ",".join(f"{LINE_WIDTH * length:g}px" for length in drawn.dashes)
        return cls(drawn.colour, symbol, dash or "solid", svg_path(drawn.marker))


@dataclass(frozen=True)
class Axis:
    """An axis of all panels of a chart.

    ``types`` are those that make sense, the first being shown first.
    """

    title: str
    types: tuple[Literal["log", "linear", "category"], ...] = ("log", "linear")


@dataclass(frozen=True)
class Chart:
    """One figure of the page: panels of equal axes side by side.

    Attributes:
        name: unique within a setting.
        title: what it shows.
        note: how to read it, and what it leaves out.
        panels: their titles.
        traces: Plotly's, with ``meta.line`` the line that shows and hides them.
        panel_height: in pixels.
        columns: of panels, at the most.
    """

    name: str
    title: str
    note: str
    panels: tuple[str, ...]
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    panel_height: int = 300
    columns: int = 3


def points(
    panel: int, line: int, style: Style, x: Iterable[float], y: Iterable[float], **more: Any
) -> Trace:
    """Markers without a line."""
    marker = {"color": style.colour, "symbol": style.symbol} | more.pop("marker", {})
    return trace(panel, line, x, y, mode="markers", marker=marker, **more)


def curve(
    panel: int, line: int, style: Style, x: Iterable[float], y: Iterable[float], **more: Any
) -> Trace:
    """A line without markers."""
    drawn = {"color": style.colour, "dash": style.dash, "width": LINE_WIDTH}
    return trace(panel, line, x, y, mode="lines", line=drawn, **more)


def band(
    panel: int, line: int, style: Style, x: pd.Series, low: pd.Series, high: pd.Series
) -> Trace:
    """The area between two curves."""
    red, green, blue = (int(style.colour[at : at + 2], 16) for at in (1, 3, 5))
    area = {"fill": "toself", "fillcolor": f"rgba({red},{green},{blue},0.16)", "hoverinfo": "skip"}
    around, outline = [*x, *x[::-1]], [*low, *high[::-1]]
    return trace(panel, line, around, outline, mode="lines", line={"width": 0}, **area)


def hover(name: str, text: str) -> str:
    """What is told at a point: the name, then ``text``, which may have Plotly's ``%{...}``."""
    return f"<b>{plotly_label(name)}</b><br>{text}<extra></extra>"


def error_bars(values: pd.Series, low: pd.Series, high: pd.Series) -> dict[str, Any]:
    """From one end of an interval to the other, around values."""
    return {"type": "data", "array": rounded(high - values), "arrayminus": rounded(values - low)}


def place(panel: int, line: int) -> Trace:
    """In which panel something is drawn, and with which line of the legend it is hidden."""
    suffix = str(panel + 1) if panel else ""
    return {"meta": {"line": line}, "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}


def rounded(values: Iterable[Any]) -> list[float | None]:
    """Values as JSON: ``DIGITS`` significant digits, None where one is unknown."""
    return [float(f"{value:.{DIGITS}g}") if is_known(value) else None for value in values]


def trace(panel: int, line: int, x: Iterable[float], y: Iterable[float], /, **more: Any) -> Trace:
    """Anything over x and y; ``more`` are its properties."""
    content = {"type": "scatter", "x": rounded(x), "y": rounded(y)}
    return content | place(panel, line) | more
