"""The roofline (Williams, Waterman and Patterson 2009): how near its device's ceilings a part runs.

Arithmetic intensity is flops over the bytes that unfused execution moves, so a part whose kernels
are fused, or whose tensors stay in the cache, may lie above the memory's ceiling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.report.traces import Axis, Chart, Style, Trace, curve, hover, points
from fakemamba.analysis.setting import Group
from fakemamba.result_schema import LEAST_COVERAGE

CEILING_POINTS = 33  # so that a hovering reader finds one
MARGIN = 3.0  # factor between what is drawn and the ends of a ceiling
ALWAYS = -1  # the line of what no button of the legend hides
INTENSITY = Axis("arithmetic intensity (flop / byte moved)")
ACHIEVED = Axis("achieved (flop/s)")


def roofline_charts(group: Group, styles: Sequence[Style]) -> Iterator[Chart]:
    """One chart, a panel a part, of cells whose work was counted for 90 % of their time."""
    cells = group.cells[group.cells["status"] == "measured"]
    counted = cells[
        (cells["flop_coverage"] >= LEAST_COVERAGE)
        & cells[["flops", "bytes_moved", "latency_s"]].gt(0).all(axis=1)
    ]
    if counted.empty:
        return
    counted = counted.assign(
        intensity=counted["flops"] / counted["bytes_moved"],
        flops_per_s=counted["flops"] / counted["latency_s"],
    )
    panels = tuple(part for part in group.parts if part in set(counted["part"]))
    traces = []
    for panel, part in enumerate(panels):
        own = counted[counted["part"] == part]
        traces += list(_ceilings(own, panel))
        for line, name in enumerate(group.lines):
            drawn = own[own["line"] == name].sort_values("duration_s")
            if not drawn.empty:
                traces.append(_cells(drawn, panel, line, styles[line]))
    left_out = len(cells) - len(counted)
    note = f"{left_out} of {len(cells)} cells are left out: " if left_out else ""
    note += "no count of their flops that covers 90 % of their time. " if left_out else ""
    note += "Grey: the rates of a large copy and of a large matrix product, measured on the spot."
    yield Chart("roofline", "Roofline", note, panels, INTENSITY, ACHIEVED, tuple(traces))


def _cells(cells: pd.DataFrame, panel: int, line: int, style: Style) -> Trace:
    told = "%{customdata:.4~g} s: %{y:.3~s}flop/s at %{x:.3~g} flop/byte"
    return points(
        *(panel, line, style, cells["intensity"], cells["flops_per_s"]),
        customdata=[float(duration_s) for duration_s in cells["duration_s"]],
        hovertemplate=hover(str(cells["line"].iloc[0]), told),
        marker={"size": 8},
    )


def _ceilings(cells: pd.DataFrame, panel: int) -> Iterator[Trace]:
    """Memory's slope and the matrix product's height, as far as they were measured."""
    bandwidth = float(cells["copy_bytes_per_s"].median())
    peak = float(cells["matmul_flops_per_s"].median())
    ridge = peak / bandwidth
    ends = [cells["intensity"].min() / MARGIN, cells["intensity"].max() * MARGIN]
    if np.isfinite(ridge):
        ends = [min(ends[0], ridge / MARGIN), max(ends[1], ridge * MARGIN)]
    style = Style(GREYS[1], "circle", "solid", "")
    if np.isfinite(bandwidth):
        slope = np.geomspace(ends[0], ridge if np.isfinite(ridge) else ends[1], CEILING_POINTS)
        told = {"hovertemplate": hover("a large copy", f"{bandwidth:.3g} byte/s")}
        yield curve(panel, ALWAYS, style, slope, slope * bandwidth, **told)
    if np.isfinite(peak):
        height = np.geomspace(ridge if np.isfinite(ridge) else ends[0], ends[1], CEILING_POINTS)
        told = {"hovertemplate": hover("a large matrix product", f"{peak:.3g} flop/s")}
        yield curve(panel, ALWAYS, style, height, np.full(CEILING_POINTS, peak), **told)
