"""Lines of a text file, plain or gzip-compressed, one at a time, or an error that says why not."""

from __future__ import annotations

import gzip
import io
import math
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from fakemamba.files import require_file

GZIP_MAGIC = b"\x1f\x8b"
LINE_ENDS = ("\n", "\r")
LONGEST_LINE = 2**20  # characters: what has more is no table, and memory must not grow with it
SHOWN = 80  # characters of what is wrong
MOST_LISTED = 300  # and of names that there are

# Digits are ASCII and stand alone: float() also takes 1_0, blanks and the digits of any script.
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
OF_DECIMALS = b"0123456789+-.eE"  # float() takes nothing else of these than DECIMAL does
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

WITNESSES = 10  # numbers before the last one that show how many decimals it should have
DECIMALS = re.compile(r"[+-]?[0-9]+\.([0-9]{3,})")  # fewer can be alike by chance


def read_lines(path: str | Path, error: type[ValueError]) -> Iterator[str]:
    """Yield the lines of a file with their line ends as they are; a BOM goes.

    Lines are read as they are asked for, so memory does not grow with the file. Compression is told
    by the file's first bytes, not by its name.

    Args:
        path: a UTF-8 text file, or one compressed by gzip.
        error: what is raised of it.

    Raises:
        error: no file, an empty one, one that is not text, a line of over a million characters, a
            broken gzip file.
    """
    path = Path(path)
    require_file(path, error)
    number = 0
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if compressed else path.open("rb") as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            lines = iter(partial(text.readline, LONGEST_LINE), "")
            for number, line in enumerate(lines, 1):
                if len(line) == LONGEST_LINE:
                    raise error(
                        f"{path}, line {number}: over {LONGEST_LINE:,} characters; name a text "
                        "file with a row a line"
                    )
                if "\0" in line:
                    raise error(f"{path}, line {number}: not text but binary; name a text file")
                yield line
    except UnicodeDecodeError as fault:
        raise error(
            f"{path}, after line {number}: not UTF-8 text ({fault.reason}); name a text file, or "
            "save it as UTF-8"
        ) from fault
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise error(
            f"{path}, after line {number}: the gzip file is broken ({fault}); fetch it again"
        ) from fault
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror or fault}") from fault
    if number == 0:
        raise error(f"{path}: the file is empty; fetch or write it again")


def at_line(path: str | Path, number: int, line: str) -> str:
    """Where an error message begins: file, line and, if the line has no end, that it is cut."""
    cut = "" if is_ended(line) else " (the file ends in the middle of it; fetch it again)"
    return f"{path}, line {number}{cut}"


def is_ended(line: str) -> bool:
    """Whether a line has its end, which only the last line of a file can lack."""
    return line.endswith(LINE_ENDS)


def listed(names: Iterable[str]) -> str:
    """Names from a file, for a message: one line that is not too long, whatever is in them."""
    text = ", ".join(names)
    text = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[:MOST_LISTED])
    return text if len(text) < MOST_LISTED else f"{text[:MOST_LISTED]}…"


def number_or_none(text: str) -> float | None:
    """The number that a text is, NaN and infinity only as words; None for all else, as 1e400."""
    if DECIMAL.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    return float(text) if NOT_FINITE.fullmatch(text) else None


def numbers_or_none(texts: Sequence[str]) -> list[float] | None:
    """The numbers that texts are, each as `number_or_none` has it; None if one of them is none."""
    if not "".join(texts).encode().translate(None, OF_DECIMALS):
        try:
            values = list(map(float, texts))
        except ValueError:
            return None
        return values if all(map(math.isfinite, values)) else None
    found = list(map(number_or_none, texts))
    return None if None in found else cast("list[float]", found)


def finite_number(text: str, what: str, place: str, error: type[ValueError]) -> float:
    """The number that a column holds.

    Args:
        text: the column.
        what: its name, for the message.
        place: file and line.
        error: what is raised of it.

    Raises:
        error: it is no number, NaN or infinite.
    """
    value = number_or_none(text)
    if value is None or not math.isfinite(value):
        raise error(f"{place}: {what} {text[:SHOWN]!r} is not a finite number; mend the line")
    return value


class CutGuard:
    """Finds the number at the end of a file that may have lost digits, as in a cut download.

    Most programs end every line. A last line without an end is taken as whole only if its number
    has as many decimals, three or more, as each of the ten before it: a fixed number of them.
    """

    def __init__(self, path: str | Path, error: type[ValueError]) -> None:
        self._path, self._error = path, error
        self._before: deque[str] = deque(maxlen=WITNESSES)

    def pass_over(self, texts: Sequence[str]) -> None:
        """Take numbers as they are: their lines have ends."""
        self._before.extend(texts[-WITNESSES:])

    def check(self, text: str, number: int, line: str) -> None:
        """Look at the next number of a column.

        Args:
            text: the number.
            number: of its line.
            line: with its end.

        Raises:
            error: digits may be missing.
        """
        if not is_ended(line) and line.endswith(text) and not self._is_like_all(text):
            raise self._error(
                f"{at_line(self._path, number, line)}: it may have lost digits of "
                f"{text[:SHOWN]!r}; if it is whole, end the line"
            )
        self._before.append(text)

    def _is_like_all(self, text: str) -> bool:
        found = [DECIMALS.fullmatch(one) for one in (text, *self._before)]
        lengths = {0 if one is None else len(one[1]) for one in found}
        return len(self._before) == WITNESSES and len(lengths) == 1 and 0 not in lengths
