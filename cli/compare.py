"""``fakemamba compare``: whether a change made anything slower, and by how much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Column
from rich.text import Text

from fakemamba.analysis.compare.accepted import read_accepted
from fakemamba.analysis.compare.comparison import compare as compare_launches
from fakemamba.analysis.compare.from_json import read_comparison
from fakemamba.analysis.compare.markdown import to_markdown
from fakemamba.analysis.compare.plain import are_plain, read_any_launch
from fakemamba.analysis.compare.rounds import compare_rounds
from fakemamba.analysis.compare.verdict import Comparison, Rules
from fakemamba.analysis.compare.wording import (
    basis,
    change,
    figure,
    headline,
    interval,
    interval_name,
)
from fakemamba.analysis.results import require_distinct
from fakemamba.cli.printing import TextTable, say
from fakemamba.files import write_json, write_whole
from fakemamba.names import one_line

STYLES = {"regressed": "bold red", "unanswerable": "red", "undecided": "yellow"}
LONGEST_TEXT = 500


def compare(
    base: tuple[Path, ...] = (),
    head: tuple[Path, ...] = (),
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    markdown: Path | None = None,
    strict: bool = False,
    min_effect: float = 0.025,
    floor_us: float | None = None,
    accepted: Path | None = None,
    from_json: Path | None = None,
) -> int:
    """Compare results of launches that took turns: 0 no regression, 1 regression, 2 no answer.

    Files of any project's pytest-benchmark are compared by the same rules, benchmark by benchmark.

    Args:
        base: JSON files of `fakemamba bench --benchmark-json` before the change, one a launch.
        head: As many with the change; the n-th is the partner of base's n-th.
        json_out: File to write the comparison to.
        markdown: File to write it to, as a comment for a pull request.
        strict: Undecided cells are an error.
        min_effect: The least slowdown that counts, as a share.
        floor_us: And the least in microseconds; if left out, 50 in a sweep, 0 in others' files.
        accepted: TOML file of slow-downs that are let through, such as bench/accepted.toml.
        from_json: Instead of comparing: a comparison's JSON, which is checked and written to
            --markdown; 0 whatever the verdict is, 2 if it is no comparison.
    """
    try:
        rules = Rules(min_effect=min_effect, strict=strict)
        if floor_us is not None:
            rules = replace(rules, floor_s=floor_us / 1e6)
        if from_json is None:
            comparison = _compare(base, head, rules, floor_us is None, accepted)
            _write(comparison, json_out, markdown)
            _show(comparison)
            return comparison.exit_code
        others = (base, head, accepted, json_out, floor_us is not None, rules != Rules())
        if any(others) or markdown is None:
            raise ValueError("--from-json goes with --markdown alone: it compares nothing")
        _write(read_comparison(from_json), None, markdown)
        return 0
    except (ValueError, OSError) as error:
        say(f"fakemamba: error: {error}", file=sys.stderr)
    return 2  # 1 is for a regression


def _compare(
    base: Sequence[Path],
    head: Sequence[Path],
    rules: Rules,
    has_usual_floor: bool,
    accepted: Path | None,
) -> Comparison:
    if not base or not head:
        raise ValueError("no results given: fakemamba compare --base B.json ... --head H.json ...")
    require_distinct([*base, *head])
    entries = [] if accepted is None else read_accepted(accepted)
    before, after = ([read_any_launch(path) for path in side] for side in (base, head))
    if not are_plain([*before, *after]):
        return compare_launches(before, after, rules, entries)
    if has_usual_floor:  # pytest-benchmark repeats what is too short for a clock
        rules = replace(rules, floor_s=0.0)
    if len(before) == len(after) == 1:
        return compare_rounds(before[0], after[0], rules, entries)
    return compare_launches(before, after, rules, entries)


def _write(comparison: Comparison, json_out: Path | None, markdown: Path | None) -> None:
    if json_out is not None:
        write_json(json_out, comparison.to_json())
    if markdown is not None:
        write_whole(markdown, to_markdown(comparison))


def _show(comparison: Comparison) -> None:
    """The table, what a reader has to know beside it, and the verdict last."""
    if comparison.cells:
        Console().print(_table(comparison))
    for problem in comparison.problems:
        say(f"{problem.reason_code}: {one_line(problem.reason, LONGEST_TEXT)}")
    for note in comparison.notes:
        say(f"note: {one_line(note, LONGEST_TEXT)}")
    say(basis(comparison))
    say(headline(comparison))


def _table(comparison: Comparison) -> TextTable:
    """All latencies, and what else is not fine; long names have a line of their own."""
    figures = Column(f"cell, and its change with its {interval_name(comparison)}", overflow="fold")
    table = TextTable("verdict", figures)
    for cell in comparison.cells:
        if cell.verdict == "fine" and cell.quantity != "latency":
            continue
        why = f"{cell.reason_code}: {cell.reason}"
        if cell.base_value is not None:
            base, head = (figure(cell.quantity, one) for one in (cell.base_value, cell.head_value))
            why = f"{base} → {head}, {change(cell)} ({interval(cell)}), {why}"
        lines = (one_line(one, LONGEST_TEXT) for one in (cell.cell_id, f"{cell.quantity}: {why}"))
        table.add_row(Text(cell.verdict, STYLES.get(cell.verdict, "")), Text("\n".join(lines)))
    return table
