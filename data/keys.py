"""Keys: which trials a corpus has, and which are bona fide; and scores of its speaker verification.

A key is an ASVspoof file (`fakemamba.data.protocols`), or a table whose first line names the
columns, as in a manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.delimited import Once, Rows, read_rows
from fakemamba.data.manifest import ALIASES, read_table
from fakemamba.data.protocols import (
    LAYOUTS,
    PHASES,
    KeyFileError,
    is_number,
    read_protocol,
)
from fakemamba.data.text_lines import SHOWN, CutGuard, at_line, finite_number, listed
from fakemamba.data.trials import Trial, TrialBlock, block_table

__all__ = ["KEY_FORMATS", "AsvScores", "KeyFileError", "iterate_key", "read_asv_scores", "read_key"]

KEY_FORMATS = ("auto", *LAYOUTS, "csv")
JUDGED_PHASES = ("eval", "test")  # what is evaluated where nothing else is asked for
ALL_PHASES = "all"

ASV_LABELS = ("target", "nontarget", "spoof")
ASV_COLUMNS = ("asv-label", "asv-score")
NO_ATTACK = ("-", "bonafide")  # in the place of an attack, so that it holds no ids

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AsvScores:
    """Scores of a speaker verification system: target, nontarget and spoof trials, (n,) each.

    ``trial_ids`` are the recordings that it judged, if its list names them as the key does.
    """

    target: Scores
    nontarget: Scores
    spoof: Scores
    trial_ids: frozenset[str] = frozenset()


def read_key(
    path: str | Path,
    key_format: str = "auto",
    phase: str | None = None,
    label_column: str | None = None,
) -> pd.DataFrame:
    """Read a key, plain or gzip-compressed, as a `trial_table`.

    Args:
        path: an ASVspoof protocol or key, or a manifest (CSV or Parquet) with labels.
        key_format: ``asvspoof2019``, ``asvspoof2021``, ``asvspoof5``, ``csv`` (any table whose
            first line names the columns), or ``auto``, which tells them by the first line.
        phase: keep the trials of this phase; None is the eval or test phase where the key has
            phases, and ``all`` takes every trial.
        label_column: of a table, the column of the labels; None is ``label`` or ``cm-label``.

    Raises:
        KeyFileError: as `iterate_key`; a trial that stands in it twice.
    """
    table = block_table(_blocks(Path(path), key_format, phase, label_column))
    again = table["trial_id"].duplicated()
    if again.any():
        twice = table["trial_id"].to_numpy()[again.to_numpy()][0]
        places = [
            place
            for block in _blocks(Path(path), key_format, phase, label_column)
            for place, one in zip(block.places(), block.columns["trial_id"], strict=True)
            if one == twice
        ]
        raise KeyFileError(
            f"{path}, {places[1]}: trial {listed([twice])} is there already, in {places[0]} "
            f"({again.sum()} such lines in all); a key has every trial once"
        )
    return table


def iterate_key(
    path: str | Path,
    key_format: str = "auto",
    phase: str | None = None,
    label_column: str | None = None,
) -> Iterator[Trial]:
    """Yield a key's trials one by one, each line checked; memory does not grow with the file.

    Arguments are those of `read_key`. A file that has a publisher's own name, such as
    ``trial_metadata.txt``, must have the publisher's number of trials of either class; that is
    checked at the end, and trials that stand in it twice are left to the reader.

    Raises:
        KeyFileError: no such file or format, no trial of the phase, a line that cannot be used, or
            a publisher's file that is not whole.
    """
    return chain.from_iterable(
        block.trials() for block in _blocks(Path(path), key_format, phase, label_column)
    )


def _blocks(
    path: Path, key_format: str, phase: str | None, label_column: str | None
) -> Iterator[TrialBlock]:
    """The trials of a phase."""
    if key_format not in KEY_FORMATS:
        known = ", ".join(KEY_FORMATS)
        raise KeyFileError(f"no key format is called {key_format!r}, but {known} are")
    aliases = ALIASES if label_column is None else _labelled_by(label_column)
    named = key_format == "csv" or (key_format == "auto" and _names_columns(path, aliases))
    if label_column is not None and not named:
        raise KeyFileError(f"{path}: its first line names no column {label_column!r}")
    blocks = (
        read_table(path, None, ("label",), KeyFileError, aliases)
        if named
        else read_protocol(path, key_format)
    )
    wanted = JUDGED_PHASES if phase is None else (PHASES.get(phase, phase),)
    taken: set[str | None] = {*wanted, *([None] if phase is None else [])}
    seen: set[str | None] = set()
    for block in blocks:
        phases = block.columns["phase"]
        here = {*phases}
        seen |= here
        if phase == ALL_PHASES or here <= taken:
            yield block
        elif here & taken:
            yield block.only([one in taken for one in phases])
    if phase != ALL_PHASES and not seen & taken:
        known = listed(sorted(name for name in seen if name)) or "no phases"
        raise KeyFileError(f"{path}: no trial of phase {' or '.join(wanted)}; it has {known}")


def _labelled_by(column: str) -> dict[str, str]:
    """The names of columns where this one holds the labels; another one that could is no label."""
    others = {name: f"not {name}" for name in ("label", "cm-label")}
    return ALIASES | others | {column: "label"}


def _names_columns(path: Path, aliases: Mapping[str, str]) -> bool:
    """Whether a file is a table: Parquet, or text whose first line has a column of labels."""
    if path.name.endswith(".parquet"):
        return True
    _, names, _ = next(read_rows(path, KeyFileError), (0, [], ""))
    return "label" in {aliases.get(name.strip(), name.strip()) for name in names}


def read_asv_scores(path: str | Path, phase: str | None = None) -> AsvScores:
    """Read the scores of an automatic speaker verification (ASV) system, by class.

    The forms are ASVspoof 2019's (``attack label score``, the label one of target, nontarget and
    spoof), which may have ids for the attacks; 2021's (``speaker id score``, whose labels stand
    line by line in the ``trial_metadata.txt`` of the folder above, as the key package unpacks, or
    both files side by side in one); and a table whose first line names ``asv-label`` and
    ``asv-score``.

    Args:
        path: the file, plain or gzip-compressed.
        phase: of the 2021 scores, the phase to keep; None is eval, ``all`` takes every trial.

    Raises:
        KeyFileError: no such file, a line that cannot be used, a trial that stands in it twice, or
            a class without scores.
    """
    path = Path(path)
    wanted = "eval" if phase is None else PHASES.get(phase, phase)
    found: dict[str, list[float]] = {label: [] for label in ASV_LABELS}
    trial_ids = set()
    for one in _asv_trials(path):
        if one.phase is None or wanted in (ALL_PHASES, PHASES.get(one.phase, one.phase)):
            found[one.label].append(one.score)
            trial_ids.add(one.trial_id)
    missing = [label for label, scores in found.items() if not scores]
    if missing:
        raise KeyFileError(
            f"{path}: no scores of {' and '.join(missing)} trials; an ASV score file has all of "
            + ", ".join(ASV_LABELS)
        )
    target, nontarget, spoof = (np.array(found[label], np.float64) for label in ASV_LABELS)
    named = frozenset(one for one in trial_ids if one is not None)
    return AsvScores(target, nontarget, spoof, named)


@dataclass(frozen=True)
class _AsvTrial:
    """A line: what the ASV system judged, and which recording it was, if the line says so."""

    label: str
    score: float
    phase: str | None
    trial_id: str | None


@dataclass(frozen=True)
class _AsvLayout:
    """Where in a line what is; ``identity`` are the columns that no two lines have in common."""

    width: int
    label: int
    score: int
    phase: int | None = None
    trial_id: int | None = None
    identity: tuple[int, ...] = ()


ASV_2019 = _AsvLayout(3, label=1, score=2)  # the first is the attack
ASV_2019_IDS = replace(ASV_2019, trial_id=0, identity=(0, 1, 2))
# The eight of its trial_metadata.txt and the score. The ids are the ASV task's own.
ASV_2021 = _AsvLayout(9, label=5, score=8, phase=7, identity=tuple(range(8)))


def _asv_trials(path: Path) -> Iterator[_AsvTrial]:
    """Each line, checked; ASVspoof 2021's with the labels from the file beside."""
    rows = read_rows(path, KeyFileError, _is_asv_line)
    number, first, line = next(rows, (1, [], "\n"))
    labels = None
    if set(ASV_COLUMNS) <= {name.strip() for name in first}:
        layout = _named_asv_layout(first)
    else:
        rows = chain([(number, first, line)], rows)
        if len(first) == ASV_2021.width:
            layout = ASV_2021
        elif len(first) != ASV_2019.width:
            raise KeyFileError(
                f"{at_line(path, number, line)}: {len(first)} columns, but ASV scores have lines "
                "`attack label score`, or a first line that names asv-label and asv-score"
            )
        elif first[ASV_2019.label] in ASV_LABELS:
            layout = ASV_2019_IDS if _asv_ids_lead(path) else ASV_2019
        else:
            layout, labels = ASV_2021, _asv_labels(path)
    yield from _checked_asv_trials(path, rows, layout, labels)


def _checked_asv_trials(
    path: Path, rows: Rows, layout: _AsvLayout, labels: Iterator[list[str]] | None
) -> Iterator[_AsvTrial]:
    guard, once = CutGuard(path, KeyFileError), Once(path, KeyFileError)
    width = layout.width if labels is None else 3
    for number, parts, line in rows:
        place = at_line(path, number, line)
        if len(parts) != width:
            raise KeyFileError(
                f"{place}: {len(parts)} columns, but the lines before have {width}; fetch the file "
                "again, or mend the line"
            )
        if labels is not None:
            key = next(labels, None)
            if key is None or key[:2] != parts[:2]:
                raise KeyFileError(
                    f"{place}: trial {listed([' '.join(parts[:2])])} is not at the same place in "
                    f"{_metadata_path(path)}; both files must come from one key package"
                )
            parts = [*key, parts[2]]
        label, score = parts[layout.label], parts[layout.score]
        if label not in ASV_LABELS:
            known = ", ".join(ASV_LABELS)
            raise KeyFileError(
                f"{place}: the label is {label[:SHOWN]!r}, but must be one of {known}"
            )
        value = finite_number(score, "the score", place, KeyFileError)
        guard.check(score, number, line)
        once.check([parts[index] for index in layout.identity], number, line)
        yield _AsvTrial(
            label,
            value,
            None if layout.phase is None else parts[layout.phase],
            None if layout.trial_id is None else parts[layout.trial_id],
        )


def _is_asv_line(parts: list[str]) -> bool:
    """Whether a line that was parted by blanks is one of ASV scores."""
    return set(ASV_COLUMNS) <= {*parts} or (
        len(parts) in (ASV_2019.width, ASV_2021.width) and is_number(parts[-1])
    )


def _named_asv_layout(header: list[str]) -> _AsvLayout:
    names = [name.strip() for name in header]
    ids = [index for index, name in enumerate(names) if ALIASES.get(name, name) == "trial_id"]
    return _AsvLayout(
        len(names),
        label=names.index("asv-label"),
        score=names.index("asv-score"),
        trial_id=ids[0] if ids else None,
        identity=identity_columns(names),
    )


def identity_columns(names: Sequence[str]) -> tuple[int, ...]:
    """The columns that say which trial a row is: all but scores and labels."""
    return tuple(index for index, name in enumerate(names) if not name.endswith(("score", "label")))


def _asv_ids_lead(path: Path) -> bool:
    """Whether ids are where ASVspoof 2019 has the attack, which bona fide trials do not have."""
    for _, parts, _ in read_rows(path, KeyFileError, _is_asv_line):
        if len(parts) == ASV_2019.width and parts[ASV_2019.label] in ("target", "nontarget"):
            return parts[0] not in NO_ATTACK
    return False


def _metadata_path(path: Path) -> Path:
    return path.parent.parent / "trial_metadata.txt"


def _asv_labels(path: Path) -> Iterator[list[str]]:
    """The columns of each line of the metadata that belongs to a 2021 ASV score file."""
    metadata = _metadata_path(path)
    if not metadata.is_file():
        raise KeyFileError(
            f"{path}: its lines `speaker id score` have no labels, and {metadata} is not there; "
            "unpack the whole key package"
        )
    for number, parts, line in read_rows(metadata, KeyFileError, lambda first: True):
        if len(parts) != 8:
            raise KeyFileError(
                f"{at_line(metadata, number, line)}: {len(parts)} columns, but ASV trials of "
                "ASVspoof 2021 have 8; fetch the file again"
            )
        yield parts
