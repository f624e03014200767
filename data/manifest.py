"""A manifest: a CSV with a column ``path``, one recording a line."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


class ManifestError(ValueError):
    """A manifest cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class Recording:
    """One line of a manifest: where the audio is, and the line's other columns."""

    path: Path
    columns: dict[str, str]


def read_manifest(path: str | Path, root: str | Path | None = None) -> list[Recording]:
    """Read a manifest and check that every recording is there.

    Paths are relative to ``root``, or to the manifest's own folder.

    Raises:
        ManifestError: no such file, no ``path`` column, no lines, an empty path, or files that are
            not there (the first ten are listed with their lines).
    """
    path = Path(path)
    folder = path.parent if root is None else Path(root)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: no such manifest") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text: {error}; save it as UTF-8 CSV") from error
    reader = csv.DictReader(text.splitlines())
    if reader.fieldnames is None or "path" not in reader.fieldnames:
        raise ManifestError(
            f"{path}, line 1: no column 'path' among {reader.fieldnames}; the first line must name "
            "the columns"
        )
    recordings, missing = [], []
    for row in reader:
        if not row["path"]:
            raise ManifestError(f"{path}, line {reader.line_num}: the path is empty")
        audio = folder / row["path"]  # an absolute path stays as it is
        if not audio.is_file():
            missing.append(f"line {reader.line_num}: {audio}")
        recordings.append(Recording(audio, {k: v for k, v in row.items() if k and k != "path"}))
    if missing:
        listed = "\n  ".join(missing[:10])
        raise ManifestError(
            f"{path}: {len(missing)} of {len(recordings)} recordings are not below {folder}; say "
            f"where they are:\n  {listed}"
        )
    if not recordings:
        raise ManifestError(f"{path}: no recordings after the first line")
    return recordings
