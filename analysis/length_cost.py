"""What a corpus costs a detector: latency over its lengths, and device time for an hour of it.

A sweep measures a few durations; a table of lengths says how often each occurs. Between measured
durations latency is interpolated in log-log; beyond them it is never guessed: what would need that
is left out, with the reason. Padding is a matter of how a corpus is batched, and is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.scaling.crossover import DRAWS, interpolation
from fakemamba.analysis.scaling.curves import Curve, curves
from fakemamba.analysis.scaling.fit import LEVEL, Floats
from fakemamba.analysis.setting import ASKED_PARTS, SUBJECT, split
from fakemamba.data.lengths import LengthTable

LEVELS = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}
HOUR = "device_s_per_audio_hour"
ROUNDING_S = 0.001  # sweeps draw durations in whole milliseconds
SUSPECT = 1.5  # times as long as a longer recording: something else took the time

MOST_LISTED = 8  # durations


def length_cost(results: pd.DataFrame, table: LengthTable) -> pd.DataFrame:
    """What recordings of a table's lengths cost each subject: a detector's part in a setting.

    Measured durations must be spread as the lengths are, best by `draw_durations`; each then stands
    for an equal share of the recordings, and the outermost ones for their share's outer half too:
    there a recording counts as long as the outermost measured one.

    Args:
        results: from `read_results`; a duration's value is as in `curves`.
        table: the lengths.

    Returns:
        A row a subject. ``latency_p50_s`` and so on are percentiles of the latencies that the
        table's recordings have; those that are shorter than what was measured count as faster than
        all others, and those that are longer as slower. ``device_s_per_audio_hour`` is
        3600 E[latency(d)] / (batch size E[d]) for batches of equal lengths. Each has a 95 %
        interval, ``..._low`` to ``..._high``: of what visits of its cells are off, and of the drift
        of all of them; None where cells were visited fewer than three times.
        ``peak_bytes_with_weights`` is the largest of the measured cells. Then the ``lengths``'
        name, how many durations were measured and their range; the ``unmeasured_share`` of the
        audio, in recordings outside that range; ``doubt``, which cells may be off; and the
        ``reason`` of each figure that is missing, else None.

    Raises:
        ValueError: the results have no cell of a detector.
    """
    cells = results[results["part"].isin(ASKED_PARTS)] if len(results) else results
    if cells.empty:
        raise ValueError(f"none of the {len(results)} cells is a detector's, streams aside")
    rows = []
    for labels, group in split(cells, SUBJECT):
        (curve,) = curves(group, ["latency"])
        rows.append(labels | _cost(curve, group, table))
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


def largest_memory(cells: pd.DataFrame) -> float:
    """The largest peak of measured cells, with the weights, in bytes; NaN where none is known."""
    measured = cells[cells["status"] == "measured"]
    return float(measured["peak_bytes_with_weights"].max())


def with_ends(name: str, unit: str = "") -> tuple[str, str, str]:
    """The columns of a figure and of its interval, such as ``eer``, ``eer_low``, ``eer_high``."""
    return f"{name}{unit}", f"{name}_low{unit}", f"{name}_high{unit}"


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


def _cost(curve: Curve, cells: pd.DataFrame, table: LengthTable) -> dict[str, Any]:
    """The figures of one subject."""
    names = [name for level in LEVELS for name in with_ends(level, "_s")]
    figures: dict[str, Any] = dict.fromkeys((*names, *with_ends(HOUR)))
    figures |= {"peak_bytes_with_weights": largest_memory(cells)}
    figures |= {"lengths": table.name, "durations": len(curve.durations_s)}
    figures |= dict.fromkeys(("shortest_s", "longest_s", "unmeasured_share", "doubt", "reason"))
    if len(curve.durations_s) < 2:
        without = ", ".join(sorted(set(cells["status"]) - {"measured"}))
        note = f" (others: {without})" if without else ""
        durations = f"{len(curve.durations_s)} durations were measured{note}"
        return figures | {"reason": f"{durations}; a curve needs 2"}

    figures["doubt"] = _doubt(curve, cells)
    return figures | latency_over_lengths(curve, table)


def latency_over_lengths(curve: Curve, table: LengthTable) -> dict[str, Any]:
    """Of `length_cost` for one curve: percentiles and device time with intervals, and the range.

    What is missing has no entry, and the ``reason`` in one.
    """
    shortest_s, longest_s = curve.durations_s[[0, -1]]
    lengths_s = np.array(table.durations_s)
    short, long = lengths_s < shortest_s - ROUNDING_S, lengths_s > longest_s + ROUNDING_S
    figures: dict[str, Any] = {"shortest_s": shortest_s, "longest_s": longest_s}
    figures["unmeasured_share"] = lengths_s[short | long].sum() / lengths_s.sum()
    clipped_s = np.clip(lengths_s, shortest_s, longest_s)
    weights = interpolation(np.log(curve.durations_s), np.log(clipped_s))  # (n, lengths)
    latencies_s = np.exp(np.log(curve.values()) @ weights)  # (lengths,)
    draws = curve.drawn(DRAWS, np.random.default_rng(0), with_level=True)
    drawn_s = None if draws is None else np.exp(np.log(draws) @ weights)  # (draws, lengths)

    inside = ~(short | long)
    ascending_s = np.sort(latencies_s[inside])
    drawn_ascending_s = None if drawn_s is None else np.sort(drawn_s[:, inside], axis=-1)
    reasons = []
    for name, level in LEVELS.items():
        place = float(np.clip(level * len(lengths_s) - 0.5, 0, len(lengths_s) - 1)) - short.sum()
        if 0 <= place <= inside.sum() - 1:
            latency_s = float(_at(ascending_s, place))
            drawn = None if drawn_ascending_s is None else _at(drawn_ascending_s, place)
            figures |= _with_interval(with_ends(name, "_s"), latency_s, drawn)
        else:
            length_s = float(table.quantile_s(level))
            reasons.append(f"p{level * 100:.0f} of the lengths is {length_s:.4g} s")

    outermost_share = 0.5 / len(curve.durations_s) + 1 / len(lengths_s)  # within a table's value
    beyond = [
        f"{mask.mean():.1%} of the recordings are {which}"
        for mask, which in ((short, "shorter"), (long, "longer"))
        if mask.mean() > outermost_share
    ]
    if beyond:
        reasons += beyond
    else:
        per_hour = 3600 / (curve.batch_size * clipped_s.mean())
        drawn = None if drawn_s is None else per_hour * drawn_s.mean(axis=1)
        figures |= _with_interval(with_ends(HOUR), float(per_hour * latencies_s.mean()), drawn)
    if reasons:
        measured_range = f"measured were {shortest_s:.4g} to {longest_s:.4g} s"
        figures["reason"] = "; ".join([*reasons, measured_range])
    return figures


def _at(ascending: Floats, place: float) -> Floats:
    """The value (...) at a place, counted from 0, among ascending values (..., n)."""
    lower = int(place)
    upper = min(lower + 1, ascending.shape[-1] - 1)
    rest = place - lower
    return (1 - rest) * ascending[..., lower] + rest * ascending[..., upper]


def _with_interval(names: Sequence[str], value: float, draws: Floats | None) -> dict[str, float]:
    """A figure and its interval, by their names.

    The draws' ratios to their own median: as they vary more than the curve they lie higher at high
    percentiles, which is not the figure's uncertainty.
    """
    if draws is None:
        return {names[0]: value}
    ends = value * np.quantile(draws, LEVEL) / np.median(draws)
    return dict(zip(names, (value, *ends.tolist()), strict=True))


def _doubt(curve: Curve, cells: pd.DataFrame) -> str | None:
    """Which durations were disturbed while they were measured, or took longer than longer ones."""
    disturbed_s = cells.loc[(cells["status"] == "measured") & cells["disturbed"], "duration_s"]
    values = curve.values()
    least_later = np.minimum.accumulate(values[::-1])[::-1]  # of this duration and longer ones
    slow_s = curve.durations_s[values > SUSPECT * least_later]
    told = [
        f"{words} at {_listed(sorted(set(durations_s)))} s"
        for words, durations_s in (
            ("disturbed", disturbed_s),
            (f"more than {SUSPECT:g} times as slow as a longer duration", slow_s),
        )
        if len(durations_s)
    ]
    return "; ".join(told) or None


def _listed(durations_s: Sequence[float]) -> str:
    more = len(durations_s) - MOST_LISTED
    listed = ", ".join(f"{one:.4g}" for one in durations_s[:MOST_LISTED])
    return f"{listed} and {more} more" if more > 0 else listed
