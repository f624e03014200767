"""By how much a cell as a whole is off: what differs between measurements of the very same work.

The rounds of one cell follow each other in one process, so their interval does not hold what
differs from cell to cell: where memory lies, at which speed the machine runs just then. Launches
measure every cell again, and in one launch the front-end is measured once for each detector that
has it: the same network, the same input, another cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # scipy.stats takes a second to import

FRONTEND = "front-end"
LEVEL = 0.95
LEAST_FREEDOM = 2  # repeats beyond the first; one alone would give a factor of anything
FRONTEND_WORK = (
    *("frontend", "duration_s", "batch_size", "precision", "execution", "attention"),
    *("clock", "device", "device_name", "recording", "flops"),
)
SETTING = ("part", "frontend", "precision", "execution", "clock", "device_name")


@dataclass(frozen=True)
class Repeatability:
    """How well a part's latency repeats in one setting.

    Attributes:
        part, frontend, precision, execution, clock, device_name: of the cells.
        cells: how many measured what another one measured, too.
        works: how many different things they measured.
        factor: with 95 % a cell's latency is at most so many times as long as that of the same
            work on average, or as short; 1 would be perfect.
        rounds_factor: the same by the intervals of rounds, the median of the cells.
    """

    part: str
    frontend: str | None
    precision: str
    execution: str
    clock: str
    device_name: str
    cells: int
    works: int
    factor: float
    rounds_factor: float


def repeatabilities(results: pd.DataFrame) -> list[Repeatability]:
    """For each part and setting in which something was measured more than twice.

    Pooled over works is the variance of log latency within a work, with Student's quantile for as
    many repeats; the prediction interval of one cell. Cells that other programs disturbed are left
    out, as they are off by anything.

    Args:
        results: from `read_results`, of one launch or several.
    """
    if results.empty:
        return []
    is_measured = (results["status"] == "measured") & results["latency_s"].notna()
    measured = results[is_measured & ~results["disturbed"]]
    if measured.empty:
        return []
    settings = measured.apply(_setting, axis=1)
    found = []
    for _, cells in measured.groupby(settings, sort=False):
        one = _of(cells[_work(cells).duplicated(keep=False)])
        if one is not None:
            found.append(one)
    return found


def repeat_factors(results: pd.DataFrame, known: Sequence[Repeatability]) -> pd.Series:
    """For each cell the factor of its part and setting; NaN where none is known, or disturbed."""
    factors = {_setting(vars(one)): one.factor for one in known}
    found = results.apply(lambda cell: factors.get(_setting(cell), np.nan), axis=1)
    return found.mask(results["disturbed"])


def _of(repeated: pd.DataFrame) -> Repeatability | None:
    works = _work(repeated)
    log_latency = np.log(repeated["latency_s"])
    deviation = log_latency - log_latency.groupby(works).transform("mean")
    freedom = len(repeated) - works.nunique()
    if freedom < LEAST_FREEDOM:
        return None
    spread = np.sqrt((deviation**2).sum() / freedom)
    half_widths = np.log(repeated["latency_high_s"] / repeated["latency_low_s"]) / 2
    setting: dict[str, Any] = {name: repeated.iloc[0].get(name) for name in SETTING}
    return Repeatability(
        **setting,
        cells=len(repeated),
        works=works.nunique(),
        factor=float(np.exp(stdtrit(freedom, (1 + LEVEL) / 2) * spread)),
        rounds_factor=float(np.exp(pd.Series(half_widths).median())),
    )


def _work(cells: pd.DataFrame) -> pd.Series:
    """A name for what each cell computes; a front-end's is the same in every detector.

    Detectors that cut their input give it less to do, which shows in its flops; where these are
    unknown, detectors are kept apart.
    """
    is_shared = (cells["part"] == FRONTEND) & cells["flops"].notna()
    own = cells["cell_id"] + "\n" + cells["device_name"]
    fields = cells.reindex(columns=list(FRONTEND_WORK)).to_numpy(object)
    shared = pd.Series(["\n".join(map(str, row)) for row in fields], cells.index, object)
    return own.where(~is_shared, shared)


def _setting(labelled: Mapping[str, Any] | pd.Series) -> tuple[str, ...]:
    return tuple(str(labelled.get(name)) for name in SETTING)
