"""The chart of shares: how much of a detector's latency each of its parts is, over duration."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.report.traces import Axis, Chart, Trace, hover, place, rounded
from fakemamba.analysis.report.words import number
from fakemamba.analysis.setting import Group
from fakemamba.analysis.shares import REST, part_shares, stepped

LOOKS = {
    "front-end": ("front-end", GREYS[1], ""),
    "encoder": ("encoder", GREYS[2], "/"),
    REST: ("the rest", GREYS[3], "x"),
}
PATTERN = {"fgcolor": GREYS[0], "size": 6, "solidity": 0.2}
NOTE = (
    "A panel a detector. A part that was timed alone need not take as long as inside the whole: "
    "above 100 % the parts took longer alone, and the rest is what is missing below it."
)


def share_charts(group: Group) -> Iterator[Chart]:
    """One chart, if front-end, encoder and the whole of any detector were timed."""
    cells = group.cells
    found = {name: part_shares(cells[cells["line"] == name]) for name in group.lines}
    shares = {name: table for name, table in found.items() if not table.empty}
    if not shares:
        return
    traces = [
        trace
        for panel, (name, table) in enumerate(shares.items())
        for trace in _bars(stepped(table), name, panel, group.lines.index(name))
    ]
    legend = "Dark grey: front-end; hatched: encoder; light, crossed: the rest."
    yield Chart(
        "share",
        "Which part the time goes to",
        f"{legend} {NOTE}",
        tuple(shares),
        Axis("audio duration (s)", ("category",)),
        Axis("share of the end-to-end latency (%)", ("linear",)),
        tuple(traces),
    )


def _bars(shares: pd.DataFrame, name: str, panel: int, line: int) -> Iterator[Trace]:
    """Stacked bars of one detector."""
    durations = [number(duration_s) for duration_s in shares["duration_s"]]
    for part, (words, colour, pattern) in LOOKS.items():
        yield {
            "type": "bar",
            "x": durations,
            "y": rounded(shares[part].clip(lower=0) * 100),
            "marker": {"color": colour, "pattern": PATTERN | {"shape": pattern, "bgcolor": colour}},
            "hovertemplate": hover(name, f"{words} at %{{x}} s: %{{y:.3~g}} %"),
        } | place(panel, line)
