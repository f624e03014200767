"""The files of a folder with their SHA-256, so that damage is found before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from fakemamba.files import file_sha256
from fakemamba.records import read_record, write_sealed

FILE_NAME = "sha256.json"


def write_manifest(folder: Path) -> None:
    """Write down what is in a folder, and below it.

    Raises:
        OSError: a file cannot be read, or this one not written.
    """
    write_sealed(folder / FILE_NAME, _hashes(folder))


def check_manifest(folder: Path, error: type[ValueError], remedy: str) -> None:
    """Refuse a folder that is not as it was written down.

    Args:
        folder: that `write_manifest` was called for.
        error: what is raised of it.
        remedy: what to do where it is not so.

    Raises:
        error: a file is missing, or there is another one, or one has other content.
    """
    wanted = read_record(folder / FILE_NAME, dict[str, str], error, remedy, is_sealed=True)
    try:
        found = _hashes(folder)
    except OSError as fault:
        raise error(f"{folder} cannot be read ({fault}); {remedy}") from fault
    for name in sorted({*wanted, *found}):
        if name not in found:
            raise error(f"{folder / name} is missing; {remedy}")
        if name not in wanted:
            raise error(f"{folder / name} was not there when {folder.name} was written; {remedy}")
        if found[name] != wanted[name]:
            raise error(f"{folder / name} is damaged: its SHA-256 is another one; {remedy}")


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in paths
        if path != folder / FILE_NAME
    }
