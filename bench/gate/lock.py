"""One gate at a time: two on one machine would measure each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

NAME = "fakemamba-gate-{}.lock"


def device_asked_for(arguments: Sequence[str]) -> str:
    """The device that a sweep's options name: the last ``--bench-device``, else ``auto``."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--bench-device", default="auto")
    return str(parser.parse_known_args(arguments)[0].bench_device)


@contextmanager
def device_lock(
    device: str, tell: Callable[[str], None], folder: Path | None = None
) -> Iterator[None]:
    """Hold a device for the length of a block; waits, with a word, while another gate has it.

    A GPU that is named by its number (``cuda:1``) is held alone, and gates on other such GPUs may
    run beside it. Any other device (``auto``, ``cuda``, ``cpu``) is held with the whole machine.

    Args:
        device: as in ``--bench-device``.
        tell: is told what is waited for.
        folder: of the lock files, the same for all gates (default: of temporary files).

    Raises:
        OSError: the lock file cannot be opened.
    """
    gpu, folder = _visible_gpu(device), folder or Path(tempfile.gettempdir())
    with lock(folder / NAME.format("machine"), tell, shared=gpu is not None):
        if gpu is None:
            yield
        else:
            with lock(folder / NAME.format(f"gpu-{gpu}"), tell):
                yield


@contextmanager
def lock(path: Path, tell: Callable[[str], None], shared: bool = False) -> Iterator[None]:
    """Hold a file, alone or with others that share it; waits, with a word, while another has it.

    The kernel lets go of it when the process ends, however it ends.

    Raises:
        OSError: the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kind, file = fcntl.LOCK_SH if shared else fcntl.LOCK_EX, _open(path)
    try:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waiting for another gate to end ({path})")
            fcntl.flock(file, kind)
        yield
    finally:
        os.close(file)


def _visible_gpu(device: str) -> str | None:
    """The GPU that ``cuda:N`` is, also where ``CUDA_VISIBLE_DEVICES`` renumbers them, or None."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number.isdecimal():
        return None
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    known = int(number) < len(visible)
    return visible[int(number)].strip().replace("/", "-") if known else number


def _open(path: Path) -> int:
    """Open for locking; never through a link, as anybody may write to a folder of temporary files.

    A file of another user is only read: some systems refuse to open it in a way that could make it.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
