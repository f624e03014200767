"""Wall clock around a synchronised device."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all that was asked of it; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def synchronised(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """A call that returns when its work is done, not when it is queued."""

    def run() -> None:
        call()
        synchronise(device)

    return run


def time_once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call on an otherwise idle device."""
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start
