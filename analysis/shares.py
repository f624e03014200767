"""What a detector's time goes to: front-end, encoder and the rest of end-to-end.

Every part was timed alone. Shares are of the end-to-end latency at the same duration, so where the
parts alone took longer than the whole there is less than no rest.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fakemamba.analysis.steps import step_of

WHOLE, PARTS, REST = "end-to-end", ("front-end", "encoder"), "rest"


def part_shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Shares of the end-to-end latency at each duration that has all three parts.

    Args:
        cells: of one detector in one setting, from `read_results`; those without a time are left
            out.

    Returns:
        Columns ``duration_s``, ``front-end``, ``encoder`` and ``rest``, which add up to one; where
        the parts alone took longer than the whole, ``rest`` is negative.
    """
    latencies_s = _latencies_s(cells)
    shares = latencies_s[list(PARTS)].div(latencies_s[WHOLE], axis=0).dropna()
    return shares.assign(**{REST: 1 - shares.sum(axis=1)}).reset_index()


def frontend_share(cells: pd.DataFrame) -> float:
    """The front-end's share of end-to-end, the median over durations that have both; else NaN.

    Args:
        cells: as of `part_shares`.
    """
    latencies_s = _latencies_s(cells)
    return float((latencies_s[PARTS[0]] / latencies_s[WHOLE]).median())


def _latencies_s(cells: pd.DataFrame) -> pd.DataFrame:
    """A row a duration, a column a part; without the drift of passes, which is in all parts."""
    measured = cells[cells["status"] == "measured"]
    if "steady_s" in measured:
        measured = measured.assign(latency_s=measured["steady_s"].map(np.median))
    return measured.pivot_table(
        index="duration_s", columns="part", values="latency_s", aggfunc="median"
    ).reindex(columns=[*PARTS, WHOLE])


def stepped(shares: pd.DataFrame) -> pd.DataFrame:
    """`part_shares` as they are drawn: those of many durations are medians of steps."""
    durations_s = shares["duration_s"]
    middle = shares.groupby(step_of(durations_s, durations_s)).median()
    return middle.assign(**{REST: 1 - middle[list(PARTS)].sum(axis=1)})
