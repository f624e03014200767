"""A load test's page: what it answers, then every scenario and level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from fakemamba.analysis.load.answers import sentences
from fakemamba.analysis.report.words import UNKNOWN, is_known, number
from fakemamba.load_record import LoadRecord
from fakemamba.names import in_markdown


def markdown(record: LoadRecord, table: pd.DataFrame) -> str:
    """The page of a record and its `level_table`."""
    settings = record.settings
    tail = f"p{settings.percentile:g}"
    threads = "as many as it likes" if settings.threads is None else f"{settings.threads}"
    lines = [
        f"# {in_markdown(record.detector)} under load",
        "",
        f"{in_markdown(str(record.environment.get('device')))}; {settings.execution}, "
        f"{settings.precision}. Utterances: {in_markdown(settings.lengths)}. "
        f"Workers: {settings.workers}, threads of each: {threads}. Batches of up to "
        f"{settings.max_batch}, for which a request waits {number(settings.max_wait_s)} s at the "
        f"most where a worker is idle; up to {settings.queue} requests wait, further ones are "
        "refused.",
        "",
        *(f"* {in_markdown(one, length=1_000)}" for one in sentences(record, table)),
        "",
        "## Every run",
        "",
        "Latency is from issue to answer, and infinite (∞) where a request was refused or failed; "
        f"in brackets is the 95 % interval of {tail}. Queueing lasts until a worker takes the "
        "request, computing from there on. A level holds if all of the interval of the share that "
        f"is over the SLO is under {number(100 * settings.share_over)} %, and fails if none of it "
        "is.",
        "",
        f"| scenario | level | requests | refused | failed | p50, ms | p90, ms "
        f"| {tail}, ms | queueing p50, {tail}, ms | computing p50, {tail}, ms | answers a second "
        "| audio, s a second | batch | over the SLO | verdict |",
        "|---" * 15 + "|",
        *(_row(one) for one in table.to_dict("records")),
    ]
    ratio = table["generator_ratio"].max()
    if is_known(ratio):
        lines += [
            "",
            "By loadgen, which counts from when it meant to issue, p99 is at most "
            f"{number(ratio)} times what it is here.",
        ]
    reasons = [one for one in table["reasons"] if one]
    if reasons:
        lines += ["", "## Why requests failed", ""]
        lines += [f"* {in_markdown(one, length=1_000)}" for one in dict.fromkeys(reasons)]
    return "\n".join(lines) + "\n"


def line(row: Mapping[Any, Any], percentile: float) -> str:
    """A row of the table in words, for a terminal."""
    level = "" if not is_known(row["level"]) else f" {number(row['level'])}"
    told = (
        f"{row['scenario']}{level}: p50 {_ms(row['p50_s'])} ms, p{percentile:g} "
        f"{_ms(row['tail_s'])} ms, {number(row['answers_a_second'])} a second; "
        f"{row['requests']:,} requests"
    )
    for name in ("refused", "failed"):
        told += f", {row[name]:,} {name}" if row[name] else ""
    return f"{told}; {row['verdict']}" if is_known(row["verdict"]) else told


def _row(row: Mapping[Any, Any]) -> str:
    parts = (
        f"{_ms(row[f'{part}_p50_s'])}, {_ms(row[f'{part}_tail_s'])}"
        for part in ("queueing", "computing")
    )
    cells = [
        row["scenario"] + (", cut" if row["is_cut"] else ""),
        number(row["level"]) if is_known(row["level"]) else UNKNOWN,
        f"{row['requests']:,}",
        f"{row['refused']:,}",
        f"{row['failed']:,}",
        _ms(row["p50_s"]),
        _ms(row["p90_s"]),
        f"{_ms(row['tail_s'])} {_tail_interval(row)}",
        *parts,
        number(row["answers_a_second"]),
        number(row["audio_a_second"]),
        number(row["batch_mean"]),
        _over(row),
        row["verdict"] if is_known(row["verdict"]) else UNKNOWN,
    ]
    return f"| {' | '.join(cells)} |"


def _tail_interval(row: Mapping[Any, Any]) -> str:
    """The interval of the tail, with a dash for an end that so few queries do not have."""
    ends = (row["tail_low_s"], row["tail_high_s"])
    return f"[{', '.join(UNKNOWN if math.isinf(one) else _ms(one) for one in ends)}]"


def _ms(seconds: float) -> str:
    return number(round(1e3 * seconds, 1) if math.isfinite(seconds) else seconds)


def _over(row: Mapping[Any, Any]) -> str:
    if not is_known(row["over"]):
        return UNKNOWN
    ends = ", ".join(number(round(100 * row[f"over_{end}"], 2)) for end in ("low", "high"))
    return f"{row['over']:.0f} of {row['queries']:,} [{ends}] %"
