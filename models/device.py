"""Where to compute: a device by name, refused clearly where it is not there; whether it is full."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

# What torch says on a CPU; GPUs have an exception of their own.
CPU_OOM_MESSAGES = ("can't allocate memory", "not enough memory", "cannot allocate memory")


class DeviceError(ValueError):
    """The device that was asked for is not on this machine, or torch cannot use it."""


def resolve_device(name: str = "auto", *, ranks: int = 1) -> torch.device:
    """``auto`` is the first GPU if there is one, else the CPU; otherwise a name that torch knows.

    Raises:
        DeviceError: no such kind of device, no such device here, or one GPU by number for several
            ranks.
    """
    if ranks > 1 and ":" in name:
        raise DeviceError(
            f"device {name!r} is one for all ranks; give auto, cuda or cpu: each takes its own"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"device {name!r} is of no kind that torch knows; try cpu or cuda:0"
        ) from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(
                f"device {name!r} is not there: torch {torch.__version__} sees {count} CUDA GPUs "
                "here; use cpu, or install a CUDA build of torch and a driver"
            )
        return torch.device("cuda", device.index or 0)
    if device.type != "cpu":
        raise DeviceError(f"device {name!r} is not supported; use cpu or cuda:0")
    return device


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Nothing is cast to a lower precision inside, whatever is outside."""
    if device.type == "meta":  # nothing is computed there, and nothing is cast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ended."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(text in message for text in CPU_OOM_MESSAGES)
