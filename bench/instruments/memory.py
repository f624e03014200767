"""Peak memory of one call: allocated bytes on a GPU, growth of the resident set on a CPU.

On Linux the kernel keeps a process's high-water mark of resident memory (``VmHWM``), and lets it be
reset through ``/proc/self/clear_refs``; the peak is exact, and no thread has to sample it.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from fakemamba.bench.instruments.nvml import NvmlUnavailableError, Reading, open_gpu

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"
GPU_KIND = "allocated on the GPU"
CPU_KIND = "resident growth on the CPU"

# Left to others, who may grow meanwhile; and what a process may always grow by.
_LEAST_RESERVE_BYTES, _RESERVED_SHARE = 1 << 30, 0.05
_LEAST_GROWTH_BYTES = 64 << 20


@dataclass(frozen=True)
class PeakMemory:
    """Of one call. ``peak_bytes`` is None with a ``reason`` where it cannot be known.

    On a GPU ``peak_bytes`` is all that was allocated, weights included, ``baseline_bytes`` what was
    allocated before, ``reserved_bytes`` what torch had taken from the driver for it, and
    ``process_bytes`` what the driver says that the process holds, CUDA's own context included. On a
    CPU ``peak_bytes`` is growth over ``baseline_bytes``, the resident set before.
    """

    peak_bytes: int | None
    baseline_bytes: int | None
    kind: str
    reason: str | None = None
    reserved_bytes: int | None = None
    process_bytes: int | None = None
    process_bytes_reason: str | None = None

    @property
    def activation_bytes(self) -> int | None:
        """What the call itself needed at its peak, beyond weights and inputs."""
        if self.peak_bytes is None or self.baseline_bytes is None:
            return None
        on_gpu = self.kind == GPU_KIND
        return self.peak_bytes - self.baseline_bytes if on_gpu else self.peak_bytes

    def figures(self) -> dict[str, Any]:
        """As a cell's details."""
        return {
            "peak_bytes": self.peak_bytes,
            "activation_bytes": self.activation_bytes,
            "baseline_bytes": self.baseline_bytes,
            "reserved_bytes": self.reserved_bytes,
            "process_bytes": self.process_bytes,
            "process_bytes_reason": self.process_bytes_reason,
            "peak_bytes_kind": self.kind,
            "peak_bytes_reason": self.reason,
        }


def measure_peak(call: Callable[[], object], device: torch.device) -> PeakMemory:
    """Run ``call`` once and return its peak memory."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        baseline = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        process = _process_bytes(device)
        return PeakMemory(
            torch.cuda.max_memory_allocated(device),
            baseline,
            GPU_KIND,
            reserved_bytes=torch.cuda.max_memory_reserved(device),
            process_bytes=process.value,
            process_bytes_reason=process.reason,
        )
    gc.collect()
    try:
        _return_free_pages()
        _CLEAR_REFS.write_text(_RESET_PEAK)
        baseline = _resident_bytes("VmRSS")
    except OSError as error:
        call()
        return PeakMemory(
            None, None, CPU_KIND, f"the peak of resident memory is not readable: {error}"
        )
    call()
    return PeakMemory(max(0, _resident_bytes("VmHWM") - baseline), baseline, CPU_KIND)


def _process_bytes(device: torch.device) -> Reading[int]:
    try:
        with open_gpu(device) as gpu:
            return gpu.process_memory_bytes()
    except NvmlUnavailableError as error:
        return Reading(None, str(error))


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
    could_hold = _resident_bytes("RssAnon") + memory.available - reserve
    return max(could_hold, _resident_bytes("VmData") + _LEAST_GROWTH_BYTES)


def _resident_bytes(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {_STATUS}")


def _return_free_pages() -> None:
    """Let glibc give freed memory back, or the next call would reuse it unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
