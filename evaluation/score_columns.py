"""Which columns of a score file are the ids and the scores, told by its first line or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from fakemamba.data.protocols import is_key_line, is_number
from fakemamba.data.trials import LABELS

ID_COLUMNS = ("trial_id", "utt_id", "filename", "file_name", "file", "path")
LABEL_COLUMNS = ("label", "cm-label")
SCORE_COLUMNS = ("score", "cm-score", "cm_score")
MARKS = (",", ";")

# What lines without names have after the first column -> where id and score are.
SHAPES = {
    ("number",): (0, 1),
    ("number", "label"): (0, 1),
    ("label", "number"): (0, 2),
    ("", "label", "number"): (0, 3),  # ASVspoof 2019: the attack is between them
    ("label", "label", "number"): (0, 3),  # of a bona fide trial the attack may be called so
    ("", "number", "label"): (1, 2),  # ASVspoof 5's baselines: a speaker, then the id
    ("number", "number", "label"): (1, 2),  # the same, and the id is a number
}


class ColumnsError(ValueError):
    """No columns are the ids and the scores, or several; the message says what is there."""


class NoScoresError(ColumnsError):
    """No column is known to be of scores, and none was named."""


@dataclass(frozen=True)
class ScoreColumns:
    """How many columns there are, where ids and scores are, and whether line 1 names them."""

    width: int
    trial_id: int
    score: int
    named: bool


def find_columns(
    first: Sequence[str], score_column: str | None, id_column: str | None
) -> ScoreColumns:
    """Find the columns by the first line.

    Args:
        first: its fields.
        score_column: name of a column, or its number from 1; None: as it is called or looks.
        id_column: the same of the ids.

    Raises:
        NoScoresError: nothing says which the scores are.
        ColumnsError: there is no such column, none for the ids, or several for the scores.
    """
    names = [field.strip() for field in first]
    chosen = {one for one in (score_column, id_column) if one is not None and not one.isdigit()}
    known = {*ID_COLUMNS, *SCORE_COLUMNS, *LABEL_COLUMNS}
    named = bool(chosen & {*names}) or (bool(known & {*names}) and not any(map(is_number, names)))
    score = None if score_column is None else _place(score_column, names, named)
    trial_id = None if id_column is None else _place(id_column, names, named)
    if named:
        ids = [names.index(name) for name in ID_COLUMNS if name in names]
        scores = [place for place, name in enumerate(names) if name in SCORE_COLUMNS]
    else:
        shape = SHAPES.get(tuple(map(_kind, names[1:])))
        ids = [shape[0] if shape else 0]
        scores = [shape[1]] if shape else []
    if trial_id is None:
        if not ids:
            if score is None and not scores:
                raise NoScoresError
            raise ColumnsError(f"no column of ids among {', '.join(names)}: name it by --id-column")
        trial_id = ids[0]
    if score is None:
        if len(scores) > 1:
            listed = ", ".join(names[place] for place in scores)
            raise ColumnsError(f"several columns of scores, {listed}: choose by --score-column")
        if not scores:
            raise NoScoresError
        score = scores[0]
    if score == trial_id:
        raise ColumnsError("the same column would be the ids and the scores")
    return ScoreColumns(len(names), trial_id, score, named)


def is_text_line(
    first: Sequence[str], score_column: str | None = None, id_column: str | None = None
) -> bool:
    """Whether a line that was parted by blanks is one of scores, marks in it or not."""
    try:
        found = find_columns(first, score_column, id_column)
    except ColumnsError:
        return False
    return not first[found.trial_id].endswith(MARKS)


def why_not(first: Sequence[str], others: Iterable[Sequence[str]]) -> str:
    """What is there instead of a column of scores: a key if it is one, or columns of numbers.

    Args:
        first: fields of the first line.
        others: of all others.
    """
    names = [field.strip() for field in first]
    named = any(name in (*ID_COLUMNS, *LABEL_COLUMNS) for name in names)
    kinds: list[set[str]] = [set() for _ in names]
    for fields in others if named else chain([first], others):
        for kind, field in zip(kinds, fields, strict=False):
            kind.add(_kind(field))
    labels = [place for place, kind in enumerate(kinds) if kind == {"label"}]
    numbers = [place for place, kind in enumerate(kinds) if kind == {"number"} and place]
    if labels and (not numbers or is_key_line(first)):
        return "this is a key: it has labels, and no scores"
    if numbers:
        listed = ", ".join(names[one] if named else str(one + 1) for one in numbers)
        return f"no column is called score, but {listed} hold numbers: choose by --score-column"
    return (
        f"{len(names)} columns, but a score file has lines `id score`, or a first line that names "
        "the columns trial_id,score"
    )


def _place(column: str, names: Sequence[str], named: bool) -> int:
    """Where a column is that was named, or numbered from 1."""
    if column in map(str, range(1, len(names) + 1)):
        return int(column) - 1
    if named and names.count(column) == 1:
        return names.index(column)
    listed = ", ".join(names) if named else f"1 to {len(names)}, which have no names"
    raise ColumnsError(f"no column {column!r}, or several, among {listed}")


def _kind(field: str) -> str:
    if field in LABELS:
        return "label"
    return "number" if is_number(field) else ""
