"""What a corpus costs a detector: latency at its lengths, and device time for an hour of its audio.

A sweep measures a few durations; a table of lengths says how often each occurs. Between measured
durations latency is interpolated in log-log; beyond them it is never guessed: what would need that
is left out, with the reason. Padding is a matter of how a corpus is batched, and is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.lengths import LengthTable

# What has to be equal for cells to be points of one curve; older results lack some of it.
SETTING = (
    "detector",
    "frontend",
    "part",
    "device",
    "device_name",
    "precision",
    "backend",
    "execution",
    "attention",
    "clock",
    "batch_size",
)
LEVELS = {"latency_p50_s": 0.50, "latency_p95_s": 0.95, "latency_p99_s": 0.99}
ROUNDING_S = 0.001  # sweeps draw durations in whole milliseconds

Floats = npt.NDArray[np.float64]


def length_cost(results: pd.DataFrame, table: LengthTable) -> pd.DataFrame:
    """What recordings of a table's lengths cost each detector and part, in each setting.

    Measured durations must be spread as the lengths are, best by `draw_durations`; each then stands
    for an equal share of the recordings, and the outermost ones for their share's outer half too:
    there a recording counts as long as the outermost measured one.

    Args:
        results: from `read_results`; times at equal durations are joined by their median.
        table: the lengths.

    Returns:
        A row a setting: ``latency_p50_s`` and so on, the latency at that percentile of the lengths
        (which is that percentile of the latencies, as latency grows with duration);
        ``device_s_per_audio_hour``, 3600 E[latency(d)] / (batch size E[d]) for batches of equal
        lengths; the ``lengths``' name, how many durations were measured and their range; the
        ``unmeasured_share`` of the audio, in recordings outside that range; and the ``reason`` of
        each figure that is missing, else None.

    Raises:
        ValueError: the results have no cell of a detector.
    """
    cells = results[results["part"] != "scan"] if len(results) else results
    if cells.empty:
        raise ValueError(f"none of the {len(results)} cells is a detector's")
    setting = [column for column in SETTING if column in cells]
    rows = [
        {**dict(zip(setting, values, strict=True)), **_cost(group, table)}
        for values, group in cells.groupby(setting, dropna=False, sort=False)
    ]
    return pd.DataFrame(rows)


def padding_waste(durations_s: npt.ArrayLike, batch_size: int, sorted: bool) -> float:
    """The share of a corpus' padded samples that are padding, when batches are padded at the end.

    Args:
        durations_s: of the recordings (count,), in any order and unit. Sorting helps the more the
            more there are, so of a table take ``draw_durations(table, table.count)``.
        batch_size: recordings a batch; the last batch has what is left.
        sorted: batches of recordings in the order of their lengths, shortest first. Otherwise in
            random order: padding's expectation over all orders, as a share of the expected total.

    Returns:
        A share in [0, 1). With full batches sorting never pads more than any other order does; with
        a last batch that is not full it can.

    Raises:
        ValueError: no recordings, one that is not positive, or an empty batch.
    """
    ascending = np.sort(np.asarray(durations_s, np.float64))
    if not len(ascending) or not ascending[0] > 0 or batch_size < 1:
        raise ValueError("padding needs recordings with positive durations, and a batch of some")
    starts = np.arange(0, len(ascending), batch_size)
    ends = np.minimum(starts + batch_size, len(ascending))
    sizes = ends - starts
    if sorted:
        longest = ascending[ends - 1]
    else:
        expected = {size: _expected_longest(ascending, size) for size in set(sizes.tolist())}
        longest = np.array([expected[size] for size in sizes.tolist()])
    return max(0.0, 1 - float(ascending.sum() / (sizes @ longest)))


def _expected_longest(ascending: Floats, size: int) -> float:
    """The expected maximum of ``size`` of the values, drawn without replacement.

    The chance that none of the drawn is beyond the k-th value is k/n (k-1)/(n-1) ..., ``size``
    factors.
    """
    count = len(ascending)
    not_beyond = np.ones(count + 1)
    for drawn in range(size):
        not_beyond *= np.maximum(np.arange(count + 1) - drawn, 0) / (count - drawn)
    return float(np.diff(not_beyond) @ ascending)


def _cost(cells: pd.DataFrame, table: LengthTable) -> dict[str, Any]:
    """The figures of one setting."""
    measured = cells[cells["status"] == "measured"]
    curve = measured.groupby("duration_s")["latency_s"].median()
    durations_s = curve.index.to_numpy(np.float64)  # ascending
    figures: dict[str, Any] = dict.fromkeys((*LEVELS, "device_s_per_audio_hour"))
    figures |= {"lengths": table.name, "durations": len(curve)}
    figures |= dict.fromkeys(("shortest_s", "longest_s", "unmeasured_share", "reason"))
    if len(curve) < 2:
        without = ", ".join(sorted(set(cells["status"]) - {"measured"}))
        note = f" (others: {without})" if without else ""
        return figures | {"reason": f"{len(curve)} durations were measured{note}; a curve needs 2"}

    shortest_s, longest_s = durations_s[[0, -1]]
    lengths_s = np.array(table.durations_s)
    short, long = lengths_s < shortest_s - ROUNDING_S, lengths_s > longest_s + ROUNDING_S
    figures |= {"shortest_s": shortest_s, "longest_s": longest_s}
    figures["unmeasured_share"] = lengths_s[short | long].sum() / lengths_s.sum()
    latency_s = _log_log(durations_s, curve.to_numpy(np.float64))
    reasons = []
    for name, level in LEVELS.items():
        length_s = float(table.quantile_s(level))
        if shortest_s - ROUNDING_S <= length_s <= longest_s + ROUNDING_S:
            figures[name] = float(latency_s(length_s))
        else:
            reasons.append(f"p{level * 100:.0f} of the lengths is {length_s:.4g} s")

    outermost_share = 0.5 / len(curve) + 1 / len(lengths_s)  # to within one value of the table
    beyond = [
        f"{mask.mean():.1%} of the recordings are {which}"
        for mask, which in ((short, "shorter"), (long, "longer"))
        if mask.mean() > outermost_share
    ]
    if beyond:
        reasons += beyond
    else:
        inside_s = np.clip(lengths_s, shortest_s, longest_s)
        audio_s = int(cells["batch_size"].iloc[0]) * inside_s.mean()
        figures["device_s_per_audio_hour"] = float(3600 * latency_s(inside_s).mean() / audio_s)
    if reasons:
        measured_range = f"measured were {shortest_s:.4g} to {longest_s:.4g} s"
        figures["reason"] = "; ".join([*reasons, measured_range])
    return figures


def _log_log(durations_s: Floats, latencies_s: Floats) -> Callable[[npt.ArrayLike], Floats]:
    """A curve through measured points, straight between them on logarithmic axes."""
    x, y = np.log(durations_s), np.log(latencies_s)
    return lambda lengths_s: np.exp(np.interp(np.log(lengths_s), x, y))
