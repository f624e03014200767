"""``fakemamba claims``: which claims hold on the machine that results are from?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.text import Text

from fakemamba.analysis.claims.claim import Claim, by_frontend, counts, to_json
from fakemamba.analysis.claims.judge import judge_claims
from fakemamba.analysis.claims.markdown import to_markdown
from fakemamba.analysis.claims.offline_scoring import read_scoring
from fakemamba.analysis.results import read_launch, require_distinct
from fakemamba.cli.printing import TextTable
from fakemamba.files import write_json, write_whole
from fakemamba.names import one_line

COLOURS = {"holds": "green", "does not hold": "red", "cannot tell": "yellow"}
SOURCES = {"paper": "the paper", "goal": "our goal"}
LONGEST_TEXT = 1000


def claims(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    scoring: tuple[Path, ...] = (),
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    out: Path | None = None,
) -> None:
    """Say which of the paper's claims and of this project's goals hold, with intervals.

    Args:
        results: JSON files of one machine, written by `fakemamba bench --benchmark-json`; what
            is in several of them was measured again.
        scoring: JSON files of runs of offline scoring, with `utterances_per_s`.
        json_out: File to write everything to.
        out: Markdown file to write it to.
    """
    if not results:
        raise ValueError("no results given: fakemamba claims RESULTS.json ...")
    require_distinct([*results, *scoring])
    launches = [read_launch(path) for path in results]
    found = judge_claims(launches, [read_scoring(path) for path in scoring])
    device_name = found[0].device_name
    console = Console()
    for heading, group in by_frontend(found).items():
        _print(console, f"{device_name}, {heading}", group)
    console.print(f"\n{counts(found)}. 95 % intervals; see docs/claims.md", highlight=False)
    if json_out is not None:
        content = to_json(found, device_name, [path.name for path in results])
        write_json(json_out, content)
    if out is not None:
        write_whole(out, to_markdown(found))


def _print(console: Console, heading: str, group: list[Claim]) -> None:
    """A block a claim, with what was found and why; those without a figure at the end."""
    console.rule(Text(one_line(heading, LONGEST_TEXT)), align="left", style="dim")
    shown = TextTable(box=None, padding=(0, 1, 1, 0), pad_edge=False, show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    without: dict[str, dict[str, int]] = {}
    for claim in group:
        if not claim.figures:
            statements = without.setdefault(claim.reason, {})
            statements[claim.statement] = statements.get(claim.statement, 0) + 1
            continue
        lines = [
            (f"{SOURCES[claim.by]}: {claim.statement}", "bold"),
            (claim.cells_in_words, ""),
            ("; ".join(map(str, claim.figures)), ""),
            (claim.reason, "dim"),
            (f"interval: {claim.interval}" if claim.interval else "", "dim"),
        ]
        told = [Text(one_line(line, LONGEST_TEXT), style) for line, style in lines if line]
        shown.add_row(Text(claim.verdict, COLOURS[claim.verdict]), Text("\n").join(told))
    console.print(shown)
    for reason, statements in without.items():
        console.print(Text(f"cannot tell: {one_line(reason, LONGEST_TEXT)}", "yellow"))
        for statement, count in statements.items():
            ways = f" ({count} ways of running it)" if count > 1 else ""
            console.print(Text(f"  {one_line(statement, LONGEST_TEXT)}{ways}"))
