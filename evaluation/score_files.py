"""Score files: which trial got which score, higher meaning more bona fide.

ASVspoof's text has a line ``id score`` a trial; older and other official code puts more columns
around them. CSV and ASVspoof 5's table name their columns in the first line. Speech DF Arena's text
has the recording's path for the id. Reading tells them apart by the first line.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import pandas as pd

from fakemamba.data.text_lines import at_line, read_lines
from fakemamba.data.trials import LABELS, without_ending
from fakemamba.files import appearing_whole

SCORE_FORMATS = ("asvspoof", "csv", "arena")
ID_COLUMNS = ("trial_id", "filename", "file_name", "file", "path")
LABEL_COLUMNS = ("label", "cm-label")
SCORE_COLUMNS = ("score", "cm-score", "cm_score")


class ScoreFileError(ValueError):
    """A score file cannot be used; the message names the file, the line and the remedy."""


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a score file, plain or gzip-compressed, in whichever form it is.

    The forms are ``id score``; ``id attack key score`` (ASVspoof 2019); ``speaker id score key``
    (ASVspoof 5's baselines); ``path score`` (Speech DF Arena); and columns named by the first line,
    separated by commas, tabs or blanks: an id (``trial_id``, ``filename``, ...) and a score
    (``score`` or ``cm-score``). The ending of an audio file is no part of an id.

    Returns:
        A table of ``trial_id`` (text) and ``score`` (float64), a row a line, in the file's order.
        An id may be there twice, and a score may be NaN: whether that is in order depends on the
        key.

    Raises:
        ScoreFileError: no such file, no scores, or a line that cannot be used.
    """
    path = Path(path)
    split: Callable[[str], Sequence[str]] = str.split
    ids: list[str] = []
    scores: list[float] = []
    where = None
    for number, line in enumerate(read_lines(path, ScoreFileError), 1):
        fields = split(line)
        if not fields:
            continue
        if where is None:
            split = _splitter(line)
            fields = split(line)
            width, where, named = _columns(fields, f"{path}, line {number}")
            if named:
                continue
        try:
            if len(fields) != width:
                raise ValueError(f"{len(fields)} columns, but the lines before have {width}")
            ids.append(without_ending(fields[where[0]]))
            scores.append(_score(fields[where[1]]))
        except ValueError as fault:
            place = at_line(path, number, line)
            raise ScoreFileError(f"{place}: {fault}; write the scores again") from fault
    if not ids:
        raise ScoreFileError(f"{path}: no scores in it; score the corpus again")
    return pd.DataFrame({"trial_id": pd.Series(ids, dtype="object"), "score": scores})


def write_scores(
    path: str | Path, scores: Iterable[tuple[str, float]], score_format: str = "asvspoof"
) -> None:
    """Write scores one after the other, all or none, so that float32 comes back as it was.

    Args:
        path: the file.
        scores: of each trial its id and its score; for ``arena``, the recording's path as the
            protocol has it, instead of the id.
        score_format: ``asvspoof`` (``id score``), ``csv`` (with the names trial_id and score), or
            ``arena`` (``path score``, as Speech DF Arena's toolkit writes and reads it).

    Raises:
        ScoreFileError: no such format, or an id that the format cannot hold.
    """
    if score_format not in SCORE_FORMATS:
        known = ", ".join(SCORE_FORMATS)
        raise ScoreFileError(f"no score format is called {score_format!r}, but {known} are")
    write = _write_csv if score_format == "csv" else _write_text
    with appearing_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        write(file, scores)


def _write_csv(file: IO[str], scores: Iterable[tuple[str, float]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("trial_id", "score"))
    writer.writerows((trial_id, f"{score:.9g}") for trial_id, score in scores)


def _write_text(file: IO[str], scores: Iterable[tuple[str, float]]) -> None:
    for trial_id, score in scores:
        if len(trial_id.split()) != 1:
            raise ScoreFileError(
                f"{trial_id!r} cannot stand in a line `id score`, as a blank parts the columns; "
                "write the scores as csv"
            )
        file.write(f"{trial_id} {score:.9g}\n")


def _splitter(first: str) -> Callable[[str], Sequence[str]]:
    """What parts a line into columns: commas with quotes, or blanks and tabs."""
    if "," in first:
        return lambda line: next(csv.reader([line]))
    return str.split


def _columns(fields: Sequence[str], place: str) -> tuple[int, tuple[int, int], bool]:
    """How many columns there are, which are id and score, and whether the first line names them."""
    ids, scores = (
        [fields.index(name) for name in names if name in fields]
        for names in (ID_COLUMNS, SCORE_COLUMNS)
    )
    if ids and scores:
        return len(fields), (ids[0], scores[0]), True
    width = len(fields)
    labelled = [field in LABELS or field in LABEL_COLUMNS for field in fields]
    if width == 2 and not labelled[1]:
        return width, (0, 1), False
    if width == 4 and labelled[2]:
        return width, (0, 3), False
    if width == 4 and labelled[3]:
        return width, (1, 2), False
    what = "this is a key" if any(labelled) else f"{width} columns"
    raise ScoreFileError(
        f"{place}: {what}, but a score file has lines `id score`, or a first line that names the "
        "columns trial_id,score"
    )


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
