"""Files: what is read has to be one, and what is written appears whole or not at all.

An output that is a link is written where it points, and one that is a device or a pipe
(``/dev/stdout``) is written to: neither is replaced by a file.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from fakemamba.interrupts import to_be_unwound

LONGEST_NAME = 255  # bytes, on all common file systems
SURROGATE = re.compile("[\ud800-\udfff]")  # in a name that is not UTF-8, as Python reads it
STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
STREAM = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
# Errors of a disk, a quota or a limit, as libraries repeat them in errors of their own kinds.
FULL_DISK = {os.strerror(one): one for one in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)}


def kind_of(path: str | Path) -> str | None:
    """What is at a path, links followed, in words: ``a file``, ``a folder``, ...; None if nothing.

    Raises:
        OSError: it cannot be looked at.
        ValueError: no file can have this name.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    kinds = {
        "a file": stat.S_ISREG,
        "a folder": stat.S_ISDIR,
        "a pipe": stat.S_ISFIFO,
        "a socket": stat.S_ISSOCK,
        "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    }
    return next((name for name, holds in kinds.items() if holds(mode)), "no file")


def require_file(path: str | Path, error: type[ValueError], wanted: str = "name a file") -> None:
    """Refuse, before it is opened, what is no file: a pipe would be waited for for ever.

    Args:
        path: to be read.
        error: what is raised of it.
        wanted: the remedy.

    Raises:
        error: nothing is there, or a folder, pipe, socket or device is, or it cannot be looked at.
    """
    try:
        kind = kind_of(path)
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror or fault}; {wanted}") from fault
    except ValueError as fault:
        raise error(f"{str(path)!r} is no file's name ({fault}); {wanted}") from fault
    if kind is None:
        raise error(f"{path}: no such file; {wanted}")
    if kind != "a file":
        raise error(f"{path} is {kind}, not a file; {wanted}")


def require_place(path: str | Path, error: type[ValueError]) -> None:
    """Refuse, before the work, an output that has others beside it and can be no file.

    Raises:
        error: it is a folder, pipe, socket, device or stream.
    """
    kind = "a stream" if stream_of(path) is not None else kind_of(path)
    if kind not in (None, "a file"):
        raise error(f"{path} is {kind}, and what is written has a journal beside it; name a file")


def stream_of(path: str | Path) -> int | None:
    """The open file of this process that a path stands for, such as ``/dev/stdout``, if it does."""
    found = STREAM.fullmatch(str(path))
    return int(found[1]) if found else STREAMS.get(str(path))


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name the file that is written in errors that do not, as that of a full disk.

    Raises:
        OSError: instead of the error in the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename and error.errno not in FULL_DISK.values()):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except Exception as error:  # safetensors, torch and Arrow have errors of their own
        number = next((one for text, one in FULL_DISK.items() if text in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A path to write to, beside ``path``, that takes its place when the block ends without error.

    Folders are made. If the block fails, ``path`` stays as it was and what was written is removed.

    Raises:
        OSError: the file cannot be written; it is named also where the disk is full.
    """
    path = Path(path)
    stream = stream_of(path)
    goal = path.resolve() if path.is_symlink() and stream is None else path
    kind = kind_of(goal)
    if kind not in (None, "a file", "a pipe", "a device"):
        raise OSError(f"{path} is {kind} and cannot be written; name a file")
    with to_be_unwound(), naming(path):
        if stream is not None or kind in ("a pipe", "a device"):
            with tempfile.TemporaryDirectory() as folder:
                written = Path(folder) / path.name
                yield written
                place = goal if stream is None else os.dup(stream)  # to open it would cut it
                with written.open("rb") as source, open(place, "wb") as sink:  # noqa: PTH123
                    shutil.copyfileobj(source, sink)
            return
        goal.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(goal, "partial")
        try:
            yield partial
            partial.replace(goal)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def appearing_folder(folder: Path, *, is_main: bool = True) -> Iterator[Path]:
    """A folder to write to, beside ``folder``, that gets its name when the block ends well.

    What ``folder`` was before is removed then. Every rank of a run may write to it. Only the main
    one's makes it, and gives it its name: between them and the others there must be barriers.

    Raises:
        OSError: it cannot be made, or renamed.
    """
    partial = beside(folder, "partial")
    if is_main:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        yield partial
        if is_main:
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    except BaseException:
        if is_main:
            shutil.rmtree(partial, ignore_errors=True)
        raise


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write bytes, or a text in UTF-8, whole or not at all.

    Raises:
        OSError: as `atomic_write`.
    """
    with atomic_write(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def write_csv(path: str | Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table, whole or not at all.

    Raises:
        OSError: as `atomic_write`.
    """
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, whole or not at all; numbers keep all their digits, names their odd bytes.

    Raises:
        OSError: as `atomic_write`.
        ValueError: NaN or infinity, which JSON does not have.
    """
    write_whole(path, json_text(content) + "\n")


def json_text(content: Any) -> str:
    """JSON for files, as `write_json` has it, without its line end.

    Raises:
        ValueError: NaN or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return SURROGATE.sub(lambda found: rf"\u{ord(found.group()):04x}", text)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of several files, with their names.

    Raises:
        OSError: one cannot be read.
    """
    lines = "".join(f"{path.name} {file_sha256(path)}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder, which has no folders in it."""
    return sum(one.stat().st_size for one in folder.iterdir())


def packaged(package: str, folder: str, suffix: str) -> dict[str, Path]:
    """The files of a kind that come with a package, by their names without the suffix, in order."""
    found = Path(str(resources.files(package) / folder)).glob(f"*{suffix}")
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def user_cache_folder(name: str) -> Path:
    """Where this package keeps what it can make again: a folder of it in the user's, as XDG has it.

    Raises:
        OSError: there is none.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named) / "fakemamba" / name
    try:
        return Path.home() / ".cache" / "fakemamba" / name
    except RuntimeError as error:
        raise OSError(str(error)) from error


def append(path: str | Path, text: str, *, is_on_disk: bool = False) -> None:
    """Append to a file; when this returns, the system has it, or the disk if that is wanted.

    Raises:
        OSError: a part of it at most was written; the file is named.
    """
    with naming(path), Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
        if is_on_disk:
            file.flush()
            os.fsync(file.fileno())


def beside(path: Path, role: str) -> Path:
    """The hidden file of a role (``partial``, ``lock``) beside a file, also if its name is long."""
    name = f".{path.name}.{role}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.{role}"
    return path.with_name(name)
