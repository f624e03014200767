"""``fakemamba cost``: what a corpus costs each detector, by the lengths of its recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Column

from fakemamba.analysis.length_cost import HOUR, LEVELS, length_cost, padding_waste
from fakemamba.analysis.report.words import interval, is_known, number
from fakemamba.analysis.results import read_results
from fakemamba.analysis.setting import SETTING, Setting, values_of
from fakemamba.cli.printing import TextTable, say
from fakemamba.data.lengths import draw_durations, read_lengths
from fakemamba.files import write_whole
from fakemamba.names import in_spreadsheet

BATCH_SIZES = (8, 16, 32)


def cost(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    lengths: str,
    csv_out: Annotated[Path | None, tyro.conf.arg(name="csv")] = None,
) -> None:
    """Print percentiles of latency over a corpus, device seconds for an hour of it, and memory.

    Args:
        results: JSON files written by `fakemamba bench --bench-lengths NAME --benchmark-json`.
        lengths: The same name of a table of lengths, or its .json (see `fakemamba lengths`).
        csv_out: File to write the table to, with the reason of each figure that is missing.
    """
    if not results:
        raise ValueError("no results given: fakemamba cost RESULTS.json ... --lengths NAME")
    table = read_lengths(lengths)
    costs = length_cost(read_results(results), table)
    rows = costs.to_dict("records")
    settings = [Setting(**values_of(row, SETTING)).words for row in rows]
    title = f"{table.name}: {table.count:,} recordings, {table.hours:.2f} h"
    several = len(set(settings)) > 1
    shown = TextTable(
        Column("detector", no_wrap=True),
        Column("part", no_wrap=True),
        *(("setting",) if several else ()),
        *("p50 (ms)", "p95 (ms)", "p99 (ms)", "device s / audio h", "largest MB with weights"),
        title=title if several else f"{title}; {settings[0]}",
        caption="in brackets: 95 % intervals",
    )
    for row, setting in zip(rows, settings, strict=True):
        latencies = [_figure(row, f"{name}{{}}_s", 1e3) for name in LEVELS]
        hour = _figure(row, f"{HOUR}{{}}", 1)
        memory = number(row["peak_bytes_with_weights"] * 1e-6)
        where = [row["part"], setting] if several else [row["part"]]
        shown.add_row(row["detector"], *where, *latencies, hour, memory)
    Console().print(shown)
    for row, setting in zip(rows, settings, strict=True):
        if is_known(row["doubt"]):
            of = f"{setting}: " if several else ""
            print(f"doubtful, {of}{row['detector']}, {row['part']}: {row['doubt']}")
    for reason in dict.fromkeys(costs["reason"].dropna()):
        say(f"left out: {reason}")
    durations_s = draw_durations(table, table.count)
    for batch_size in BATCH_SIZES:
        waste = [padding_waste(durations_s, batch_size, sorted=one) for one in (True, False)]
        say(
            f"padding in batches of {batch_size}: {waste[0]:.1%} if sorted by length, "
            f"{waste[1]:.1%} in random order"
        )
    if csv_out is not None:
        write_whole(csv_out, costs.map(in_spreadsheet).to_csv(index=False))


def _figure(row: dict[Any, Any], name: str, scale: float) -> str:
    """A figure with its interval; ``name`` has a place for ``_low`` and ``_high``."""
    value, *ends = (row[name.format(end)] for end in ("", "_low", "_high"))
    if not is_known(value):
        return "-"
    return f"{number(value * scale)} {interval(ends, scale)}".rstrip()
