"""Keys: which trials a corpus has, and which are bona fide; and scores of its speaker verification.

A key is an ASVspoof file (`fakemamba.data.protocols`), or a table whose first line names the
columns, as in a manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.manifest import ALIASES, iterate_table
from fakemamba.data.protocols import LAYOUTS, PHASES, KeyFileError, NumberedTrials, read_protocol
from fakemamba.data.text_lines import at_line, finite_number, read_lines
from fakemamba.data.trials import Trial, trial_table

__all__ = ["KEY_FORMATS", "AsvScores", "KeyFileError", "iterate_key", "read_asv_scores", "read_key"]

KEY_FORMATS = ("auto", *LAYOUTS, "csv")
JUDGED_PHASES = ("eval", "test")  # what is evaluated where nothing else is asked for
ALL_PHASES = "all"

ASV_LABELS = ("target", "nontarget", "spoof")
# Columns of a line -> where the ASV label, the score and the phase (None: there is none) stand.
ASV_LAYOUTS = {
    3: (1, 2, None),  # 2019: what the trial is, label, score
    9: (5, 8, 7),  # 2021: the eight of its trial_metadata.txt, score
}

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AsvScores:
    """Scores of a speaker verification system: target, nontarget and spoof trials, (n,) each."""

    target: Scores
    nontarget: Scores
    spoof: Scores


def read_key(path: str | Path, key_format: str = "auto", phase: str | None = None) -> pd.DataFrame:
    """Read a key, plain or gzip-compressed, as a `trial_table`.

    Args:
        path: an ASVspoof protocol or key, or a manifest (CSV or Parquet) with labels.
        key_format: ``asvspoof2019``, ``asvspoof2021``, ``asvspoof5``, ``csv`` (any table whose
            first line names the columns), or ``auto``, which tells them by the first line.
        phase: keep the trials of this phase; None is the eval or test phase where the key has
            phases, and ``all`` takes every trial.

    Raises:
        KeyFileError: as `iterate_key`; a trial that stands in it twice.
    """
    table = trial_table(iterate_key(path, key_format, phase))
    again = table["trial_id"].duplicated()
    if again.any():
        twice = table["trial_id"].to_numpy()[again.to_numpy()][0]
        numbered = _numbered(Path(path), key_format, phase)
        places = [place for place, trial in numbered if trial.trial_id == twice]
        raise KeyFileError(
            f"{path}, {places[1]}: trial {twice} is there already, in {places[0]} "
            f"({again.sum()} such lines in all); a key has every trial once"
        )
    return table


def iterate_key(
    path: str | Path, key_format: str = "auto", phase: str | None = None
) -> Iterator[Trial]:
    """Yield a key's trials one by one, each line checked; memory does not grow with the file.

    Arguments are those of `read_key`. A file that has a publisher's own name, such as
    ``trial_metadata.txt``, must have the publisher's number of trials of either class; that is
    checked at the end, and trials that stand in it twice are left to the reader.

    Raises:
        KeyFileError: no such file or format, no trial of the phase, a line that cannot be used, or
            a publisher's file that is not whole.
    """
    return (trial for _, trial in _numbered(Path(path), key_format, phase))


def _numbered(path: Path, key_format: str, phase: str | None) -> NumberedTrials:
    """The trials of a phase with their places in the file."""
    if key_format not in KEY_FORMATS:
        known = ", ".join(KEY_FORMATS)
        raise KeyFileError(f"no key format is called {key_format!r}, but {known} are")
    named = key_format == "csv" or (key_format == "auto" and _names_columns(path))
    trials = (
        iterate_table(path, None, ("label",), KeyFileError)
        if named
        else read_protocol(path, key_format)
    )
    wanted = JUDGED_PHASES if phase is None else (PHASES.get(phase, phase),)
    seen: Counter[str | None] = Counter()
    kept = 0
    for place, trial in trials:
        seen[trial.phase] += 1
        if trial.phase in wanted or phase == ALL_PHASES or (phase is None and trial.phase is None):
            kept += 1
            yield place, trial
    if not kept:
        phases = ", ".join(sorted(name for name in seen if name)) or "no phases"
        raise KeyFileError(f"{path}: no trial of phase {' or '.join(wanted)}; it has {phases}")


def _names_columns(path: Path) -> bool:
    """Whether a file is a table: Parquet, or text whose first line has a column of labels."""
    if path.name.endswith(".parquet"):
        return True
    first = next(read_lines(path, KeyFileError))
    names = first.replace(",", " ").split()
    return "label" in {ALIASES.get(name, name) for name in names}


def read_asv_scores(path: str | Path, phase: str | None = None) -> AsvScores:
    """Read the scores of an automatic speaker verification (ASV) system, by class.

    The forms are ASVspoof 2019's (``attack label score``, the label one of target, nontarget and
    spoof); 2021's (``speaker id score``, whose labels stand line by line in the
    ``trial_metadata.txt`` of the folder above, as the key package unpacks, or both files side by
    side in one); and a table whose first line names ``asv-label`` and ``asv-score``.

    Args:
        path: the file, plain or gzip-compressed.
        phase: of the 2021 scores, the phase to keep; None is eval, ``all`` takes every trial.

    Raises:
        KeyFileError: no such file, a line that cannot be used, or a class without scores.
    """
    path = Path(path)
    wanted = "eval" if phase is None else PHASES.get(phase, phase)
    found: dict[str, list[float]] = {label: [] for label in ASV_LABELS}
    for place, label, score, its_phase in _asv_trials(path):
        if label not in found:
            known = ", ".join(ASV_LABELS)
            raise KeyFileError(f"{place}: the label is {label!r}, but must be one of {known}")
        value = finite_number(score, "the score", place, KeyFileError)
        if its_phase is None or wanted in (ALL_PHASES, PHASES.get(its_phase, its_phase)):
            found[label].append(value)
    missing = [label for label, scores in found.items() if not scores]
    if missing:
        raise KeyFileError(
            f"{path}: no scores of {' and '.join(missing)} trials; an ASV score file has all of "
            + ", ".join(ASV_LABELS)
        )
    return AsvScores(*(np.array(found[label], np.float64) for label in ASV_LABELS))


def _asv_trials(path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    """Place, label, score and phase of each line."""
    layout: tuple[int, int, int | None] | None = None
    width = 0
    labels: Iterator[list[str]] | None = None
    for number, line in enumerate(read_lines(path, KeyFileError), 1):
        parts = line.replace(",", " ").split()
        if not parts:
            continue
        place = at_line(path, number, line)
        if layout is None:
            width = len(parts)
            if "asv-label" in parts and "asv-score" in parts:
                layout = (parts.index("asv-label"), parts.index("asv-score"), None)
                continue
            layout = ASV_LAYOUTS.get(width)
            if width == 3 and parts[1] not in ASV_LABELS:
                labels = _asv_labels(path)
            if layout is None:
                raise KeyFileError(
                    f"{place}: {width} columns, but ASV scores have lines `attack label score`, or "
                    "a first line that names asv-label and asv-score"
                )
        if len(parts) != width:
            raise KeyFileError(
                f"{place}: {len(parts)} columns, but the lines before have {width}; fetch the file "
                "again, or mend the line"
            )
        if labels is not None:
            key = next(labels, None)
            if key is None or key[:2] != parts[:2]:
                raise KeyFileError(
                    f"{place}: trial {parts[0]} {parts[1]} is not at the same place in "
                    f"{_metadata_path(path)}; both files must come from one key package"
                )
            parts = [*key, parts[2]]
            yield place, parts[5], parts[8], parts[7]
        else:
            phase = None if layout[2] is None else parts[layout[2]]
            yield place, parts[layout[0]], parts[layout[1]], phase


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
    for number, line in enumerate(read_lines(metadata, KeyFileError), 1):
        parts = line.split()
        if len(parts) != 8:
            raise KeyFileError(
                f"{at_line(metadata, number, line)}: {len(parts)} columns, but ASV trials of "
                "ASVspoof 2021 have 8; fetch the file again"
            )
        yield parts
