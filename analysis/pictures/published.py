"""What others published, drawn beside ours: always with the device, and whether it is verified."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fakemamba.analysis.palette import look
from fakemamba.analysis.pictures.figures import Style, shortened
from fakemamba.analysis.published import FRONTEND

METRICS = {"rtf": "RTF", "latency_s": "latency"}  # the published names of columns of results


def draw_published(
    axes: Axes, published: pd.DataFrame, cells: pd.DataFrame, column: str
) -> list[Artist]:
    """Draw published ranges as hatched fields, and published values as level lines.

    Args:
        axes: of end-to-end over duration.
        published: from `read_published`.
        cells: what is drawn in the figure. Figures of other detectors, of another front-end or for
            another batch stay away.
        column: of the cells, which is drawn.

    Returns:
        Entries of a legend.
    """
    first = cells.iloc[0]
    if first["frontend"] != FRONTEND or first["batch_size"] != 1:
        return []
    present = set(cells["detector"])
    handles: list[Artist] = []
    for figure in published[published["metric"] == METRICS.get(column)].to_dict("records"):
        of_present = [name for name in figure["detectors"] if name in present]
        if not of_present:
            continue
        colour = look(of_present[0]).colour
        label = f"{shortened(figure['system'])}, published, {figure['device'] or 'unknown device'}"
        label += "" if figure["verified"] else " (unverified)"
        span_s = (figure["shortest_s"], figure["longest_s"])
        if np.isnan(figure["value"]):
            field: Style = {"facecolor": "none", "edgecolor": colour, "hatch": "xxx"}
            axes.fill_between(span_s, figure["low"], figure["high"], **field)
            handles.append(Patch(**field, label=label))
        else:
            stroke: Style = {"color": colour, "linestyle": (0, (1, 1)), "linewidth": 2.5}
            axes.plot(span_s, [figure["value"]] * 2, **stroke)
            handles.append(Line2D([], [], **stroke, label=label))
    return handles
