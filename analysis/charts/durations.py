"""Real-time factor, latency, peak memory and energy over the audio's duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakemamba.analysis.charts.lines import Line, Lines
from fakemamba.analysis.charts.quantities import Quantity
from fakemamba.analysis.charts.steps import step_medians
from fakemamba.analysis.scaling.curves import MANY_DURATIONS
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import SUBJECT, values_of

CURVE_POINTS = 201
FIT_NOTE = (
    "Curves: fits of a + bT + cT², with their 95 % bands, within the measured range. Straight "
    "lines join medians, where there is no fit."
)


@dataclass(frozen=True, eq=False)
class DurationSeries:
    """A quantity of a part of a line.

    Attributes:
        line: whose part it is.
        part: such as ``encoder``.
        points: cells, their values as ``value``, and the interval, if any, as ``low`` and ``high``.
        medians: ``duration_s`` and ``value``, ascending, of each duration, or of steps.
        is_stepped: whether the chart has so many durations that they are of steps.
        fit: as points, of the fitted curve and its 95 % band; None without one.
    """

    line: Line
    part: str
    points: pd.DataFrame
    medians: pd.DataFrame
    is_stepped: bool
    fit: pd.DataFrame | None


def duration_series(
    lines: Lines, quantity: Quantity, scalings: Sequence[Scaling]
) -> list[DurationSeries]:
    """What was measured of a quantity, a series a line and part.

    Args:
        lines: of one setting.
        quantity: as it is of their cells.
        scalings: of any subjects and quantities.
    """
    measured = [(line, cells[cells["status"] == "measured"]) for line, cells in lines]
    known = [(line, cells[cells[quantity.column].notna()]) for line, cells in measured]
    durations_s = {one_s for _, cells in known for one_s in cells["duration_s"]}
    fits = [one for one in scalings if one.quantity == quantity.fitted and one.a_s is not None]
    found = []
    for line, cells in known:
        for part, of_part in cells.groupby("part"):
            columns = (quantity.column, *quantity.interval)
            names = dict(zip(columns, ("value", "low", "high"), strict=False))
            points = of_part.rename(columns=names)
            medians = step_medians(points, "value", durations_s)
            fit = _fit_of(of_part, quantity.column, fits)
            is_stepped = len(durations_s) > MANY_DURATIONS
            found.append(DurationSeries(line, str(part), points, medians, is_stepped, fit))
    return found


def _fit_of(cells: pd.DataFrame, column: str, fits: Sequence[Scaling]) -> pd.DataFrame | None:
    """The fit to these cells, where they were measured; memory is fitted without the weights."""
    labels = values_of(cells.iloc[0], SUBJECT)
    for fit in fits:
        beyond = cells[column] - cells[fit.figure]
        if fit.labels() == labels and beyond.nunique() == 1 and fit.t_min_s and fit.t_max_s:
            durations_s = np.geomspace(fit.t_min_s, fit.t_max_s, CURVE_POINTS)
            ends = dict(zip(("low", "high"), fit.band(durations_s), strict=True))
            curves = pd.DataFrame({"value": fit.predict(durations_s)} | ends) + beyond.iloc[0]
            return curves.assign(duration_s=durations_s)
    return None
