"""Score files: which trial got which score, higher meaning more bona fide.

ASVspoof's text has a line ``id score`` a trial; older and other official code puts more columns
around them. CSV and ASVspoof 5's table name their columns in the first line. Speech DF Arena's text
has the recording's path for the id. Reading tells them apart by the first line.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from fakemamba.data.delimited import Block, csv_line, read_blocks, read_rows
from fakemamba.data.text_lines import CutGuard, at_line, numbers_or_none
from fakemamba.evaluation.score_columns import (
    MARKS,
    ColumnsError,
    NoScoresError,
    find_columns,
    is_text_line,
    why_not,
)
from fakemamba.files import atomic_write

SCORE_FORMATS = ("asvspoof", "csv", "arena")
LONGEST_ID = 10_000  # characters; no path is longer
QUOTE_AND_BOM = '"\ufeff'
SHOWN = 80  # characters of what is wrong
NO_SCORES = "no scores in it; score the corpus again"


class ScoreFileError(ValueError):
    """A score file cannot be used; the message names the file, the line and the remedy."""


class _RowError(ValueError):
    """A row cannot be used; the message says why not."""


def read_scores(
    path: str | Path, score_column: str | None = None, id_column: str | None = None
) -> pd.DataFrame:
    """Read a score file, plain or gzip-compressed, in whichever form it is.

    The forms are ``id score``; ``id score label`` and ``id label score``; ``id attack key score``
    (ASVspoof 2019); ``speaker id score key`` (ASVspoof 5's baselines); ``path score`` (Speech DF
    Arena); and columns named by the first line, parted by commas, semicolons, tabs or blanks: an id
    (``trial_id``, ``utt_id``, ``filename``, ...) and a score (``score`` or ``cm-score``). Ids are
    given as they are written, the ending of an audio file with them: `coverage.join` knows of it.

    Args:
        path: the file.
        score_column: name of the column of the scores, or its number from 1.
        id_column: the same of the ids.

    Returns:
        A table of ``trial_id`` (text) and ``score`` (float64), a row a line, in the file's order.
        An id may be there twice, and a score may be NaN: whether that is in order depends on the
        key.

    Raises:
        ScoreFileError: no such file, no scores, several columns that could be scores, a line that
            cannot be used, or a last line that may be cut.
    """
    path = Path(path)
    ids: list[str] = []
    scores = array("d")
    blocks = read_blocks(
        *(path, ScoreFileError, "the lines before have {width}; write the scores again"),
        lambda row: is_text_line(row, score_column, id_column),
    )
    first = next(blocks, None)
    if first is None:
        raise ScoreFileError(f"{path}: {NO_SCORES}")
    fields = [field for (field,) in first.columns]
    try:
        columns = find_columns(fields, score_column, id_column)
    except ColumnsError as fault:
        what = str(fault)
        if isinstance(fault, NoScoresError):
            rows = read_rows(path, ScoreFileError)
            what = why_not(fields, (others for _, others, _ in islice(rows, 1, None)))
        raise ScoreFileError(f"{path}, line {first.numbers[0]}: {what}") from fault
    guard = CutGuard(path, ScoreFileError)

    def values(block: Block) -> list[float]:
        texts = block.columns[columns.score]
        if not all(block.columns[columns.trial_id]):
            raise _RowError("the id is empty")
        found = numbers_or_none(texts)
        if found is None:
            raise _RowError(f"{texts[0][:SHOWN]!r} is not a number")
        return found

    def told(row: Block, fault: ValueError) -> ValueError:
        place = at_line(path, row.numbers[0], row.line)
        return ScoreFileError(f"{place}: {fault}; write the scores again")

    for block in blocks if columns.named else chain([first], blocks):
        scores.extend(block.converted(values, _RowError, told))
        ids += block.columns[columns.trial_id]
        if columns.score == columns.width - 1:
            *before, last = block.columns[columns.score]
            guard.pass_over(before)
            guard.check(last, block.numbers[-1], block.line)
    if not ids:
        raise ScoreFileError(f"{path}: {NO_SCORES}")
    return pd.DataFrame({"trial_id": pd.Series(ids, dtype="object"), "score": np.array(scores)})


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
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        if score_format == "csv":
            file.write(csv_line(("trial_id", "score")))
        to_line = csv_line if score_format == "csv" else _text_line
        for trial_id, score in scores:
            check_id(trial_id, score_format)
            file.write(to_line((trial_id, f"{score:.9g}")))


def check_id(trial_id: str, score_format: str) -> None:
    """Refuse an id that would not be read back as it is from a score file of a format.

    Raises:
        ScoreFileError: it is empty, or has what parts columns in text, or what is no text.
    """
    try:
        trial_id.encode()
    except UnicodeEncodeError as fault:
        raise ScoreFileError(
            f"{trial_id[:SHOWN]!r} is not UTF-8 and cannot stand in a score file; rename it, or "
            "give it a trial_id in a manifest"
        ) from fault
    if not trial_id or "\0" in trial_id or len(trial_id) > LONGEST_ID:
        raise ScoreFileError(
            f"{trial_id[:SHOWN]!r} cannot stand in a score file: an id has 1 to {LONGEST_ID:,} "
            "characters, none of them NUL; give it another trial_id in a manifest"
        )
    if score_format == "csv":
        return
    shown = repr(trial_id[:SHOWN])
    wrong = None
    if trial_id.split() != [trial_id]:
        wrong = "has a blank in it"
    elif trial_id[0] in QUOTE_AND_BOM:
        wrong = "begins with a quote or a byte order mark"
    elif trial_id.endswith(MARKS):
        wrong = f"ends in {trial_id[-1]!r}"
    if wrong is not None:
        raise ScoreFileError(
            f"{shown} cannot stand in a line `id score`: {shown} {wrong}, which parts columns or "
            "is lost; write the scores as csv"
        )


def _text_line(fields: Sequence[str]) -> str:
    return " ".join(fields) + "\n"
