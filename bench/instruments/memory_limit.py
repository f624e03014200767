"""The end of a CPU's memory as an exception, not as the kernel's SIGKILL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

_STATUS = Path("/proc/self/status")

# Left to others, who may grow meanwhile; and what a process may always grow by.
_LEAST_RESERVE_BYTES, _RESERVED_SHARE = 1 << 30, 0.05
_LEAST_GROWTH_BYTES = 64 << 20


@contextmanager
def memory_ends_politely(device: torch.device) -> Iterator[None]:
    """Make a CPU allocation that the machine cannot hold fail as an exception.

    Linux promises more memory than there is and kills whoever uses it. Inside, the process's data
    may grow to what it uses and what is available now, less a reserve for others. Does nothing on a
    GPU or off Linux.
    """
    if device.type != "cpu" or sys.platform != "linux":
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_DATA)
    hard = limits[1]
    limit = _data_limit_bytes()
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def _data_limit_bytes() -> int:
    """Counted from what is resident: mapped memory that is not in use yet may still come to be."""
    memory = psutil.virtual_memory()
    reserve = max(_LEAST_RESERVE_BYTES, int(memory.total * _RESERVED_SHARE))
    could_hold = status_bytes("RssAnon") + memory.available - reserve
    return max(could_hold, status_bytes("VmData") + _LEAST_GROWTH_BYTES)


def status_bytes(name: str) -> int:
    """A size of this process, as the kernel names it.

    Raises:
        OSError: there is no such size here.
    """
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {_STATUS}")
