"""Ctrl-C and SIGTERM: at any moment of a command, one line, and a shell's status: 130 or 143.

Within `as_exceptions` both signals raise `KeyboardInterrupt`, so that locks are let go of and what
is half written is removed. While a module is being imported they cannot, as the C code of NumPy,
torch and others prints a traceback of it, or drops it: the process then ends at once; or, if
something is to be unwound (`to_be_unwound`), when the import is over.

This module is loaded before all others, and imports next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from subprocess import Popen

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Of what a command does that has no way of its own to go on: files appear whole or not at all.
AGAIN = "interrupted; no file is half written: give the same command again"
AGAIN_AFTER_S = 0.05  # it is looked whether an import is over

_is_active = False
_number: int | None = None  # of the signal that came last
_blocks = 0  # that are to be unwound


@contextmanager
def as_exceptions() -> Iterator[None]:
    """SIGINT and SIGTERM alike raise `KeyboardInterrupt` in the block, and `status` tells which.

    One that is ignored, as a shell lets its jobs in the background ignore Ctrl-C, stays so. In a
    thread that is not the main one, which signals do not reach, this does nothing.
    """
    global _is_active, _number
    taken = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    try:
        before = {one: signal.signal(one, _on_signal) for one in (*taken, signal.SIGALRM)}
    except ValueError:
        yield
        return
    was_active, hook = _is_active, sys.unraisablehook
    _is_active, sys.unraisablehook = True, _raised_again(hook)
    _number = _number if was_active else None
    try:
        yield
    finally:
        _is_active, sys.unraisablehook = was_active, hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def to_be_unwound() -> Iterator[None]:
    """A block that has to end in order, by an exception, also if an import is interrupted in it."""
    global _blocks
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1


@contextmanager
def gone_on_with(remedy: str) -> Iterator[None]:
    """Say, if the block is interrupted and does not say so itself, how to go on.

    Raises:
        KeyboardInterrupt: it was; its text is the line that is to be shown.
    """
    try:
        yield
    except BaseException as error:
        is_interrupt = isinstance(error, KeyboardInterrupt)
        # Where a signal reached a whole group of processes, it may be a worker's end that is seen.
        if (is_interrupt and error.args) or not (is_interrupt or has_come()):
            raise
        raise KeyboardInterrupt(f"interrupted; {remedy}") from error


@contextmanager
def hidden_from_children() -> Iterator[None]:
    """Processes that are begun in the block do not see Ctrl-C; we do, and end them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def child(command: Sequence[str], **how: Any) -> Iterator[Popen[str]]:
    """A program that does not see Ctrl-C, and that is ended at the latest when the block is left.

    ``how`` it is begun is as for `subprocess.Popen`; what it says and is told is text.
    """
    import subprocess

    with ExitStack() as held:
        # Only while it begins: whoever waits for it in the block is to hear of a signal at once.
        with hidden_from_children():
            begun = subprocess.Popen(command, text=True, errors="replace", **how)
            process = held.enter_context(begun)
            held.callback(process.kill)
        yield process


def came(number: int) -> None:
    """Remember a signal within `as_exceptions`, also if somebody else handles it."""
    global _number
    if _is_active:
        _number = number


def has_come() -> bool:
    """Whether a signal came within the `as_exceptions` that lasts."""
    return _is_active and _number is not None


def status() -> int:
    """The exit status of a command that was interrupted, by the last signal: 130 or 143."""
    return 128 + (_number or signal.SIGINT)


def end_at_once() -> None:
    """Let a further signal in `as_exceptions` end this process: all that matters is on the disk."""
    if _is_active:
        for number in SIGNALS:
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, _leave_by)


def leave() -> NoReturn:
    """End this process now, with its children: no thread is waited for, nothing else is printed."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: it was being written to
            stream.flush()
    os._exit(status())


def is_first_rank() -> bool:
    """Whether this process is the one of several, as torchrun starts them, that speaks."""
    return os.environ.get("RANK", "0") == "0"


def _leave_by(number: int, frame: FrameType | None) -> None:
    came(number)
    leave()


def _on_signal(number: int, frame: FrameType | None) -> None:
    if number in SIGNALS:
        came(number)
    if not _is_import(frame):
        raise KeyboardInterrupt
    if _blocks == 0:
        if is_first_rank():
            os.write(2, f"fakemamba: {AGAIN}\n".encode())
        leave()
    signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_S)


def _is_import(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _raised_again(hook: Any) -> Any:
    """What raises an interrupt again that met a finalizer, where Python would go on without it."""

    def on_unraisable(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_S)
        else:
            hook(unraisable)

    return on_unraisable
