"""Locks on files, which the kernel lets go of when a process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fakemamba.files import beside, kind_of, naming
from fakemamba.interrupts import to_be_unwound

LOCK = ".lock"  # of a folder, in it

_held_here: set[int] = set()  # open files


class BusyError(ValueError):
    """Another process is writing this output; the message says which, and what to do."""


@contextmanager
def sole_writer(
    out: str | Path, *, is_folder: bool = False, is_first: bool = True
) -> Iterator[None]:
    """Hold an output that is written bit by bit, from the first look at it to the last write.

    The lock is a hidden file beside a file, ``.NAME.lock``, or in a folder, ``.lock``, with the
    number of its process in it; it goes when the block ends.

    Args:
        out: a file or a folder.
        is_folder: it is a folder, and is made if it is not there; if nothing is in it when the
            block ends, it goes again.
        is_first: of several ranks that write it together, only the first holds it.

    Raises:
        BusyError: another process holds it.
        OSError: there can be no lock here, or a file is where a folder is to be.
    """
    if not is_first:
        yield
        return
    out = Path(out)
    place = out.resolve()  # by whichever name or link it is called
    kind = kind_of(place)
    if is_folder and kind not in (None, "a folder"):
        raise OSError(f"{out} is {kind}; name a folder")
    path = place / LOCK if is_folder or kind == "a folder" else beside(place, "lock")
    with to_be_unwound():
        file = _held(path, out)
        _held_here.add(file)
        try:
            with naming(out):
                os.ftruncate(file, 0)
                os.write(file, str(os.getpid()).encode())
            yield
        finally:
            path.unlink(missing_ok=True)
            _held_here.remove(file)
            os.close(file)
            if is_folder and kind is None:
                with suppress(OSError):  # something is in it, which is the rule
                    place.rmdir()


@contextmanager
def waiting_lock(
    path: Path, holder: str, tell: Callable[[str], None], shared: bool = False
) -> Iterator[None]:
    """Hold a file, alone or with others that share it; waits, with a word, while another has it.

    Args:
        path: of the file; it stays.
        holder: what is waited for, such as ``another gate``.
        tell: of that.
        shared: with others that share it, too.

    Raises:
        OSError: the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kind, file = fcntl.LOCK_SH if shared else fcntl.LOCK_EX, _opened_to_read(path)
    try:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waiting for {holder} to end ({path})")
            fcntl.flock(file, kind)
        yield
    finally:
        os.close(file)


def _held(path: Path, out: Path) -> int:
    """The open lock of an output; the file may go, with its last holder, while we open it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # the folder, too, goes with its last holder
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            number = os.read(file, 32).decode(errors="replace") or "?"
            os.close(file)
            raise BusyError(
                f"{out} is being written by another process ({number}); wait until it has ended, "
                "or name another output"
            ) from None
        os.close(file)


def _opened_to_read(path: Path) -> int:
    """Open for locking; never through a link, as anybody may write to a folder of temporary files.

    A file of another user is only read: some systems refuse to open it in a way that could make it.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def _forget() -> None:
    """In a forked process, which would hold its parent's locks after the parent was killed."""
    while _held_here:
        os.close(_held_here.pop())


os.register_at_fork(after_in_child=_forget)
