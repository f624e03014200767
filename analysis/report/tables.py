"""Tables of the page: records to rows, with what is the same in all rows said once above them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakemamba.analysis.report.words import UNKNOWN, is_known, number

Record = Mapping[Any, Any]


@dataclass(frozen=True)
class Field:
    """A column that a table may have.

    Attributes:
        title: its head, with the unit.
        value: a record's value: a number, a string, or None, as which an empty string is shown; or
            the key that it has in the record.
        scale: what a number is multiplied by.
        is_key: the column stays where all values are equal.
        mark: whether the value names a verdict or status, to be drawn as one.
    """

    title: str
    value: str | Callable[[Record], Any]
    scale: float = 1.0
    is_key: bool = False
    mark: bool = False

    def of(self, record: Record) -> TableCell:
        """A record's cell of this column."""
        value = self.value(record) if callable(self.value) else record.get(self.value)
        if not is_known(value) or value == "":
            return TableCell(UNKNOWN, None)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return TableCell(str(value), None)
        return TableCell(number(float(value) * self.scale), float(value) * self.scale)


@dataclass(frozen=True)
class TableCell:
    """What is shown, and the number that it is sorted by; words are sorted as words."""

    text: str
    order: float | None


@dataclass(frozen=True)
class Table:
    """A table whose cells are strings already.

    Attributes:
        name: unique on the page.
        caption: what it lists.
        fields: the columns that are shown.
        rows: a cell a column.
        common: title and value of what is the same in all rows, and not shown as a column.
    """

    name: str
    caption: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    common: tuple[tuple[str, str], ...]

    def is_numeric(self, column: int) -> bool:
        """Whether a column's values are numbers, and are set to the right."""
        return any(row[column].order is not None for row in self.rows)


def tabulate(name: str, caption: str, fields: Sequence[Field], records: Iterable[Record]) -> Table:
    """Records as a table, without columns that say nothing about the difference of two rows."""
    rows = [tuple(field.of(record) for field in fields) for record in records]
    shown, common = [], []
    for column, field in enumerate(fields):
        texts = {row[column].text for row in rows}
        if len(texts) > 1 or (field.is_key and texts != {UNKNOWN}):
            shown.append(column)
        elif texts and texts != {UNKNOWN}:
            common.append((field.title, texts.pop()))
    return Table(
        name,
        caption,
        tuple(fields[column] for column in shown),
        tuple(tuple(row[column] for column in shown) for row in rows),
        tuple(common),
    )
