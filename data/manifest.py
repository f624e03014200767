"""A manifest: a CSV or Parquet table of recordings, one a line, that any corpus can be written as.

Columns are ``path``, ``label``, and optionally ``trial_id``, ``attack``, ``codec``, ``vocoder``,
``speaker``, ``source``, ``phase`` and ``duration`` (seconds); others are passed over.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from fakemamba.data.delimited import csv_line, read_rows
from fakemamba.data.text_lines import SHOWN, at_line, is_ended, listed, number_or_none
from fakemamba.data.trials import COLUMNS, Trial, TrialError, read_label, without_ending
from fakemamba.files import appearing_whole, require_file

# Trial's fields as columns of a manifest, and other publishers' words for them: Speech DF Arena's
# protocols have file_name, In-the-Wild's list file, ASVspoof 5's keys filename and cm-label, and
# lists that are made for SUPERB utt_id.
NAMES = {name: name for name in COLUMNS} | {"duration_s": "duration"}
ALIASES = {
    "file_name": "path",
    "file": "path",
    "filename": "trial_id",
    "utt_id": "trial_id",
    "cm-label": "label",
}
# What a cut would change without a word; a path or id that is cut is found to be of no trial, and a
# label to be no label.
FIELDS = {name: field for field, name in NAMES.items()}
CUT_UNSEEN = {*COLUMNS} - {"path", "trial_id", "label"}
PARQUET_ROWS = 10_000

Row = dict[str, str | float | None]
Rows = Iterator[tuple[str, Sequence[Any]]]


class ManifestError(ValueError):
    """A manifest cannot be used; the message names the file, the line and the remedy."""


def iterate_manifest(
    path: str | Path, root: str | Path | None = None, *, need_label: bool = False
) -> Iterator[Trial]:
    """Yield a manifest's trials one by one, each line checked; memory does not grow with the file.

    Whether a trial stands in it twice, and whether the audio is there, is left to the reader.

    Args:
        path: .csv, .csv.gz or .parquet.
        root: where relative paths begin, if not at the manifest's folder.
        need_label: refuse a line without a label.

    Raises:
        ManifestError: no such file, no trials, no column ``path``, or a line that cannot be used.
    """
    path = Path(path)
    folder = path.parent if root is None else Path(root)
    need = ("path", "label") if need_label else ("path",)
    return (trial for _, trial in iterate_table(path, folder, need, ManifestError))


def read_manifest(path: str | Path, root: str | Path | None = None) -> list[Trial]:
    """Read a manifest and check that every recording is there, and none is there twice.

    Paths are relative to ``root``, or to the manifest's own folder.

    Raises:
        ManifestError: as `iterate_manifest`; a trial that stands in it twice; recordings that are
            not there (the first ten are listed with their lines).
    """
    path = Path(path)
    folder = path.parent if root is None else Path(root)
    lines: dict[str, str] = {}
    trials, missing = [], []
    for place, trial in iterate_table(path, folder, ("path",), ManifestError):
        if trial.trial_id in lines:
            raise ManifestError(
                f"{path}, {place}: trial {listed([trial.trial_id])} is there already, in "
                f"{lines[trial.trial_id]}; take one out, or tell them apart by a column 'trial_id'"
            )
        lines[trial.trial_id] = place
        trials.append(trial)
        if trial.path is not None and not trial.path.is_file():
            missing.append(f"{place}: {trial.path}")
    if missing:
        first = "\n  ".join(missing[:10])
        raise ManifestError(
            f"{path}: {len(missing)} of {len(trials)} recordings are not below {folder}; say "
            f"where they are:\n  {first}"
        )
    return trials


def read_durations_s(path: str | Path) -> list[float] | None:
    """The durations in a table that has no recordings, such as a log of calls; None if it has.

    Args:
        path: a CSV or Parquet file with a column ``duration_s`` or ``duration``, in seconds.

    Raises:
        ManifestError: the table cannot be used, or a duration is not more than 0.
    """
    path = Path(path)
    open_rows = _open_parquet if path.name.endswith(".parquet") else _open_csv
    aliases = ALIASES | {"duration_s": "duration_s"}
    header, rows = open_rows(path, ManifestError, aliases)
    fields = [aliases.get(name, FIELDS.get(name, name)) for name in header]
    if "path" in fields or "duration_s" not in fields:
        return None
    if fields.count("duration_s") > 1:
        raise ManifestError(f"{path}, line 1: there are two columns of durations; rename one")
    durations_s, column = [], fields.index("duration_s")
    for place, values in rows:
        try:
            duration_s = _duration_s(_text(values[column], "duration") or "")
        except TrialError as fault:
            raise ManifestError(f"{path}, {place}: {fault}") from fault
        if duration_s == 0:
            raise ManifestError(
                f"{path}, {place}: the duration is 0; leave out what has no audio, such as calls "
                "that nobody took"
            )
        durations_s.append(duration_s)
    return durations_s


def write_manifest(path: str | Path, trials: Iterable[Trial]) -> None:
    """Write trials as .csv, .csv.gz or .parquet, by the path's ending, one after the other.

    Recordings below the manifest's folder are written relative to it, so that both move together.

    Raises:
        ManifestError: a trial without a path, or another ending.
    """
    path = Path(path)
    rows = (_row(path, trial) for trial in trials)
    if path.name.endswith(".parquet"):
        _write_parquet(path, rows)
    elif path.name.endswith((".csv", ".csv.gz")):
        _write_csv(path, rows)
    else:
        raise ManifestError(f"{path}: a manifest ends in .csv, .csv.gz or .parquet")


def iterate_table(
    path: Path,
    folder: Path | None,
    need: Sequence[str],
    error: type[ValueError],
    aliases: Mapping[str, str] = ALIASES,
) -> Iterator[tuple[str, Trial]]:
    """Yield the place, such as ``line 3``, and the trial of each row of a CSV or Parquet table.

    Args:
        path: a CSV, its columns parted by commas, semicolons, tabs or blanks, or a Parquet file.
        folder: where relative paths begin; None passes over the paths.
        need: Trial's fields that every row has to have.
        error: what is raised of the file.
        aliases: names of columns -> Trial's fields.

    Raises:
        error: the table cannot be used.
    """
    open_rows = _open_parquet if path.name.endswith(".parquet") else _open_csv
    header, rows = open_rows(path, error, aliases)
    to_trial = _reader(header, folder, need, f"{path}, line 1", error, aliases)
    place = None
    for place, values in rows:
        try:
            yield place, to_trial(values)
        except TrialError as fault:
            raise error(f"{path}, {place}: {fault}") from fault
    if place is None:
        raise error(f"{path}: no recordings after the first line")


def _open_csv(
    path: Path, error: type[ValueError], aliases: Mapping[str, str]
) -> tuple[Sequence[str], Rows]:
    """The names of the columns, and the place and values of each row that is not blank."""
    rows = read_rows(path, error)
    first = next(rows, None)
    if first is None:
        raise error(f"{path}: nothing but blank lines; fetch or write it again")
    header = [name.strip() for name in first[1]]
    last = aliases.get(header[-1], FIELDS.get(header[-1]))
    return header, _csv_rows(path, error, rows, len(header), last)


def _csv_rows(
    path: Path,
    error: type[ValueError],
    rows: Iterator[tuple[int, list[str], str]],
    width: int,
    last: str | None,
) -> Rows:
    """The place and values of each row; ``last`` is the field that the last column is."""
    phases = set[str]()  # few words, none of which begins another: one that came before is whole
    for number, values, line in rows:
        if len(values) != width:
            raise error(
                f"{at_line(path, number, line)}: {len(values)} columns, but line 1 names "
                f"{width}; mend the line, with quotes around a value that has a comma"
            )
        hides_a_cut = last in CUT_UNSEEN or (last is not None and not values[-1])
        hides_a_cut &= values[-1] not in phases
        if hides_a_cut and not is_ended(line) and line.endswith(values[-1]):
            raise error(
                f"{at_line(path, number, line)}: it may have lost the end of "
                f"{values[-1][:SHOWN]!r}; if it is whole, end the line"
            )
        if last == "phase" and values[-1]:
            phases.add(values[-1])
        yield f"line {number}", values


def _open_parquet(
    path: Path, error: type[ValueError], aliases: Mapping[str, str]
) -> tuple[Sequence[str], Rows]:
    """The names of the columns that are read, and the place and values of each row."""
    import pyarrow
    from pyarrow import parquet

    require_file(path, error)
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
    except (pyarrow.ArrowException, OSError, ValueError) as fault:
        raise error(f"{path}: not a Parquet file ({_first_line(fault)}); write it again") from fault
    known = [name for name in names if name in aliases or name in FIELDS]
    # Without one that is known the reader tells of those that there are.
    return known or names, _parquet_rows(path, error, file, known)


def _parquet_rows(path: Path, error: type[ValueError], file: Any, names: Sequence[str]) -> Rows:
    import pyarrow

    number = 0
    try:
        for batch in file.iter_batches(PARQUET_ROWS, columns=list(names)):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield f"row {number}", values
    except (pyarrow.ArrowException, OSError, OverflowError, UnicodeDecodeError) as fault:
        raise error(f"{path}, after row {number}: {_first_line(fault)}; write it again") from fault


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]


def _reader(
    header: Sequence[str],
    folder: Path | None,
    need: Sequence[str],
    place: str,
    error: type[ValueError],
    aliases: Mapping[str, str],
) -> Callable[[Sequence[Any]], Trial]:
    """What makes a trial of a row's values, for a table with these columns."""
    named = [aliases.get(name, name) for name in header]
    for name in NAMES.values():
        if named.count(name) > 1:
            raise error(f"{place}: the column {name!r} is there twice; rename one")
    for name in need if {"path", "trial_id"} & {*named} else ("path",):
        if name not in named:
            raise error(
                f"{place}: no column {name!r} among {listed(header)}; the first line must name "
                "the columns"
            )
    indices = {field: named.index(name) for field, name in NAMES.items() if name in named}

    def to_trial(values: Sequence[Any]) -> Trial:
        text: dict[str, Any] = {
            field: _text(values[index], NAMES[field]) for field, index in indices.items()
        }
        for name in need:
            if text[name] is None:
                raise TrialError(f"the {name} is empty")
        written = text.pop("path", None)
        if text.get("trial_id") is None:
            if written is None:
                raise TrialError("the trial_id is empty")
            text["trial_id"] = without_ending(written)
        if text.get("label") is not None:
            text["label"] = read_label(text["label"])
        if text.get("duration_s") is not None:
            text["duration_s"] = _duration_s(text["duration_s"])
        return Trial(path=None if folder is None or written is None else folder / written, **text)

    return to_trial


def _text(value: Any, column: str) -> str | None:
    """The value as a CSV has it, or None for an empty one, as is NaN in a Parquet file."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrialError(f"the {column} is a {type(value).__name__}, but must be text or a number")
    return str(value)


def _duration_s(value: str) -> float:
    duration_s = number_or_none(value)
    if duration_s is None or not 0 <= duration_s < math.inf:
        raise TrialError(f"the duration is {value[:SHOWN]!r}, but must be seconds")
    return duration_s


def _row(path: Path, trial: Trial) -> Row:
    if trial.path is None:
        raise ManifestError(f"{path}: trial {trial.trial_id} has no path to write")
    row = {name: getattr(trial, field) for field, name in NAMES.items()}
    folder = path.parent.absolute()
    audio = trial.path.absolute()
    return row | {
        "path": (audio.relative_to(folder) if audio.is_relative_to(folder) else audio).as_posix()
    }


def _write_csv(path: Path, rows: Iterator[Row]) -> None:
    with appearing_whole(path) as partial, ExitStack() as stack:
        stream: Any = stack.enter_context(partial.open("wb"))
        if path.suffix == ".gz":  # no name and no time in it: equal trials give equal bytes
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        text = stack.enter_context(io.TextIOWrapper(stream, "utf-8", newline=""))
        text.write(csv_line(NAMES.values()))
        text.writelines(csv_line(row[name] for name in NAMES.values()) for row in rows)


def _write_parquet(path: Path, rows: Iterator[Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [
            (name, pyarrow.float64() if name == "duration" else pyarrow.string())
            for name in NAMES.values()
        ]
    )
    with appearing_whole(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        while rows_now := list(islice(rows, PARQUET_ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(rows_now, schema))
