"""The chart of shares: how much of a detector's latency each of its parts is, over duration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.report.settings import Setting
from fakemamba.analysis.report.traces import Axis, Chart, Trace, hover, rounded
from fakemamba.analysis.report.words import number

WHOLE, PARTS, REST = "end-to-end", ("front-end", "encoder"), "the rest"
LOOKS = {
    "front-end": (GREYS[1], ""),
    "encoder": (GREYS[2], "/"),
    REST: (GREYS[3], "x"),
}
PATTERN = {"fgcolor": GREYS[0], "size": 6, "solidity": 0.2}
MANY_DURATIONS = 8
STEPS = 6
NOTE = (
    "A panel a detector; every part was timed alone, so together they need not be the whole: above "
    "100 % they took longer alone, and the rest is what is missing below it."
)


def share_charts(setting: Setting) -> Iterator[Chart]:
    """One chart, if front-end, encoder and the whole of any detector were timed."""
    cells = setting.cells[setting.cells["status"] == "measured"]
    latencies = cells.pivot_table(
        index=["line", "duration_s"], columns="part", values="latency_s", aggfunc="median"
    )
    if not {*PARTS, WHOLE} <= set(latencies):
        return
    shares = latencies[list(PARTS)].div(latencies[WHOLE], axis=0).dropna()
    panels = [name for name in setting.lines if name in shares.index.get_level_values("line")]
    if not panels:
        return
    traces = [
        trace
        for panel, name in enumerate(panels)
        for trace in _bars(
            shares.loc[[name]].droplevel("line"), name, panel, setting.lines.index(name)
        )
    ]
    legend = f"Dark grey: front-end; hatched: encoder; light, crossed: {REST}."
    yield Chart(
        "share",
        "Which part the time goes to",
        f"{legend} {NOTE}",
        tuple(panels),
        Axis("audio duration (s)", ("category",)),
        Axis("share of the end-to-end latency (%)", ("linear",)),
        tuple(traces),
    )


def _bars(shares: pd.DataFrame, name: str, panel: int, line: int) -> Iterator[Trace]:
    """Stacked bars of one detector; many durations are joined in steps of equal ratio."""
    shares = _stepped(shares).clip(lower=0)
    stacked = shares.assign(**{REST: (1 - shares.sum(axis=1)).clip(lower=0)})
    durations = [number(duration_s) for duration_s in stacked.index]
    suffix = str(panel + 1) if panel else ""
    for part, values in stacked.items():
        colour, pattern = LOOKS[str(part)]
        yield {
            "type": "bar",
            "x": durations,
            "y": rounded(values * 100),
            "marker": {"color": colour, "pattern": PATTERN | {"shape": pattern, "bgcolor": colour}},
            "hovertemplate": hover(name, f"{part} at %{{x}} s: %{{y:.3~g}} %"),
            "meta": {"line": line},
            "xaxis": f"x{suffix}",
            "yaxis": f"y{suffix}",
        }


def _stepped(shares: pd.DataFrame) -> pd.DataFrame:
    if len(shares) <= MANY_DURATIONS:
        return shares
    durations_s = shares.index.to_numpy(np.float64)
    edges = np.geomspace(durations_s.min(), durations_s.max(), STEPS + 1)[1:-1]
    steps = np.digitize(durations_s, edges)
    medians = shares.assign(duration_s=durations_s).groupby(steps).median()
    return medians.set_index("duration_s")
