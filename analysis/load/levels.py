"""A load test as a table: a row a scenario and level, computed from its requests alone.

A request that was refused or failed counts as one that is never answered, so that no percentile
gets better by refusing. Queueing, from issue to a worker, and computing, from there to the answer,
are of those that were answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.load_record import (
    SCENARIOS,
    LoadRecord,
    LoadSettings,
    Run,
    effective_queries,
    over,
    verdict,
)
from fakemamba.shares import quantile_with_interval, share_interval

SAMPLE_RATE_HZ = 16_000
JUDGED = ("single-stream", "server", "streams")  # the others have more at once than come
COLUMNS = (
    *("scenario", "level", "requests", "queries", "effective_queries"),
    *("answered", "refused", "failed", "reasons"),
    *("p50_s", "p90_s", "tail_s", "tail_low_s", "tail_high_s"),
    *("queueing_p50_s", "queueing_tail_s", "computing_p50_s", "computing_tail_s"),
    *("answers_a_second", "audio_a_second", "batch_mean"),
    *("over", "over_low", "over_high", "verdict"),
    *("worker_starts", "generator_ratio", "is_cut"),
)


def level_table(record: LoadRecord) -> pd.DataFrame:
    """A row a scenario and level, runs at the same one together; `COLUMNS` are its columns.

    ``tail`` is the percentile of the settings, with its 95 % interval; times are in seconds, and
    infinite where there was no answer. ``over`` counts queries without an answer within the SLO,
    and the share that they are of has an interval, too; both intervals are those of so many
    independent queries as ``effective_queries``. ``generator_ratio`` is how much longer the
    99th percentile is by the generator, which counts from when it meant to issue, than by us.
    """
    alike: dict[tuple[int, float], list[Run]] = {}
    for run in record.runs:
        key = SCENARIOS.index(run.scenario), -1.0 if run.level is None else run.level
        alike.setdefault(key, []).append(run)
    rows = [_row(alike[key], record.settings) for key in sorted(alike)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(runs: list[Run], settings: LoadSettings) -> dict[str, Any]:
    first = runs[0]
    table = pd.concat([request_table(one) for one in runs], ignore_index=True)
    answered = table[table["ending"] == "answered"]
    latencies_s = np.concatenate([one.latencies_s() for one in runs])
    tail, effective = settings.percentile / 100, effective_queries(runs)
    spans_s = sum(_span_s(one) for one in runs)
    ended = Counter(table["ending"])
    row = {
        "scenario": first.scenario,
        "level": first.level,
        "requests": sum(one.issued for one in runs),
        "queries": len(latencies_s),
        "effective_queries": effective,
        **{one: ended[one] for one in ("answered", "refused", "failed")},
        "reasons": "; ".join(dict.fromkeys(table["reason"].dropna())),
        "p50_s": quantile_with_interval(latencies_s, 0.5)[0],
        "p90_s": quantile_with_interval(latencies_s, 0.9)[0],
        **dict(
            zip(
                ("tail_s", "tail_low_s", "tail_high_s"),
                quantile_with_interval(latencies_s, tail, effective),
                strict=True,
            )
        ),
        "answers_a_second": len(answered) / spans_s if spans_s else np.nan,
        "audio_a_second": answered["samples"].sum() / SAMPLE_RATE_HZ / spans_s
        if spans_s
        else np.nan,
        "batch_mean": answered["batch"].mean(),
        "worker_starts": sum(one.worker_starts for one in runs),
        "generator_ratio": pd.Series(map(_generator_ratio, runs), dtype=np.float64).max(),
        "is_cut": any(one.is_cut for one in runs),
    }
    for part in ("queueing", "computing"):
        values = answered[f"{part}_s"].to_numpy(np.float64)
        row[f"{part}_p50_s"] = quantile_with_interval(values, 0.5)[0]
        row[f"{part}_tail_s"] = quantile_with_interval(values, tail)[0]
    slo_s = settings.slo_of(first.scenario)
    if slo_s is not None and first.scenario in JUDGED:
        count, of = over(runs, slo_s)
        low, high = share_interval(count, of, effective)
        row |= {"over": count, "over_low": low, "over_high": high}
        row["verdict"] = verdict(runs, slo_s, settings.share_over)
    return row


def request_table(run: Run) -> pd.DataFrame:
    """A row a request, with `queueing_s` and `computing_s` beside what the record has."""
    found = run.requests
    table = pd.DataFrame({name: list(values) for name, values in vars(found).items()})
    started_s = table["started_s"].astype(np.float64)
    return table.assign(
        queueing_s=started_s - table["issued_s"], computing_s=table["ended_s"] - started_s
    )


def endings(table: pd.DataFrame) -> dict[str, int]:
    """How all requests of a `level_table` ended; their sum is that of those that were issued."""
    return {one: int(table[one].sum()) for one in ("requests", "answered", "refused", "failed")}


def _generator_ratio(run: Run) -> float:
    """NaN where the generator says nothing, or counts as answered what was not."""
    ours_s = quantile_with_interval(run.latencies_s(), 0.99)[0]
    if run.generator_p99_s is None or set(run.requests.ending) != {"answered"}:
        return np.nan
    return run.generator_p99_s / ours_s


def _span_s(run: Run) -> float:
    found = run.requests
    if not found.ended_s:
        return 0.0
    spans: Sequence[float] = (max(found.ended_s), -min(found.issued_s))
    return sum(spans)
