"""What decisions on a stream cost: windows computed anew, and with kept convolutions.

A decision is made every hop, so that a second of audio costs the latency of one over the hop. Both
ways to make it are compared pass by pass, as their cells were visited in the same passes.
"""

from __future__ import annotations

import statistics
from collections.abc import Hashable
from typing import Any

import pandas as pd

from fakemamba.analysis.decision import median_latency
from fakemamba.analysis.drift import visits_of
from fakemamba.analysis.length_cost import with_ends
from fakemamba.analysis.setting import LINE, SETTING, split
from fakemamba.result_schema import PERCENTILES, STREAM_PARTS
from fakemamba.visits import interval

ANEW, KEPT = STREAM_PARTS
STREAM = (*LINE, *SETTING, "duration_s", "hop_s")
LATENCY = with_ends("latency", "_s")
COST = with_ends("cost", "_s_per_s")
SPEEDUP = with_ends("speedup")
FIGURES = (*COST, *LATENCY, *PERCENTILES, "decisions", *SPEEDUP)
COLUMNS = (*LINE, "window_s", "hop_s", "cached", *FIGURES, "status", "reason", *SETTING)


def stream_costs(results: pd.DataFrame) -> pd.DataFrame:
    """The cost of streams, a row for each way in which each was measured.

    Args:
        results: from `read_results`; of several launches the median is taken.

    Returns:
        Columns: ``detector`` and ``backend``; ``window_s`` and ``hop_s``; ``cached``, whether
        frames of the convolutions were kept; ``cost_s_per_s``, seconds of computing for a second of
        audio, with its 95 % interval ``cost_low_s_per_s`` to ``cost_high_s_per_s``; ``latency_s``
        of a decision with its own, and its percentiles ``latency_p50_s``, ``latency_p95_s`` and
        ``latency_p99_s`` over ``decisions``; where ``cached``, ``speedup``, how many times as long
        a window takes that is computed anew, with its 95 % interval; ``status`` and ``reason``; and
        the fields of the setting. What is unknown is NaN or None.
    """
    cells = results[results["part"].isin(STREAM_PARTS)] if len(results) else results
    rows = []
    for stream, group in split(cells, STREAM) if len(cells) else ():
        by_part = {part: group[group["part"] == part] for part in STREAM_PARTS}
        stream["window_s"] = stream.pop("duration_s")
        for part, of_part in by_part.items():
            if len(of_part):
                rows.append(stream | {"cached": part == KEPT} | _figures(of_part))
        if rows[-1]["cached"]:
            rows[-1] |= _speedup(by_part[ANEW], by_part[KEPT])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(FIGURES, float))


def _figures(cells: pd.DataFrame) -> dict[str, Any]:
    """Of the cells of one part of a stream, one a launch."""
    measured = cells[cells["status"] == "measured"]
    if measured.empty:
        return {name: cells.iloc[0][name] for name in ("status", "reason")}
    values_s = median_latency(measured)
    hop_s = measured.iloc[0]["hop_s"]
    costs = [None if one_s is None else one_s / hop_s for one_s in values_s]
    return {
        "status": "measured",
        "reason": None,
        **dict(zip(LATENCY, values_s, strict=True)),
        **dict(zip(COST, costs, strict=True)),
        **{name: measured[name].median() for name in PERCENTILES},
        "decisions": measured["calls"].sum(),
    }


def _speedup(anew: pd.DataFrame, kept: pd.DataFrame) -> dict[str, float]:
    """How many times as long the one takes as the other, over the passes that had both."""
    above, below = _by_pass(anew), _by_pass(kept)
    ratios = [above[one] / below[one] for one in above if one in below]
    if not ratios:
        return {}
    ends = interval(ratios) or (float("nan"),) * 2
    return dict(zip(SPEEDUP, (statistics.median(ratios), *ends), strict=True))


def _by_pass(cells: pd.DataFrame) -> dict[Hashable, float]:
    figures: dict[Hashable, float] = {}
    for row in cells.to_dict("records"):
        values_s, passes = visits_of(row)
        figures |= dict(zip(passes, values_s, strict=True))
    return figures
