"""Published weights of the hub to a detector's folder, with a record of where they came from.

The record pins them: the same name is not replaced there by another commit or other content unless
that is asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakemamba.files import kind_of, write_json
from fakemamba.models.checkpoints import CONFIG_NAME, check_files, save_pretrained
from fakemamba.models.hub import NEWEST, HubFile, download, look_up
from fakemamba.models.official import convert_official
from fakemamba.models.weight_files import CheckpointError
from fakemamba.models.weight_sources import WeightSource
from fakemamba.records import Stamp, read_record

RECORD_NAME = "source.json"
STAMP: Stamp = {"kind": "fakemamba-source", "schema": 1}
_REMEDY = "name another folder with --out"


@dataclass(frozen=True)
class Origin:
    """Where the weights of a folder came from.

    Attributes:
        name: of the published weights.
        repository: of the hub.
        revision: the commit.
        sha256: of each downloaded file, by its name.
        licence: in words, with whether it allows commercial use.
        fetched: when, in UTC, as ISO 8601 has it.
    """

    name: str
    repository: str
    revision: str
    sha256: dict[str, str]
    licence: str
    fetched: str


def pinned(source: WeightSource, folder: Path) -> Origin | None:
    """Where a folder's weights came from; None where it has none yet.

    Raises:
        CheckpointError: it has others, or its record cannot be read.
    """
    if (kind := kind_of(folder)) not in (None, "a folder"):
        raise CheckpointError(f"{folder} is {kind}, not a folder; {_REMEDY}")
    record = folder / RECORD_NAME
    if kind_of(record) is None:
        if kind_of(folder / CONFIG_NAME) is not None:
            raise CheckpointError(f"{folder} holds a detector that was not fetched; {_REMEDY}")
        return None
    origin = read_record(record, Origin, CheckpointError, _REMEDY, stamp=STAMP)
    if origin.name != source.name:
        raise CheckpointError(f"{folder} holds {origin.name}, not {source.name}; {_REMEDY}")
    return origin


def look_up_all(
    source: WeightSource, revision: str | None, pin: Origin | None
) -> tuple[list[HubFile], dict[str, str]]:
    """What the hub says of all files of a source, at one commit, and the SHA-256 that are known.

    Known is what was fetched at this commit, or else, unless a revision is asked for, what others
    had.

    Args:
        source: of the hub.
        revision: what is asked for; None for the source's, or the newest.
        pin: what the folder has.

    Raises:
        HubError: as `look_up`.
        CheckpointError: it is not what is pinned or known.
    """
    first = look_up(source.hub, source.files[0], revision or source.revision or NEWEST)
    is_pinned = pin is not None and first.commit == pin.revision
    if pin is not None and revision is None and not is_pinned:
        raise CheckpointError(
            f"{source.hub} has revision {first.commit} now, and {source.name} was fetched at "
            f"{pin.revision}: say --revision {first.commit} to replace it, or keep what there is"
        )
    others = [look_up(source.hub, name, first.commit) for name in source.files[1:]]
    if pin is not None and is_pinned:
        known = pin.sha256
    else:
        known = source.sha256 if revision is None else {}
    files = [first, *others]
    for file in files:
        _compare(file, file.sha256, known)
    return files, known


def is_there(folder: Path, files: list[HubFile], pin: Origin | None) -> bool:
    """Whether a folder has the weights of these files already."""
    if pin is None or pin.revision != files[0].commit:
        return False
    try:
        check_files(folder)
    except CheckpointError:
        return False
    return True


def fetch_to(
    source: WeightSource, folder: Path, files: list[HubFile], known: dict[str, str]
) -> Origin:
    """Download files, convert them, and write the folder and its record.

    Args:
        source: of the hub.
        folder: to write to.
        files: of `look_up_all`, as is ``known``.
        known: their SHA-256.

    Raises:
        HubError: as `download`.
        CheckpointError: a file is not what is known, or is no checkpoint of the detector.
        OSError: something cannot be written.
    """
    paths: list[Path] = []
    sha256: dict[str, str] = {}
    for file in files:
        path, sha256[file.name] = download(file)
        _compare(file, sha256[file.name], known)
        paths.append(path)
    options: dict[str, Any] = dict(source.options)
    detector = convert_official(paths, source.detector, **options)
    fetched = datetime.now(UTC).isoformat(timespec="seconds")
    origin = Origin(source.name, source.hub, files[0].commit, sha256, source.terms, fetched)
    for name in (RECORD_NAME, CONFIG_NAME):  # if it is killed, neither is beside others
        (folder / name).unlink(missing_ok=True)
    save_pretrained(detector, folder)
    write_json(folder / RECORD_NAME, {**STAMP, **asdict(origin)})
    return origin


def _compare(file: HubFile, sha256: str | None, known: dict[str, str]) -> None:
    """Refuse content that is not what is known."""
    wanted = known.get(file.name)
    if None not in (wanted, sha256) and wanted != sha256:
        raise CheckpointError(
            f"{file.name} of {file.repository} has the SHA-256 {sha256} at revision {file.commit}, "
            f"but is known with {wanted}: it was replaced. If you trust it, say --revision "
            f"{file.commit}, and another folder with --out"
        )
