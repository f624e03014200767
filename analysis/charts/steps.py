"""Many durations, as recordings have, joined in steps of equal ratio: the same in every picture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fakemamba.analysis.scaling.curves import MANY_DURATIONS

STEPS = 10


def step_of(durations_s: pd.Series, all_durations_s: Iterable[float]) -> pd.Series:
    """Which step of equal ratio each duration is in; each its own, as long as they are few."""
    if len(distinct := sorted(set(all_durations_s))) <= MANY_DURATIONS:
        return durations_s.rename("step")
    edges = np.geomspace(distinct[0], distinct[-1], STEPS + 1)
    steps = np.clip(np.digitize(durations_s, edges), 1, STEPS)
    return pd.Series(steps, index=durations_s.index, name="step")


def step_medians(
    cells: pd.DataFrame, column: str, all_durations_s: Iterable[float]
) -> pd.DataFrame:
    """Medians of ``duration_s`` and a column, ascending: at each duration, or in each step."""
    step = step_of(cells["duration_s"], all_durations_s)
    return cells.groupby(step)[["duration_s", column]].median()
