"""Measuring how long a corpus' recordings are, into a table of `lengths`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fakemamba.data.lengths import LengthsError, LengthTable, summarise_lengths
from fakemamba.data.manifest import read_durations_s, read_manifest
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import Trial


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
    made_by = f"fakemamba lengths {manifest_path.name}"
    durations_s = read_durations_s(manifest_path)
    if durations_s is None:
        trials = read_manifest(manifest_path, root)
        paths = [trial.path for trial in trials]
        with ThreadPoolExecutor() as pool:
            results = pool.map(partial(_duration_or_reason, allow_damaged=allow_damaged), trials)
            found = [result for _, result in zip(progress(paths), results, strict=True)]
        reasons = [one for one in found if isinstance(one, str)]
        if reasons:
            raise LengthsError(
                f"{manifest_path}: {len(reasons)} of {len(trials)} recordings cannot be used; mend "
                "them or take their lines out:\n  " + "\n  ".join(reasons)
            )
        durations_s = [one for one in found if not isinstance(one, str)]
        made_by += " --allow-damaged" * allow_damaged
    elif root is not None:
        raise LengthsError(f"{manifest_path} has durations and no paths that could have a root")
    return summarise_lengths(
        durations_s,
        name=manifest_path.stem,
        source=source or manifest_path.name,
        licence=licence,
        made_by=made_by,
    )


def _duration_or_reason(trial: Trial, allow_damaged: bool) -> float | str:
    found = recording_or_reason(trial, allow_damaged=allow_damaged)
    return found if isinstance(found, str) else found.duration_s
