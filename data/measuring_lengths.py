"""Measuring how long a corpus' recordings are, into a table of `lengths`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fakemamba.data.audio import AudioError, read_recording
from fakemamba.data.lengths import LengthsError, LengthTable, summarise_lengths
from fakemamba.data.manifest import read_durations_s, read_manifest


def measure_lengths(
    manifest_path: str | Path,
    root: str | Path | None = None,
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
    *,
    source: str | None = None,
    licence: str | None = None,
    allow_damaged: bool = False,
) -> LengthTable:
    """The table of a manifest's recordings, all of which are decoded: headers may be wrong.

    Args:
        manifest_path: a CSV or Parquet file with a column ``path``, as `read_manifest` reads it, or
            without one and with a column ``duration_s`` or ``duration``: that is taken as it is.
        root: where its paths begin, if not at the manifest's folder.
        progress: passes on the sequence of recordings that it is given, and may count them.
        source: what the recordings are; None takes the manifest's name.
        licence: theirs.
        allow_damaged: measure what is left of damaged recordings.

    Raises:
        ManifestError: the manifest cannot be used.
        LengthsError: some recordings cannot be read, all of which are named.
    """
    manifest_path = Path(manifest_path)
    listed_s = read_durations_s(manifest_path)
    if listed_s is not None:
        if root is not None:
            raise LengthsError(f"{manifest_path} has durations and no paths that could have a root")
        return summarise_lengths(
            listed_s,
            name=manifest_path.stem,
            source=source or manifest_path.name,
            licence=licence,
            made_by=f"fakemamba lengths {manifest_path.name}",
        )
    trials = read_manifest(manifest_path, root)
    paths = [trial.path for trial in trials if trial.path is not None]
    with ThreadPoolExecutor() as pool:
        results = pool.map(partial(_duration_or_error, allow_damaged=allow_damaged), paths)
        found = [result for _, result in zip(progress(paths), results, strict=True)]
    errors = [str(result) for result in found if isinstance(result, AudioError)]
    if errors:
        raise LengthsError(
            f"{manifest_path}: {len(errors)} of {len(paths)} recordings cannot be used; mend them "
            "or take their lines out:\n  " + "\n  ".join(errors)
        )
    return summarise_lengths(
        [result for result in found if isinstance(result, float)],
        name=manifest_path.stem,
        source=source or manifest_path.name,
        licence=licence,
        made_by=f"fakemamba lengths {manifest_path.name}" + " --allow-damaged" * allow_damaged,
    )


def _duration_or_error(path: Path, allow_damaged: bool) -> float | AudioError:
    try:
        return read_recording(path, allow_damaged=allow_damaged).duration_s
    except AudioError as error:
        return error
