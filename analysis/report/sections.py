"""Sections that are tables: growth, crossovers, streams, published figures, trouble, a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from fakemamba.analysis.compare.verdict import Comparison
from fakemamba.analysis.report.cell_tables import cell_tables
from fakemamba.analysis.report.labels import labels
from fakemamba.analysis.report.tables import Field, Record, Table, tabulate
from fakemamba.analysis.report.words import interval, is_known, number
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.streams import stream_costs

SCALING = (
    Field("detector", "detector", is_key=True),
    Field("part", "part", is_key=True),
    Field("quantity", "quantity", is_key=True),
    Field("verdict", "verdict", is_key=True, mark=True),
    Field("quadratic share (%)", "quadratic_share", 100),
    Field("95 % interval (%)", lambda one: interval(one["quadratic_share_ci"], 100, 1)),
    Field("exponent", "exponent"),
    Field("95 % interval", lambda one: interval(one["exponent_ci"])),
    Field("bT = cT² at (s)", "crossover_s"),
    Field("from (s)", "t_min_s"),
    Field("to (s)", "t_max_s"),
    Field("a", "a_s"),
    Field("b", "b"),
    Field("c", "c"),
    *labels(),
    Field("reason", "reason"),
)
CROSSOVER = (
    Field("detector", "detector", is_key=True),
    Field("against", "rival", is_key=True),
    Field("part", "part", is_key=True),
    Field("quantity", "quantity", is_key=True),
    Field("takes less from (s)", "from_s", is_key=True),
    Field("95 % interval (s)", lambda one: interval(one["from_s_ci"])),
    Field("to (s)", "to_s"),
    Field("verdict", "verdict", mark=True),
    *labels(),
    Field("reason", "reason"),
)


STREAMS = (
    Field("detector", "detector", is_key=True),
    Field("window (s)", "window_s", is_key=True),
    Field("hop (s)", "hop_s", is_key=True),
    Field("convolutions", lambda one: "kept" if one["cached"] else "computed anew", is_key=True),
    Field("cost (s a second)", "cost_s_per_s", is_key=True),
    Field(
        "95 % interval", lambda one: interval((one["cost_low_s_per_s"], one["cost_high_s_per_s"]))
    ),
    Field("anew / kept", "speedup", is_key=True),
    Field("of the ratio", lambda one: interval((one["speedup_low"], one["speedup_high"]))),
    Field("p50 (ms)", "latency_p50_s", 1e3, is_key=True),
    Field("p95 (ms)", "latency_p95_s", 1e3, is_key=True),
    Field("p99 (ms)", "latency_p99_s", 1e3, is_key=True),
    Field("decisions", "decisions"),
    Field("status", "status", mark=True),
    *labels(),
    Field("reason", "reason"),
)


def _published(one: Record) -> str | None:
    low, high = one["published_low"], one["published_high"]
    if not is_known(low):
        return None
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _ours(one: Record) -> str | None:
    least, most = one["ours_least"], one["ours_most"]
    return f"{number(least)} to {number(most)}" if is_known(least) else None


BESIDE = (
    Field("system", "system", is_key=True),
    Field("metric", "metric", is_key=True),
    Field("published", _published, is_key=True),
    Field("ours, medians", _ours, is_key=True),
    Field("ours, intervals", lambda one: interval((one["ours_low"], one["ours_high"]))),
    Field("verdict", "verdict", is_key=True, mark=True),
    Field("our detector", "detector", is_key=True),
    Field("from (s)", "shortest_s"),
    Field("to (s)", "longest_s"),
    Field("durations", "durations"),
    Field("verified", lambda one: "yes" if one["verified"] else "no: quoted by others"),
    Field("our device", "device_name"),
    *labels("backend", "precision", "execution", "attention"),
    Field("source", "source"),
    Field("note", "note"),
)
PUBLISHED = (
    Field("system", "system", is_key=True),
    Field("data set", "data_set", is_key=True),
    Field("metric", "metric", is_key=True),
    Field("value", "value", is_key=True),
    Field("unit", "unit"),
    Field("verified", lambda one: "yes" if one["verified"] else "no: quoted by others"),
    Field("source", "source"),
    Field("note", "note"),
)
COMPARISON = (
    Field("cell", "cell_id", is_key=True),
    Field("quantity", "quantity", is_key=True),
    Field("verdict", "verdict", is_key=True, mark=True),
    Field("head / base", "ratio", is_key=True),
    Field("interval", lambda one: interval((one["ratio_low"], one["ratio_high"]))),
    Field("base", "base_value"),
    Field("head", "head_value"),
    Field("pairs", "pairs"),
    Field("reason code", "reason_code"),
    Field("reason", "reason"),
)
TROUBLE = (
    Field("status", "status", is_key=True, mark=True),
    Field("cells", "cells", is_key=True),
    Field("reason", "reason", is_key=True),
    Field("detectors", "detectors"),
    Field("parts", "parts"),
    Field("durations (s)", "durations"),
    Field("file", "source"),
)


@dataclass(frozen=True)
class Section:
    """A heading with notes and tables; ``link`` names it in short."""

    anchor: str
    link: str
    title: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]


def growth_sections(
    scalings: Sequence[Scaling], crossovers: Sequence[Crossover]
) -> Iterator[Section]:
    """How each cost grows, and where one detector begins to take less than another."""
    if scalings:
        note = (
            "Fitted is a + bT + cT² with relative weights; the quadratic share is cT²/(bT + cT²) "
            "at the longest duration, the exponent that of the top two octaves. Intervals "
            "come from visits. a, b and c are in s, bytes or flops, per s and per s²."
        )
        records = [vars(one) for one in scalings]
        table = tabulate("scalings", "Fits and verdicts", SCALING, records)
        yield Section("growth", "Growth", "How each cost grows", (note,), (table,))
    if crossovers:
        records = [vars(one) for one in crossovers]
        table = tabulate("crossover-pairs", "Pairs of detectors", CROSSOVER, records)
        title = "From which duration one detector takes less than another"
        yield Section("crossovers", "Crossovers", title, (), (table,))


def stream_sections(results: pd.DataFrame) -> Iterator[Section]:
    """What decisions on streams cost, if there are any."""
    costs = stream_costs(results)
    if costs.empty:
        return
    notes = (
        "A decision on the last window is made every hop. A second of audio costs the latency of a "
        "decision over the hop, in seconds of computing; below 1 a stream keeps up.",
        "Kept are frames of the convolutions that an earlier window had. All that comes after them "
        "is computed anew, and logits are the same to rounding. Both are compared pass by pass.",
        "Percentiles are of single decisions: p95 of 20 at the least and p99 of 100, as by "
        "--bench-min-rounds 20.",
    )
    table = tabulate("stream-costs", "Streams", STREAMS, costs.to_dict("records"))
    yield Section("streams", "Streams", "What decisions on a stream cost", notes, (table,))


def published_section(beside: pd.DataFrame, published: pd.DataFrame) -> Section:
    """Published figures of speed beside ours, and those that no benchmark measures."""
    tables = []
    if not beside.empty:
        records = beside.to_dict("records")
        tables.append(tabulate("published-beside", "Published speed beside ours", BESIDE, records))
    others = published[~published["metric"].isin(set(beside["metric"]))]
    if not others.empty:
        caption = "Other published figures, which these results do not measure"
        tables.append(tabulate("published-others", caption, PUBLISHED, others.to_dict("records")))
    return Section("published", "Published", "Published numbers", (), tuple(tables))


def trouble_section(results: pd.DataFrame) -> Section:
    """Cells without a time by reason, and those that were disturbed."""
    title = "What failed, and why"
    if results.empty:
        return Section("trouble", "What failed", title, ("The files have no cells.",), ())
    notes = []
    records = []
    without = results[results["status"] != "measured"]
    for (status, reason, source), cells in without.groupby(
        ["status", "reason", "source"], dropna=False, sort=False
    ):
        durations_s = sorted(cells["duration_s"].dropna().unique())
        records.append(
            {
                "status": status,
                "cells": len(cells),
                "reason": reason,
                "source": source,
                "detectors": ", ".join(dict.fromkeys(cells["detector"].dropna())) or None,
                "parts": ", ".join(dict.fromkeys(cells["part"])),
                "durations": ", ".join(map(number, durations_s)) or None,
            }
        )
    if not records:
        notes.append(f"Nothing: all {len(results)} cells were measured.")
    disturbed = int(results["disturbed"].sum())
    if disturbed:
        notes.append(
            f"{disturbed} of {len(results)} cells were disturbed while they were measured; the "
            "table of every cell says by what."
        )
    tables = (tabulate("troubles", "Cells without a time", TROUBLE, records),) if records else ()
    return Section("trouble", "What failed", title, tuple(notes), tables)


def comparison_section(comparison: Comparison) -> Section:
    """A comparison of two revisions: the verdict of all, what stands in its way, every cell."""
    notes = [
        f"Overall: {comparison.verdict} (exit code {comparison.exit_code}).",
        f"Pairs of launches: {comparison.pairs}.",
        *(f"{one.reason_code}: {one.reason}" for one in comparison.problems),
        *comparison.notes,
    ]
    cells = [vars(cell) for cell in comparison.cells]
    tables = (tabulate("compared", "Cells and quantities", COMPARISON, cells),) if cells else ()
    return Section("comparison", "Base against head", "Base against head", tuple(notes), tables)


def cells_section(results: pd.DataFrame) -> Section:
    """Every cell."""
    return Section("cells", "Every cell", "Every cell", (), tuple(cell_tables(results)))
