"""One gate at a time: two on one machine would measure each other."""

from __future__ import annotations

import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fakemamba.locks import waiting_lock

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
    with waiting_lock(
        folder / NAME.format("machine"), "another gate", tell, shared=gpu is not None
    ):
        if gpu is None:
            yield
        else:
            with waiting_lock(folder / NAME.format(f"gpu-{gpu}"), "another gate", tell):
                yield


def _visible_gpu(device: str) -> str | None:
    """The GPU that ``cuda:N`` is, also where ``CUDA_VISIBLE_DEVICES`` renumbers them, or None."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number.isdecimal():
        return None
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    known = int(number) < len(visible)
    return visible[int(number)].strip().replace("/", "-") if known else number
