"""What a detector's time goes to: front-end, encoder and the rest of end-to-end.

Shares are of the end-to-end latency at the same duration and in the same pass: a front-end that was
timed inside end-to-end calls (`fakemamba.bench.measuring.within`) is part of that very time. What
was timed alone may have taken longer than the whole did, and then there is less than no rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from fakemamba.analysis.charts.steps import step_of
from fakemamba.analysis.drift import visits_of
from fakemamba.analysis.setting import WHOLE
from fakemamba.visits import figure, interval

ALONE, REST = ("front-end", "encoder"), "rest"


@dataclass(frozen=True)
class Share:
    """A share of the end-to-end latency, with its 95 % interval where passes have shown it."""

    share: float
    interval: tuple[float, float] | None


def part_shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Shares of the end-to-end latency at each duration that has all three parts.

    Args:
        cells: of one detector in one setting, from `read_results`; those without a time are left
            out.

    Returns:
        Columns ``duration_s``, ``front-end``, ``encoder`` and ``rest``, which add up to one; where
        the parts alone took longer than the whole, ``rest`` is negative.
    """
    shares = _by_pass(cells).groupby(level="duration_s").median().dropna()
    return shares.assign(**{REST: 1 - shares.sum(axis=1)}).reset_index()


def frontend_share(cells: pd.DataFrame) -> Share | None:
    """The front-end's share of end-to-end over all durations that have both; None without any.

    Args:
        cells: as of `part_shares`.
    """
    shares = _by_pass(cells)[ALONE[0]].dropna().to_list()
    return Share(figure(shares), interval(shares)) if shares else None


def _by_pass(cells: pd.DataFrame) -> pd.DataFrame:
    """Shares of a column a part, of each ``duration_s`` and pass.

    A part that shares no pass with the whole has one share, of the medians of both.
    """
    visits = [
        (row["duration_s"], row["part"], str(name), figure_s)
        for row in cells[cells["status"] == "measured"].to_dict("records")
        for figure_s, name in zip(*visits_of(row), strict=True)
    ]
    table = pd.DataFrame(visits, columns=["duration_s", "part", "pass", "latency_s"])
    by_pass = _shares(table, ["duration_s", "pass"])
    of_medians = _shares(table, ["duration_s"]).reindex(
        by_pass.index.get_level_values("duration_s")
    )
    for part in ALONE:
        compared = by_pass[part].groupby(level="duration_s").transform("count") > 0
        is_first = ~of_medians.index.duplicated()
        by_pass[part] = by_pass[part].where(compared | ~is_first, of_medians[part].to_numpy())
    return by_pass


def _shares(visits: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    latencies_s = visits.pivot_table(
        index=keys, columns="part", values="latency_s", aggfunc="median"
    ).reindex(columns=[*ALONE, WHOLE])
    return latencies_s[list(ALONE)].div(latencies_s[WHOLE], axis=0)


def stepped(shares: pd.DataFrame) -> pd.DataFrame:
    """`part_shares` as they are drawn: those of many durations are medians of steps."""
    durations_s = shares["duration_s"]
    middle = shares.groupby(step_of(durations_s, durations_s)).median()
    return middle.assign(**{REST: 1 - middle[list(ALONE)].sum(axis=1)})
