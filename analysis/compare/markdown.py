"""A comparison as a comment on GitHub: the verdict first, then what needs somebody's attention.

Names and reasons come from result files, which anybody may have written: they are shown as text,
never as markup, and notify nobody. The whole is shorter than GitHub allows a comment to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fakemamba.analysis.compare.verdict import CellVerdict, Comparison
from fakemamba.analysis.compare.wording import (
    basis,
    change,
    figure,
    headline,
    interval,
    interval_name,
    printable,
)

MARKER = "<!-- fakemamba-gate -->"  # by which the comment is found again
LONGEST_TEXT = 200
# GitHub takes 65,536 characters. Each list has its share, so that none pushes another out.
MOST_FOR_ATTENTION = 30_000
MOST_FOR_OTHERS = 12_000
MOST_FOR_PROBLEMS = 4_000
MOST_FOR_NOTES = 4_000
MOST_FOR_ENVIRONMENT = 6_000
# Everything else may be markup, or end it; "@" would notify, also where it is written as an entity.
UNSAFE = re.compile(r"[^0-9A-Za-z ,/=()%+\-\u00a1-\U0010ffff]")


def to_markdown(comparison: Comparison) -> str:
    """The comment, under 60,000 characters."""
    attention = [cell for cell in comparison.cells if cell.verdict not in ("fine", "accepted")]
    others = [cell for cell in comparison.cells if cell.verdict in ("fine", "accepted")]
    blocks = [MARKER, f"## {headline(comparison)}", basis(comparison)]
    problems = [f"- {_literal(problem.reason)}" for problem in comparison.problems]
    blocks += _lines(problems, MOST_FOR_PROBLEMS)
    if attention:
        blocks.append(_table(attention, comparison, MOST_FOR_ATTENTION))
    if others:
        blocks.append(
            f"<details><summary>{len(others)} verdicts without regression</summary>\n\n"
            f"{_table(others, comparison, MOST_FOR_OTHERS)}\n\n</details>"
        )
    blocks += _lines([f"- {_literal(note)}" for note in comparison.notes], MOST_FOR_NOTES)
    names = dict.fromkeys([*comparison.base, *comparison.head])
    rows = [
        _row([name, *(side.get(name, "") for side in (comparison.base, comparison.head))])
        for name in names
    ]
    environment = _rows_within(["| | base | head |", "|---|---|---|"], rows, MOST_FOR_ENVIRONMENT)
    blocks.append(f"<details><summary>Environment</summary>\n\n{environment}\n\n</details>")
    return "\n\n".join(blocks) + "\n"


def _table(cells: Sequence[CellVerdict], comparison: Comparison, most: int) -> str:
    head = f"| verdict | cell | quantity | base | head | change | {interval_name(comparison)} | |"
    rows = [
        f"| {cell.verdict} | {_literal(cell.cell_id)} | {cell.quantity} "
        f"| {_figures(cell)} | {change(cell)} | {interval(cell)} | {_literal(cell.reason)} |"
        for cell in cells
    ]
    return _rows_within([head, "|---|---|---|---:|---:|---:|---|---|"], rows, most)


def _figures(cell: CellVerdict) -> str:
    return " | ".join(figure(cell.quantity, value) for value in (cell.base_value, cell.head_value))


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(_literal(text) for text in texts)} |"


def _lines(lines: Sequence[str], most: int) -> list[str]:
    return [_rows_within([], lines, most)] if lines else []


def _rows_within(head: Sequence[str], rows: Sequence[str], most: int) -> str:
    """As many rows as fit, and how many do not."""
    length, shown = 0, []
    for row in rows:
        length += len(row) + 1
        if length > most:
            break
        shown.append(row)
    text = "\n".join([*head, *shown])
    left_out = len(rows) - len(shown)
    return text if not left_out else f"{text}\n\n… and {left_out} more, which are in the JSON."


def _literal(text: str) -> str:
    """A foreign text, to be shown as it is."""
    if not text:
        return ""
    escaped = UNSAFE.sub(lambda match: f"&#{ord(match[0])};", printable(text, LONGEST_TEXT))
    return f"<code>{escaped.replace('&#64;', '&#64;&#8203;')}</code>"
