"""Lines of a text file, plain or gzip-compressed, one at a time, or an error that says why not."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: str | Path, error: type[ValueError]) -> Iterator[str]:
    """Yield the lines of a file with their line ends as ``\\n``; Windows' ends and a BOM go.

    Lines are read as they are asked for, so memory does not grow with the file. Compression is told
    by the file's first bytes, not by its name.

    Args:
        path: a UTF-8 text file, or one compressed by gzip.
        error: what is raised of it.

    Raises:
        error: no such file, a folder, an empty file, one that is not text, a broken gzip file.
    """
    path = Path(path)
    if path.is_dir():
        raise error(f"{path} is a folder; name a file in it")
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    number = 0
    try:
        with gzip.open(path) if compressed else path.open("rb") as stream:
            for line in io.TextIOWrapper(stream, encoding="utf-8-sig"):
                number += 1
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
    if number == 0:
        raise error(f"{path}: the file is empty; fetch or write it again")


def at_line(path: str | Path, number: int, line: str) -> str:
    """Where an error message begins: file, line and, if the line has no end, that it is cut."""
    cut = "" if line.endswith("\n") else " (the file ends in the middle of it; fetch it again)"
    return f"{path}, line {number}{cut}"


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
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise error(f"{place}: {what} {text!r} is not a finite number; mend the line")
    return value
