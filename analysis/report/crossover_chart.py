"""The crossover chart: from which duration on one detector takes less than another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fakemamba.analysis.report.traces import Axis, Chart, Style, Trace, hover, place
from fakemamba.analysis.report.words import plotly_label
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.setting import Group
from fakemamba.names import short_names

INK = "#1b1f24"
ROW_HEIGHT = 34  # pixels a pair
NAME_LENGTH = 24
FRAME_HEIGHT = 90  # of axis and title
NOTE = (
    "The bar is where the first of a pair takes less than the second, within the durations that "
    "were measured; the whisker at its beginning is the 95 % interval. Pairs without such a "
    "duration are in the table only."
)


def crossover_charts(
    group: Group, styles: Sequence[Style], crossovers: Sequence[Crossover]
) -> Iterator[Chart]:
    """A chart for every quantity in which some detector begins to take less than another."""
    own = [one for one in crossovers if one.setting == group.setting]
    for quantity in dict.fromkeys(one.quantity for one in own):
        those = [
            (one, one.from_s) for one in own if one.quantity == quantity and one.from_s is not None
        ]
        present = [one.part for one, _ in those]
        panels = [part for part in group.parts if part in present]
        if not panels:
            continue
        short = short_names(group.lines, NAME_LENGTH)
        traces = []
        for one, from_s in those:
            line = group.lines.index(group.line_of(one.detector, one.backend))
            names = (group.lines[line], group.line_of(one.rival, one.rival_backend))
            pair = "<br>against ".join(plotly_label(short[name]) for name in names)
            where = (panels.index(one.part), line, styles[line])
            traces.append(_bar(one, from_s, pair, names, where))
        most = max(map(present.count, panels))
        yield Chart(
            f"crossover-{quantity}",
            f"Crossover: {quantity.replace('-', ' ')}",
            NOTE,
            tuple(panels),
            Axis("audio duration (s)"),
            Axis("", ("category",)),
            tuple(traces),
            panel_height=FRAME_HEIGHT + most * ROW_HEIGHT,
            columns=1,
        )


def _bar(
    one: Crossover, from_s: float, pair: str, names: tuple[str, str], where: tuple[int, int, Style]
) -> Trace:
    """A thick line from the crossover to the end of the measurements, with its interval."""
    panel, line, style = where
    low_s, high_s = one.from_s_ci or (from_s, from_s)
    bars = {"type": "data", "array": [high_s - from_s, 0], "arrayminus": [from_s - low_s, 0]}
    told = f"takes less than {plotly_label(names[1])} from %{{x:.3~g}} s"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [from_s, one.to_s],
        "y": [pair, pair],
        "line": {"color": style.colour, "width": 6},
        "marker": {"color": style.colour, "symbol": [style.symbol, "line-ns"], "size": [10, 0]},
        "error_x": bars | {"color": INK, "thickness": 1.5},
        "hovertemplate": hover(names[0], told),
    } | place(panel, line)
