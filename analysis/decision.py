"""The figures by which a detector is chosen: a row a detector, and one function for each figure.

The page, ``cost`` and the pictures read them here, so they are the same to the digit everywhere.
Single figures are of one duration, the same for all that are compared; those of a corpus come from
`length_cost`. What is missing names its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.length_cost import HOUR, largest_memory, length_cost, with_ends
from fakemamba.analysis.setting import CLOSE, LINE, SUBJECT, WHOLE, by_setting, split, values_of
from fakemamba.data.lengths import LengthTable
from fakemamba.result_schema import LEAST_COVERAGE
from fakemamba.visits import interval

USUAL_S = 4.0  # what the field cuts recordings to
CORPUS = (*with_ends("latency_p50", "_s"), *with_ends("latency_p95", "_s"))
COLUMNS = (
    *("at_s", "rtf", *with_ends("latency", "_s")),
    *CORPUS,
    *("memory_bytes", "corpus_memory_bytes", "flops", "n_parameters"),
    *(*with_ends(HOUR), *with_ends("eer")),
)
NOTES = ("eer_verified", "reason", "notes", "own_frontend")
COSTS = ["eer", "rtf", "memory_bytes"]
TIE = 0.02  # relative: no difference, for being on the front


def decision_table(
    results: pd.DataFrame, lengths: LengthTable | None = None, rates: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What speaks for and against each detector, in each setting that it was measured in.

    Args:
        results: from `read_results`.
        lengths: of a corpus, for percentiles of latency over it and its device time.
        rates: from `read_eer` or `published_eer`.

    Returns:
        A row a subject of end-to-end, or of a detector that was not measured so: the subject's
        fields; ``at_s``, the duration of what follows: ``latency_s`` with its 95 % interval
        ``latency_low_s`` to ``latency_high_s``, ``rtf``, ``memory_bytes`` with weights, ``flops``;
        ``n_parameters``; ``device_s_per_audio_hour``, over the lengths or else for recordings of
        ``at_s``; ``latency_p50_s`` and ``latency_p95_s`` over the lengths, each of the three with
        ``..._low`` and ``..._high``, and ``corpus_memory_bytes``, the largest with weights;
        ``eer`` in per cent with ``eer_low``, ``eer_high`` and ``eer_verified``; whether it is
        ``on_front``, see there; the ``reason`` of each figure that is missing, else None; and of a
        detector of others ``notes`` and whether it has its ``own_frontend``. What is unknown is
        NaN or None.
    """
    if results.empty:
        return pd.DataFrame(columns=[*SUBJECT, *COLUMNS, *NOTES, "on_front"])
    cells = results[results["part"] != "scan"]
    whole = cells[cells["part"] == WHOLE]
    rows = []
    for _, group in by_setting(whole):
        at_s = usual_duration_s(group)
        rows += [_row(*one, at_s, lengths, rates) for one in split(group, SUBJECT)]
    for _, others in cells[~cells["detector"].isin(whole["detector"])].groupby("detector"):
        reason = "not measured end to end; measure with --bench-parts end-to-end"
        labels = values_of(others.iloc[0], SUBJECT)
        told = {"reason": reason, "own_frontend": False}
        rows.append(labels | _error_rate(labels, rates) | told)
    table = pd.DataFrame(rows, columns=[*SUBJECT, *COLUMNS, *NOTES])
    return _with_front(table.astype(dict.fromkeys(COLUMNS, np.float64)))  # None is NaN


def usual_duration_s(cells: pd.DataFrame) -> float:
    """The duration at which cells are compared: `USUAL_S`, or of what most have the nearest."""
    measured = cells[cells["status"] == "measured"]
    lines = (
        (measured if len(measured) else cells)
        .groupby("duration_s")[list(LINE)]
        .apply(lambda group: len(group.drop_duplicates()))
    )
    if np.isclose(lines.index, USUAL_S, rtol=CLOSE).any():
        return USUAL_S
    common_s = lines.index[lines == lines.max()].to_numpy(np.float64)
    return float(common_s[np.abs(np.log(common_s / USUAL_S)).argmin()])


def on_front(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which rows (n,) of positive costs (n, k) no other row beats.

    To beat is to be better in one cost and no worse in all; differences below ``TIE`` are none.
    """
    ratios = costs[:, None] / costs[None]  # (n, n, k): row i over row j
    no_worse = (ratios <= 1 + TIE).all(axis=2)
    better = (ratios < 1 - TIE).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0), np.bool_)


def _with_front(table: pd.DataFrame) -> pd.DataFrame:
    """Mark which rows no other of the same setting beats; alone there is nothing to beat."""
    front = pd.Series(False, index=table.index)
    known = table.reindex(columns=COSTS).astype(np.float64)
    known = known[(known > 0).all(axis=1)]
    for _, group in by_setting(table.loc[known.index]):
        if len(group) > 1:
            front[group.index] = on_front(known.loc[group.index].to_numpy())
    return table.assign(on_front=front)


def _row(
    labels: dict[str, Any],
    cells: pd.DataFrame,
    at_s: float,
    lengths: LengthTable | None,
    rates: pd.DataFrame | None,
) -> dict[str, Any]:
    """One line in one setting."""
    measured = cells[cells["status"] == "measured"]
    here = cells[np.isclose(cells["duration_s"], at_s, rtol=CLOSE)]
    there = here[here["status"] == "measured"]
    figures: dict[str, Any] = {"at_s": at_s, "n_parameters": measured["n_parameters"].max()}
    reasons = []
    if there.empty:
        reasons.append(_why_none(cells, here, at_s))
    else:
        figures |= latency(there, at_s) | {"memory_bytes": largest_memory(there)}
        figures["flops"] = _flops(there, at_s)
        reasons += _why_missing(figures, there)
    if lengths is not None:
        (cost,) = length_cost(cells, lengths).to_dict("records")
        figures |= {name: cost[name] for name in (*CORPUS, *with_ends(HOUR))}
        figures["corpus_memory_bytes"] = cost["peak_bytes_with_weights"]
        reasons += [cost["reason"]] if cost["reason"] else []
    rate = _error_rate(labels, rates)
    if rates is not None and not rate:
        reasons.append("no error rate is known of it with this front-end")
    is_own = bool(cells["own_frontend"].any()) if "own_frontend" in cells else False
    told = {"notes": _notes(cells, is_own), "own_frontend": is_own}
    return labels | figures | rate | told | {"reason": "; ".join(reasons) or None}


def _notes(cells: pd.DataFrame, is_own: bool) -> str | None:
    """What is to be known of a detector of others."""
    said = ["it brings its own front-end"] if is_own else []
    for name in ("fixed_length", "notes"):
        for one in cells[name].dropna() if name in cells else ():
            said += [one] if isinstance(one, str) else one
    return "; ".join(dict.fromkeys(said)) or None


def latency(cells: pd.DataFrame, at_s: float) -> dict[str, float | None]:
    """Latency, real-time factor and device time for an hour, with intervals.

    Args:
        cells: measured ones of one line at one duration: one, or of several launches, of whose
            latencies the median is taken.
        at_s: that duration.
    """
    values_s = median_latency(cells)
    per_hour = 3600 / (at_s * int(cells["batch_size"].iloc[0]))
    return {
        "rtf": values_s[0] / at_s,
        **dict(zip(with_ends("latency", "_s"), values_s, strict=True)),
        **{
            name: None if one_s is None else per_hour * one_s
            for name, one_s in zip(with_ends(HOUR), values_s, strict=True)
        },
    }


def median_latency(cells: pd.DataFrame) -> tuple[float, float | None, float | None]:
    """The latency of measured cells, one or a launch each, in seconds, and its interval's ends."""
    value_s = float(cells["latency_s"].median())
    if len(cells) == 1:
        low_s, high_s = cells[["latency_low_s", "latency_high_s"]].iloc[0].tolist()
    else:
        low_s, high_s = interval(cells["latency_s"].tolist()) or (None, None)
    return value_s, low_s, high_s


def _flops(cells: pd.DataFrame, at_s: float) -> float:
    """What a call has to compute: by formula, else as counted; NaN if neither is known."""
    for work in cells["work"].dropna() if "work" in cells else ():
        of_it = dict(zip(work.durations_s, work.flops, strict=True))
        if at_s in of_it:
            return float(of_it[at_s])
    return float(cells["flops"].where(cells["flop_coverage"] >= LEAST_COVERAGE).max())


def _why_none(cells: pd.DataFrame, here: pd.DataFrame, at_s: float) -> str:
    """Why there is no latency at a duration."""
    if len(here):
        first = here.iloc[0]
        return f"{first['status']} at {at_s:g} s: {first['reason']}"
    measured_s = sorted(set(cells.loc[cells["status"] == "measured", "duration_s"]))
    if not measured_s:
        first = cells.iloc[0]
        return f"{first['status']} at {first['duration_s']:g} s: {first['reason']}"
    ends = " to ".join(f"{one:.4g}" for one in dict.fromkeys((measured_s[0], measured_s[-1])))
    return f"not measured at {at_s:g} s, but at {ends} s"


def _why_missing(figures: dict[str, Any], cells: pd.DataFrame) -> Iterator[str]:
    """Why a cell with a latency has no memory, or no FLOPs."""
    if np.isnan(figures["memory_bytes"]):
        has_peak = cells["peak_bytes"].notna().any()
        yield (
            "memory: the size of the weights was not recorded"
            if has_peak
            else "memory: not measured; measure with --bench-instruments memory"
        )
    if np.isnan(figures["flops"]):
        coverage = cells["flop_coverage"].max()
        yield (
            "FLOPs: not counted; measure with --bench-instruments work"
            if np.isnan(coverage)
            else f"FLOPs: the count covers {coverage:.0%} of the time"
        )


def _error_rate(labels: dict[str, Any], rates: pd.DataFrame | None) -> dict[str, Any]:
    """The error rate of a detector with its front-end; empty if none is known."""
    if rates is None:
        return {}
    of_it = rates[rates["detector"] == labels["detector"]]
    of_it = of_it[of_it["frontend"].isna() | (of_it["frontend"] == labels["frontend"])]
    if of_it.empty:
        return {}
    first = of_it.iloc[0]
    return {
        "eer": first["eer"],
        "eer_low": first["low"],
        "eer_high": first["high"],
        "eer_verified": bool(first["verified"]),
    }
