"""A comparison as a comment on GitHub: the verdict first, then what needs somebody's attention.

Names and reasons come from result files, which anybody may have written: they are shown as text,
never as markup, and notify nobody. The whole is shorter than GitHub allows a comment to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fakemamba.analysis.compare.verdict import CellVerdict, Comparison
from fakemamba.analysis.compare.wording import (
    basis,
    change,
    figure,
    headline,
    interval,
    interval_name,
)
from fakemamba.names import in_markdown_code

MARKER = "<!-- fakemamba-gate -->"  # by which the comment is found again
# GitHub takes 65,536 characters. Each list has its share, so that none pushes another out.
MOST_FOR_ATTENTION = 30_000
MOST_FOR_OTHERS = 12_000
MOST_FOR_PROBLEMS = 4_000
MOST_FOR_NOTES = 4_000
MOST_FOR_ENVIRONMENT = 6_000


def to_markdown(comparison: Comparison) -> str:
    """The comment, under 60,000 characters."""
    attention = [cell for cell in comparison.cells if cell.verdict not in ("fine", "accepted")]
    others = [cell for cell in comparison.cells if cell.verdict in ("fine", "accepted")]
    blocks = [MARKER, f"## {headline(comparison)}", basis(comparison)]
    problems = [f"- {in_markdown_code(problem.reason)}" for problem in comparison.problems]
    blocks += _lines(problems, MOST_FOR_PROBLEMS)
    if attention:
        blocks.append(_table(attention, comparison, MOST_FOR_ATTENTION))
    if others:
        blocks.append(
            f"<details><summary>{len(others)} verdicts without regression</summary>\n\n"
            f"{_table(others, comparison, MOST_FOR_OTHERS)}\n\n</details>"
        )
    blocks += _lines([f"- {in_markdown_code(note)}" for note in comparison.notes], MOST_FOR_NOTES)
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
        f"| {cell.verdict} | {in_markdown_code(cell.cell_id)} | {cell.quantity} | {_figures(cell)} "
        f"| {change(cell)} | {interval(cell)} | {in_markdown_code(cell.reason)} |"
        for cell in cells
    ]
    return _rows_within([head, "|---|---|---|---:|---:|---:|---|---|"], rows, most)


def _figures(cell: CellVerdict) -> str:
    return " | ".join(figure(cell.quantity, value) for value in (cell.base_value, cell.head_value))


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(in_markdown_code(text) for text in texts)} |"


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
