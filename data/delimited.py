"""Rows of a table in a text file, whatever parts its columns; and lines of CSV that come back.

Keys, manifests, score files and lists of speaker verification are all parted here. Columns are
parted by tabs, semicolons, commas or blanks, and a value may be in double quotes, as R and pandas
write it: then it can hold all of these, and between marks also line ends.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from fakemamba.data.text_lines import at_line, read_lines

MARKS = "\t;,"
QUOTED = re.compile(r'"[^"]*"')
BY_BLANKS = re.compile(r'"((?:[^"]|"")*)"(?=\s|$)|(\S+)')
NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$')

Rows = Iterator[tuple[int, list[str], str]]


def read_rows(
    path: str | Path,
    error: type[ValueError],
    has_blanks: Callable[[list[str]], bool] = lambda fields: False,
) -> Rows:
    """Yield the number of a row's first line, its fields, and its last line with its end.

    Blank lines are passed over. Rows may differ in the number of their fields.

    Args:
        path: a text file, plain or gzip-compressed.
        error: what is raised of it.
        has_blanks: whether the first row, parted by blanks, is that of a file that has blanks
            between its columns, although there are other marks in it, as in ``a,b 1.5``.

    Raises:
        error: as `read_lines`; quotes that are not closed.
    """
    lines = _Lines(read_lines(path, error))
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    mark = None if has_blanks(_parted_by_blanks(first)) else _mark(first)
    if mark is None:
        for line in chain([first], lines):
            if fields := _parted_by_blanks(line):
                yield lines.number, fields, line
        return
    rows = csv.reader(chain([first], lines), delimiter=mark, skipinitialspace=True, strict=True)
    number = lines.number
    try:
        for fields in rows:
            if len(fields) > 1 or "".join(fields).strip():
                yield number, fields, lines.last
            number = lines.number + 1
    except csv.Error as fault:
        place = at_line(path, lines.number, lines.last)
        raise error(f"{place}: {fault}; mend the quotes") from fault


def csv_line(values: Iterable[Any]) -> str:
    """A line of CSV, with its end, that `read_rows` gives back as it was; None is empty."""
    # csv.writer leaves a carriage return bare before Python 3.13, and blanks at an end always.
    return ",".join(_quoted("" if value is None else str(value)) for value in values) + "\n"


class Once:
    """Finds a row that is there twice."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, ...], int] = {}

    def check(
        self, identity: Sequence[str], number: int, place: str, error: type[ValueError]
    ) -> None:
        """Look at the next row.

        Args:
            identity: the fields that no two rows have in common; none: any row may come again.
            number: its line.
            place: file and line.
            error: what is raised of it.

        Raises:
            error: a row with these fields was there before.
        """
        first = self._lines.setdefault(tuple(identity), number)
        if identity and first != number:
            raise error(
                f"{place}: {' '.join(identity)} is there already, in line {first}; keep one row of "
                "each trial"
            )


class _Lines:
    """Lines, how many were asked for, and the last of them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        self.number += 1
        return self.last


def _mark(first: str) -> str | None:
    """What parts the columns of a file with this first line; None is blanks."""
    bare = QUOTED.sub('""', first).strip()
    mark = next((mark for mark in MARKS if mark in bare), None)
    return "," if mark is None and len(bare.split()) == 1 else mark


def _parted_by_blanks(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    found = BY_BLANKS.finditer(line)
    return [one[2] if one[1] is None else one[1].replace('""', '"') for one in found]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text
