"""The section of a report's page on load: the answers, and a table of every scenario and level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakemamba.analysis.load.answers import sentences
from fakemamba.analysis.load.levels import level_table
from fakemamba.analysis.report.sections import Section
from fakemamba.analysis.report.tables import Field, tabulate
from fakemamba.analysis.report.words import interval
from fakemamba.load_record import LoadRecord

LOAD = (
    Field("detector", "detector", is_key=True),
    Field("scenario", "scenario", is_key=True),
    Field("level", "level", is_key=True),
    Field("verdict", "verdict", is_key=True, mark=True),
    Field("SLO (s)", "slo_s"),
    Field("percentile", "percentile"),
    Field("latency at it (ms)", "tail_s", 1e3, is_key=True),
    Field("95 % interval (ms)", lambda one: interval((one["tail_low_s"], one["tail_high_s"]), 1e3)),
    Field("median (ms)", "p50_s", 1e3, is_key=True),
    Field("queueing at it (ms)", "queueing_tail_s", 1e3),
    Field("computing at it (ms)", "computing_tail_s", 1e3),
    Field("answers a second", "answers_a_second", is_key=True),
    Field("audio (s a second)", "audio_a_second"),
    Field("mean batch", "batch_mean"),
    Field("requests", "requests"),
    Field("answered", "answered"),
    Field("refused", "refused"),
    Field("failed", "failed"),
    Field("over the SLO", "over"),
    Field("workers", "workers"),
    Field("threads", "threads"),
    Field("device", "device_name"),
    Field("precision", "precision"),
    Field("execution", "execution"),
    Field("utterances", "lengths"),
    Field("reason", "reasons"),
)


def load_section(records: Sequence[LoadRecord]) -> Section:
    """Of all load tests that were given."""
    notes: list[str] = []
    rows: list[dict[Any, Any]] = []
    for record in records:
        table = level_table(record)
        notes.append(f"{record.detector}: {' '.join(sentences(record, table))}")
        shared = {
            **vars(record.settings),
            "detector": record.detector,
            "device_name": record.environment.get("device"),
        }
        for row in table.to_dict("records"):
            slo_s = record.settings.slo_of(row["scenario"])
            rows.append({**shared, **row, "slo_s": slo_s})
    caption = "Scenarios, and rates of arrivals or numbers of calls"
    return Section(
        "load", "Load", "Under load", tuple(notes), (tabulate("loads", caption, LOAD, rows),)
    )
