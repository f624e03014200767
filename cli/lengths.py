"""``fakemamba lengths``: how long a corpus' recordings are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Column

from fakemamba.cli.printing import TextTable, counting, say
from fakemamba.data.lengths import (
    USUAL_INPUT_S,
    LengthTable,
    list_lengths,
    read_lengths,
    write_lengths,
)
from fakemamba.data.measuring_lengths import measure_lengths

PERCENTILES = (5, 25, 50, 75, 95, 99)
STEPS = 12
WIDTH = 40


def lengths(
    corpus: tyro.conf.Positional[str | None] = None,
    /,
    root: Path | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    source: str | None = None,
    licence: str | None = None,
    allow_damaged: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Print how long a corpus' recordings are, or list the tables of lengths that there are.

    Args:
        corpus: A CSV or Parquet file with a column `path`, or with durations alone in a column
            `duration_s`, as logs of calls have them; the name of a table, or a table's .json.
            Without one, the tables are listed.
        root: Where the CSV's paths begin, if not at its folder.
        json_out: File to write the table to, for `fakemamba bench --bench-lengths`.
        source: What the recordings are, to be told by the table.
        licence: The recordings' licence, to be told by the table.
        allow_damaged: Measure what is left of damaged recordings.
    """
    given = {"--root": root, "--source": source, "--licence": licence}
    unused = [name for name, value in given.items() if value is not None]
    unused += ["--allow-damaged"] * allow_damaged
    if corpus is None:
        if unused or json_out is not None:
            raise ValueError("no corpus given: fakemamba lengths MANIFEST.csv")
        _list([read_lengths(name) for name in list_lengths()], Console())
        return
    if corpus in list_lengths() or corpus.endswith(".json"):
        if unused:
            raise ValueError(f"{' and '.join(unused)} belong to a CSV, but {corpus} is a table")
        table = read_lengths(corpus)
    else:
        table = measure_lengths(
            *(corpus, root, counting("measuring")),
            source=source,
            licence=licence,
            allow_damaged=allow_damaged,
        )
    _describe(table, Console())
    _draw(table, Console())
    if json_out is not None:
        write_lengths(table, json_out)
        say(json_out)


def _list(tables: list[LengthTable], console: Console) -> None:
    name = Column("name", no_wrap=True)
    listed = TextTable(name, "recordings", "hours", "median (s)", "p95 (s)", "longest (s)")
    for table in tables:
        lengths_s = [*table.quantile_s([0.5, 0.95]), table.max_s]
        figures = (f"{length_s:.2f}" for length_s in lengths_s)
        listed.add_row(table.name, f"{table.count:,}", f"{table.hours:.2f}", *figures)
    console.print(listed)


def _describe(table: LengthTable, console: Console) -> None:
    say(f"{table.name}: {table.source}; licence: {table.licence or 'not stated'}")
    described = TextTable("", table.name)
    described.add_row("recordings", f"{table.count:,}")
    described.add_row("hours", f"{table.hours:.3f}")
    described.add_row("shortest (s)", f"{table.min_s:.3f}")
    for percent in PERCENTILES:
        described.add_row(f"p{percent} (s)", f"{table.quantile_s(percent / 100):.3f}")
    described.add_row("longest (s)", f"{table.max_s:.3f}")
    described.add_row("mean (s)", f"{table.mean_s:.3f}")
    described.add_row("under 64,600 samples", f"{table.share_under(USUAL_INPUT_S):.1%}")
    console.print(described)


def _draw(table: LengthTable, console: Console) -> None:
    """A bar a step of duration, in steps of equal ratio, as lengths spread over decades."""
    if table.min_s == table.max_s:
        return
    edges = np.geomspace(table.min_s, table.max_s, STEPS + 1)
    counts, _ = np.histogram(table.durations_s, edges)
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        bar = "█" * round(WIDTH * count / counts.max())
        share = count / len(table.durations_s)
        console.print(f"{low:8.2f} to {high:7.2f} s {share:6.1%} {bar}", highlight=False)
