"""Rooflines: a panel a part, in it the cells of each line, and the device's ceilings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fakemamba.analysis.charts.rooflines import Roofline, roofline
from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.report.traces import ALWAYS, Axis, Chart, Style, Trace, curve, hover, points
from fakemamba.analysis.setting import Group

CEILING_POINTS = 33  # so that a hovering reader finds one
MARGIN = 3.0  # factor between what is drawn and the ends of a ceiling
INTENSITY = Axis("arithmetic intensity (flop / byte moved)")
ACHIEVED = Axis("achieved (flop/s)")
NOTE = "Grey: the rates of a large copy and of a large matrix product, measured on the spot."


def roofline_charts(group: Group, styles: Sequence[Style]) -> Iterator[Chart]:
    """One chart, a panel a part, of cells whose work was counted for 90 % of their time."""
    found = roofline(group.cells[group.cells["status"] == "measured"])
    if found is None:
        return
    panels = tuple(part for part in group.parts if part in set(found.cells["part"]))
    traces = []
    for panel, part in enumerate(panels):
        own = found.cells[found.cells["part"] == part]
        traces += list(_ceilings(found, own["intensity"], panel))
        for line, name in enumerate(group.lines):
            drawn = own[own["line"] == name].sort_values("duration_s")
            if not drawn.empty:
                traces.append(_cells(drawn, panel, line, styles[line]))
    note = " ".join([*found.notes, NOTE])
    yield Chart("roofline", "Roofline", note, panels, INTENSITY, ACHIEVED, tuple(traces))


def _cells(cells: pd.DataFrame, panel: int, line: int, style: Style) -> Trace:
    told = "%{customdata:.4~g} s: %{y:.3~s}flop/s at %{x:.3~g} flop/byte"
    return points(
        *(panel, line, style, cells["intensity"], cells["flops_per_s"]),
        customdata=[float(duration_s) for duration_s in cells["duration_s"]],
        hovertemplate=hover(str(cells["line"].iloc[0]), told),
        marker={"size": 8},
    )


def _ceilings(found: Roofline, intensities: pd.Series, panel: int) -> Iterator[Trace]:
    """Memory's slope and the matrix product's height, as far as they were measured."""
    bandwidth, peak = found.copy_bytes_per_s, found.matmul_flops_per_s
    slope, height = (
        np.geomspace(*ends, CEILING_POINTS) for ends in found.ceilings(intensities, MARGIN)
    )
    style = Style(GREYS[1], "circle", "solid", "")
    if np.isfinite(bandwidth):
        told = {"hovertemplate": hover("a large copy", f"{bandwidth:.3g} byte/s")}
        yield curve(panel, ALWAYS, style, slope, slope * bandwidth, **told)
    if np.isfinite(peak):
        told = {"hovertemplate": hover("a large matrix product", f"{peak:.3g} flop/s")}
        yield curve(panel, ALWAYS, style, height, np.full(CEILING_POINTS, peak), **told)
