"""A manifest: a CSV or Parquet table of recordings, one a line, that any corpus can be written as.

Columns are ``path``, ``label``, and optionally ``trial_id``, ``attack``, ``codec``, ``vocoder``,
``speaker``, ``source``, ``phase``, ``duration`` (seconds), ``language``, ``text_id`` (of what is
said) and ``family`` (of attacks); others are passed over.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from types import NoneType
from typing import Any

from fakemamba.data.delimited import Block, Words, csv_line, read_blocks
from fakemamba.data.text_lines import SHOWN, at_line, is_ended, listed, numbers_or_none
from fakemamba.data.trials import (
    COLUMNS,
    Trial,
    TrialBlock,
    TrialError,
    read_label,
    require_utf8,
    without_ending,
)
from fakemamba.files import atomic_write, require_file

# Trial's fields as columns of a manifest, and other publishers' words for them: Speech DF Arena's
# protocols have file_name, In-the-Wild's list file, ASVspoof 5's keys filename and cm-label, lists
# that are made for SUPERB utt_id, and those of MLAAD model_name and architecture.
NAMES = {name: name for name in COLUMNS} | {"duration_s": "duration"}
ALIASES = {
    "file_name": "path",
    "file": "path",
    "filename": "trial_id",
    "utt_id": "trial_id",
    "cm-label": "label",
    "model_name": "attack",
    "architecture": "family",
}
# What a cut would change without a word; a path or id that is cut is found to be of no trial, and a
# label to be no label.
FIELDS = {name: field for field, name in NAMES.items()}
CUT_UNSEEN = {*COLUMNS} - {"path", "trial_id", "label"}
FEW_WORDS = ("attack", "codec", "vocoder", "speaker", "source", "phase", "language", "family")
PARQUET_ROWS = 10_000
UNEVEN = "line 1 names {width}; mend the line, with quotes around a value that has a comma"

Row = dict[str, str | float | None]


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
    blocks = read_table(path, folder, need, ManifestError)
    return chain.from_iterable(block.trials() for block in blocks)


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
    for block in read_table(path, folder, ("path",), ManifestError):
        for place, trial in zip(block.places(), block.trials(), strict=True):
            if trial.trial_id in lines:
                raise ManifestError(
                    f"{path}, {place}: trial {listed([trial.trial_id])} is there already, in "
                    f"{lines[trial.trial_id]}; take one out, or tell them apart by a column "
                    "'trial_id'"
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
    aliases = ALIASES | {"duration_s": "duration_s"}
    header, blocks = _open(path, ManifestError, aliases)
    fields = [aliases.get(name, FIELDS.get(name, name)) for name in header]
    if "path" in fields or "duration_s" not in fields:
        return None
    if fields.count("duration_s") > 1:
        raise ManifestError(f"{path}, line 1: there are two columns of durations; rename one")
    column = fields.index("duration_s")

    def to_durations_s(block: Block) -> list[float]:
        texts = _texts(block.columns[column], "duration")
        found = _durations_s([text or "" for text in texts])
        if 0 in found:
            raise TrialError(
                "the duration is 0; leave out what has no audio, such as calls that nobody took"
            )
        return found

    told = _teller(path, ManifestError)
    durations_s: list[float] = []
    for block in blocks:
        durations_s += block.converted(to_durations_s, TrialError, told)
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


def read_table(
    path: Path,
    folder: Path | None,
    need: Sequence[str],
    error: type[ValueError],
    aliases: Mapping[str, str] = ALIASES,
) -> Iterator[TrialBlock]:
    """Yield the trials of a CSV or Parquet table.

    Args:
        path: a CSV, its columns parted by commas, semicolons, tabs or blanks, or a Parquet file.
        folder: where relative paths begin; None passes over the paths.
        need: Trial's fields that every row has to have.
        error: what is raised of the file.
        aliases: names of columns -> Trial's fields.

    Raises:
        error: the table cannot be used.
    """
    header, blocks = _open(path, error, aliases)
    to_columns = _reader(header, folder, need, f"{path}, line 1", error, aliases)
    told = _teller(path, error)
    is_empty = True
    for block in blocks:
        is_empty = False
        columns = block.converted(to_columns, TrialError, told)
        yield TrialBlock(columns, block.numbers, _unit(path))
    if is_empty:
        raise error(f"{path}: no recordings after the first line")


def _open(
    path: Path, error: type[ValueError], aliases: Mapping[str, str]
) -> tuple[Sequence[str], Iterator[Block]]:
    """The names of the columns, and the rows that are not blank."""
    open_blocks = _open_parquet if _is_parquet(path) else _open_csv
    return open_blocks(path, error, aliases)


def _is_parquet(path: Path) -> bool:
    return path.name.endswith(".parquet")


def _unit(path: Path) -> str:
    return "row" if _is_parquet(path) else "line"


def _teller(path: Path, error: type[ValueError]) -> Callable[[Block, ValueError], ValueError]:
    """What makes an error of a row's fault."""
    return lambda row, fault: error(f"{path}, {_unit(path)} {row.numbers[0]}: {fault}")


def _open_csv(
    path: Path, error: type[ValueError], aliases: Mapping[str, str]
) -> tuple[Sequence[str], Iterator[Block]]:
    blocks = read_blocks(path, error, UNEVEN)
    first = next(blocks, None)
    if first is None:
        raise error(f"{path}: nothing but blank lines; fetch or write it again")
    header = [name.strip() for (name,) in first.columns]
    last = aliases.get(header[-1], FIELDS.get(header[-1]))
    return header, _uncut(path, error, blocks, last)


def _uncut(
    path: Path, error: type[ValueError], blocks: Iterator[Block], last: str | None
) -> Iterator[Block]:
    """The blocks, unless the end is cut; ``last`` is the field that the last column is."""
    phases = set[str]()  # few words, none of which begins another: one that came before is whole
    for block in blocks:
        values = block.columns[-1]
        if not is_ended(block.line):
            (value,) = values
            hides_a_cut = last in CUT_UNSEEN or (last is not None and not value)
            if hides_a_cut and value not in phases and block.line.endswith(value):
                raise error(
                    f"{at_line(path, block.numbers[0], block.line)}: it may have lost the end of "
                    f"{value[:SHOWN]!r}; if it is whole, end the line"
                )
        elif last == "phase":
            phases.update(filter(None, values))
        yield block


def _open_parquet(
    path: Path, error: type[ValueError], aliases: Mapping[str, str]
) -> tuple[Sequence[str], Iterator[Block]]:
    """Of columns, those that are read."""
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
    return known or names, _parquet_blocks(path, error, file, known)


def _parquet_blocks(
    path: Path, error: type[ValueError], file: Any, names: Sequence[str]
) -> Iterator[Block]:
    import pyarrow

    number = 0
    try:
        for batch in file.iter_batches(PARQUET_ROWS, columns=list(names)):
            columns = [column.to_pylist() for column in batch.columns]
            numbers = range(number + 1, number + 1 + batch.num_rows)
            number += batch.num_rows
            yield Block(columns, numbers)
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
) -> Callable[[Block], dict[str, Sequence[Any]]]:
    """What makes trials, by column, of a block of rows of a table with these columns."""
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
    words = {name: Words[str | None, str | None](_itself) for name in FEW_WORDS}
    words["label"] = Words(lambda text: None if text is None else read_label(text))

    def to_columns(block: Block) -> dict[str, Sequence[Any]]:
        nothing = [None] * len(block.numbers)
        columns: dict[str, Sequence[Any]] = dict.fromkeys(COLUMNS, nothing)
        for field, index in indices.items():
            columns[field] = _texts(block.columns[index], NAMES[field])
        for name in need:
            if not all(columns[name]):
                raise TrialError(f"the {name} is empty")
        if not all(columns["trial_id"]):
            pairs = zip(columns["trial_id"], columns["path"], strict=True)
            columns["trial_id"] = [_trial_id(*pair) for pair in pairs]
        for name in indices.keys() & words.keys():
            columns[name] = words[name].of(columns[name])
        if "duration_s" in indices:
            known = iter(_durations_s([one for one in columns["duration_s"] if one is not None]))
            columns["duration_s"] = [one and next(known) for one in columns["duration_s"]]
        if folder is None:
            columns["path"] = nothing
        else:
            columns["path"] = [one and folder / one for one in columns["path"]]
            if not str(folder).isascii():
                for one in columns["path"]:
                    require_utf8(str(one))
        return columns

    return to_columns


def _trial_id(trial_id: str | None, path: str | None) -> str:
    if trial_id is not None:
        return trial_id
    if path is None:
        raise TrialError("the trial_id is empty")
    return without_ending(path)


def _itself(text: str | None) -> str | None:
    return text


def _texts(values: Sequence[Any], column: str) -> list[str | None]:
    """The values as a CSV has them, None for an empty one, as is NaN in a Parquet file."""
    if {*map(type, values)} <= {str, NoneType}:
        return [one or None for one in values]
    return [_text(one, column) for one in values]


def _text(value: Any, column: str) -> str | None:
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrialError(f"the {column} is a {type(value).__name__}, but must be text or a number")
    return str(value)


def _durations_s(texts: Sequence[str]) -> list[float]:
    found = numbers_or_none(texts)
    if found is None or not all(0 <= one < math.inf for one in found):
        raise TrialError(f"the duration is {texts[0][:SHOWN]!r}, but must be seconds")
    return found


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
    with atomic_write(path) as partial, ExitStack() as stack:
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
    with atomic_write(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        while rows_now := list(islice(rows, PARQUET_ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(rows_now, schema))
