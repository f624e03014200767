"""Files that an engine runs, kept in the user's cache folder by all that they were made of.

What is there in part, damaged, or of anything else is made again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fakemamba.files import appearing_folder, bytes_in, file_sha256, user_cache_folder
from fakemamba.locks import waiting_lock
from fakemamba.records import Stamp, content_sha256, kept_record, write_sealed

log = logging.getLogger(__name__)

STAMP: Stamp = {"kind": "fakemamba-engine-files", "schema": 1}
FOLDER, LOCK, RECORD = "engines", ".lock", "made-of.json"
MOST_BYTES = 16 << 30  # of all that is kept: then what was used longest ago goes


@dataclass(frozen=True)
class _Kept:
    made_of: dict[str, str]
    files: dict[str, str]  # SHA-256 by name


@contextmanager
def kept_files(
    made_of: Mapping[str, str], make: Callable[[Path], None]
) -> Iterator[tuple[Path, bool]]:
    """A folder of files that are there while the block lasts, and whether they were kept.

    Of several processes that want the same ones, one makes them and the others wait. Where nothing
    can be kept, they are made in a temporary folder.

    Args:
        made_of: all that the files depend on.
        make: writes them into a folder.
    """
    wanted = dict(made_of)
    with ExitStack() as held:
        try:
            top = user_cache_folder(FOLDER)
            folder = top / content_sha256(wanted)[:32]
            held.enter_context(waiting_lock(top / LOCK, "another making of engine files", log.info))
            is_kept = _is_kept(folder, wanted)
            if not is_kept:
                with appearing_folder(folder) as partial:
                    make(partial)
                    files = {one.name: file_sha256(one) for one in sorted(partial.iterdir())}
                    write_sealed(partial / RECORD, STAMP | asdict(_Kept(wanted, files)))
            (folder / RECORD).touch()
            _make_room(top, folder)
        except OSError as error:
            log.info("files of an engine cannot be kept: %s", error)
            folder, is_kept = Path(held.enter_context(TemporaryDirectory())), False
            make(folder)
        yield folder, is_kept


def _is_kept(folder: Path, wanted: dict[str, str]) -> bool:
    found = kept_record(folder / RECORD, _Kept, STAMP)
    return (
        found is not None
        and found.made_of == wanted
        and all(
            (folder / name).is_file() and file_sha256(folder / name) == digest
            for name, digest in found.files.items()
        )
    )


def _make_room(top: Path, used: Path) -> None:
    """Remove what was used longest ago, until the rest is not too much."""
    records = {one.parent: one.stat().st_mtime for one in top.glob(f"*/{RECORD}")}
    total = 0
    for folder in sorted(records, key=lambda one: (one != used, -records[one])):
        total += bytes_in(folder)
        if total > MOST_BYTES and folder != used:
            shutil.rmtree(folder)
