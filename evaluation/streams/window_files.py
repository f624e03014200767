"""Tables of scored windows: which trial, from where to where, and the score; empty in silence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.data.delimited import csv_line, read_rows
from fakemamba.data.text_lines import at_line
from fakemamba.evaluation.streams.windowing import Windowing
from fakemamba.files import atomic_write, file_sha256
from fakemamba.records import in_part, read_record

WINDOWS_SUFFIX = ".windows.csv"
COLUMNS = ("trial_id", "start_s", "end_s", "score")
AGAIN = "write it again with: fakemamba score --windows"


@in_part
@dataclass(frozen=True)
class WindowsMade:
    """How a table was made.

    Attributes:
        windowing: windows, and the rule of the scores beside it.
        detector: name of what was scored with.
        checkpoint: its weights.
    """

    windowing: Windowing
    detector: str
    checkpoint: str


@in_part
@dataclass(frozen=True)
class _Told:
    windows: str
    settings: WindowsMade


class WindowFileError(ValueError):
    """A table of windows cannot be used; the message names the file, the line and the remedy."""


def write_windows(
    path: str | Path, windows: Iterable[tuple[str, Sequence[Sequence[float]] | Any]]
) -> None:
    """Write a table, all or none.

    Args:
        path: the file.
        windows: of each trial its name, and (windows, 3) start and end in seconds and score, NaN
            where there is none.
    """
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line(COLUMNS))
        for name, rows in windows:
            for start_s, end_s, score in rows:
                text = None if math.isnan(score) else f"{score:.9g}"
                file.write(csv_line((name, f"{start_s:.9g}", f"{end_s:.9g}", text)))


def read_windows(path: str | Path) -> pd.DataFrame:
    """Read a table: ``trial_id``, ``start_s``, ``end_s`` and ``score``, which is NaN in silence.

    Rows of a trial stand together, by their ends.

    Raises:
        WindowFileError: no such file, other columns, a line that cannot be used, or windows of a
            trial that stand apart or not in their order.
    """
    path = Path(path)
    rows = read_rows(path, WindowFileError)
    first = next(rows, None)
    if first is None or tuple(first[1]) != COLUMNS:
        raise WindowFileError(
            f"{path}: not a table of windows, whose first line is {','.join(COLUMNS)}; {AGAIN}"
        )
    ids: list[str] = []
    numbers: list[tuple[float, float, float]] = []
    seen: set[str] = set()
    for number, fields, line in rows:
        place = at_line(path, number, line)
        name, *texts = fields
        try:
            start_s, end_s, score = (float(text or "nan") for text in texts)
        except ValueError:
            raise WindowFileError(f"{place}: three numbers are expected; {AGAIN}") from None
        if not 0 <= start_s < end_s < math.inf or math.isinf(score) or not name:
            raise WindowFileError(f"{place}: no window of a trial is so; {AGAIN}")
        if not ids or name != ids[-1]:
            if name in seen:
                raise WindowFileError(f"{place}: windows of {name} stand apart; {AGAIN}")
            seen.add(name)
        elif end_s <= numbers[-1][1]:
            raise WindowFileError(f"{place}: windows of {name} are not in their order; {AGAIN}")
        ids.append(name)
        numbers.append((start_s, end_s, score))
    if not ids:
        raise WindowFileError(f"{path}: there are no windows in it; {AGAIN}")
    table = pd.DataFrame(np.array(numbers), columns=list(COLUMNS[1:]))
    table.insert(0, "trial_id", pd.Series(ids, dtype="object"))
    return table


def read_made(path: str | Path) -> WindowsMade:
    """How a table was made, as the file beside its scores says.

    Raises:
        WindowFileError: there is none, or it is of another table.
    """
    path = Path(path)
    name = path.name.removesuffix(WINDOWS_SUFFIX)
    beside = path.with_name(f"{name}.json")
    told = read_record(
        beside, _Told, WindowFileError, f"it tells how {path.name} was made; {AGAIN}"
    )
    if told.windows != file_sha256(path):
        raise WindowFileError(f"{beside} is of another table than {path} is now; {AGAIN}")
    return told.settings
