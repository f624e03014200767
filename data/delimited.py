"""Rows of a table in a text file, whatever parts its columns; and lines of CSV that come back.

Keys, manifests, score files and lists of speaker verification are all parted here. Columns are
parted by tabs, semicolons, commas or blanks, and a value may be in double quotes, as R and pandas
write it: then it can hold all of these, and between marks also line ends.

Long tables are read in blocks of rows, by column (`read_blocks`), as what is done row by row in
Python takes most of the time of 600,000 of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from fakemamba.data.text_lines import at_line, is_ended, listed, read_lines

MARKS = "\t;,"
QUOTED = re.compile(r'"[^"]*"')
BY_BLANKS = re.compile(r'"((?:[^"]|"")*)"(?=\s|$)|(\S+)')
NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$')

ROWS_AT_ONCE = 512  # enough that what is done once a block costs little, few enough for the cache
ROW_END = "\0"  # no text has it
MOST_WORDS = 10_000  # that are kept of a column

Rows = Iterator[tuple[int, list[str], str]]
Word = TypeVar("Word", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a table that follow each other, by column.

    ``columns`` are of equal length (rows,), ``numbers`` (rows,) are those of the rows' first lines.
    ``line`` is the last line with its end; a row whose line has none is a block of its own.
    """

    columns: Sequence[Sequence[Any]]
    numbers: Sequence[int]
    line: str = "\n"

    def converted(
        self,
        convert: Callable[[Block], Value],
        fault: type[ValueError],
        told: Callable[[Block, ValueError], ValueError],
    ) -> Value:
        """What is made of this block, or an error of the first row that cannot be used.

        Args:
            convert: makes it. That a row cannot be used it may say as if it were the only one: it
                is asked again row by row.
            fault: what it raises of such a row.
            told: the error that says so, given a block of this row and what was raised.
        """
        try:
            return convert(self)
        except fault as found:
            if len(self.numbers) == 1:
                raise told(self, found) from found
            for at, number in enumerate(self.numbers):
                row = [column[at : at + 1] for column in self.columns]
                Block(row, [number], self.line).converted(convert, fault, told)
            raise


class Words(dict[Word, Value], Generic[Word, Value]):
    """What the words of a column stand for: found once for each, as most are there many times."""

    def __init__(self, meaning: Callable[[Word], Value]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, word: Word) -> Value:
        if len(self) >= MOST_WORDS:  # it is no column of words
            self.clear()
        return self.setdefault(word, self._meaning(word))

    def of(self, column: Sequence[Word]) -> list[Value]:
        """The meaning of each word (rows,)."""
        return list(map(self.__getitem__, column))


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
    yield from _rows(path, error, lines, _mark(lines, has_blanks))


def read_blocks(
    path: str | Path,
    error: type[ValueError],
    uneven: str,
    has_blanks: Callable[[list[str]], bool] = lambda fields: False,
) -> Iterator[Block]:
    """Yield the rows of `read_rows` in blocks, the first row by itself; all are equally wide.

    Args:
        path: a text file, plain or gzip-compressed.
        error: what is raised of it.
        uneven: what is told of another width: why it is one, with ``{width}`` for the first row's,
            and the remedy.
        has_blanks: as for `read_rows`.

    Raises:
        error: as `read_rows`; a row of another width.
    """
    lines = _Lines(read_lines(path, error))
    mark = _mark(lines, has_blanks)
    rows = _rows(path, error, lines, mark)
    first = next(rows, None)
    if first is None:
        return
    number, fields, line = first
    width = len(fields)
    yield Block([[field] for field in fields], [number], line)
    while taken := lines.take(ROWS_AT_ONCE):
        columns = _columns("".join(taken), len(taken), width, mark)
        if columns is None:
            lines.put_back(taken)
            break
        yield Block(columns, range(lines.number - len(taken) + 1, lines.number + 1))
    # From the first block on that is not plain, such as one with quotes or blank lines.
    held: list[tuple[int, list[str]]] = []
    try:
        for number, fields, line in rows:
            is_alone = len(fields) != width or not is_ended(line)
            if held and (is_alone or len(held) == ROWS_AT_ONCE):
                yield _block(held)
                held = []
            if len(fields) != width:
                told = uneven.format(width=width)
                raise error(f"{at_line(path, number, line)}: {len(fields)} columns, but {told}")
            if is_alone:
                yield Block([[field] for field in fields], [number], line)
            else:
                held.append((number, fields))
    except error:  # what is before it is given first
        if held:
            yield _block(held)
        raise
    if held:
        yield _block(held)


def csv_line(values: Iterable[Any]) -> str:
    """A line of CSV, with its end, that `read_rows` gives back as it was; None is empty."""
    # csv.writer leaves a carriage return bare before Python 3.13, and blanks at an end always.
    return ",".join(_quoted("" if value is None else str(value)) for value in values) + "\n"


class Once:
    """Finds a row that is there twice."""

    def __init__(self, path: str | Path, error: type[ValueError]) -> None:
        self._path, self._error = path, error
        self._lines: dict[tuple[str, ...], int] = {}

    def check(self, identity: Sequence[str], number: int, line: str) -> None:
        """Look at the next row.

        Args:
            identity: the fields that no two rows have in common; none: any row may come again.
            number: of its line.
            line: with its end.

        Raises:
            error: a row with these fields was there before.
        """
        first = self._lines.setdefault(tuple(identity), number)
        if identity and first != number:
            raise self._error(
                f"{at_line(self._path, number, line)}: {listed([' '.join(identity)])} is there "
                f"already, in line {first}; keep one row of each trial"
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

    def take(self, count: int) -> list[str]:
        """So many lines, or those that are left."""
        taken = list(islice(self._lines, count))
        self.number += len(taken)
        return taken

    def put_back(self, lines: Sequence[str]) -> None:
        """Lines that were asked for last, to come again."""
        self._lines = chain(lines, self._lines)
        self.number -= len(lines)


def _mark(lines: _Lines, has_blanks: Callable[[list[str]], bool]) -> str | None:
    """What parts the columns, by the first line that is not blank, the next; None is blanks."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return None
    lines.put_back([first])
    if has_blanks(_parted_by_blanks(first)):
        return None
    bare = QUOTED.sub('""', first).strip()
    mark = next((mark for mark in MARKS if mark in bare), None)
    return "," if mark is None and len(bare.split()) == 1 else mark


def _rows(path: str | Path, error: type[ValueError], lines: _Lines, mark: str | None) -> Rows:
    """The rows of lines, which may also be taken by others between two rows."""
    if mark is None:
        for line in lines:
            if fields := _parted_by_blanks(line):
                yield lines.number, fields, line
        return
    rows = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=True)
    number = lines.number + 1
    try:
        for fields in rows:
            if len(fields) > 1 or "".join(fields).strip():
                yield number, fields, lines.last
            number = lines.number + 1
    except csv.Error as fault:
        place = at_line(path, lines.number, lines.last)
        raise error(f"{place}: {fault}; mend the quotes") from fault


def _columns(text: str, rows: int, width: int, mark: str | None) -> list[list[str]] | None:
    """The columns of so many whole lines; None if they are not plain, so not to be parted at once.

    Plain are lines without quotes, all of one width, whose marks have no blanks behind them.
    """
    if '"' in text or not is_ended(text):
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if mark is None:
        fields = text.replace("\n", f" {ROW_END} ").split()
    elif text.startswith(" ") or "\n " in text or f"{mark} " in text:
        return None
    else:
        fields = text.replace("\n", f"{mark}{ROW_END}{mark}").split(mark)
        del fields[-1]  # behind the last mark
        if width == 1 and not all(map(str.strip, fields)):  # a blank line
            return None
        longest = csv.field_size_limit()
        if len(text) > longest and len(max(fields, key=len)) > longest:
            return None
    step = width + 1
    if len(fields) != rows * step or fields[width::step].count(ROW_END) != rows:
        return None
    return [fields[at::step] for at in range(width)]


def _block(rows: Sequence[tuple[int, list[str]]]) -> Block:
    numbers, fields = zip(*rows, strict=True)
    return Block(list(zip(*fields, strict=True)), numbers)


def _parted_by_blanks(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    found = BY_BLANKS.finditer(line)
    return [one[2] if one[1] is None else one[1].replace('""', '"') for one in found]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text
