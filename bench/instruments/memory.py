"""Peak memory of one call as torch's allocators count it: the same to the byte each time.

A GPU's allocator keeps its peak. A CPU's tells torch's profiler of every allocation and free in the
calling thread, with address and size. What others take for themselves it does not see: scratch of
oneDNN and BLAS, and of numba's kernels; `fakemamba.bench.instruments.resident` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.profiler import profile
from torch.autograd.profiler_util import MEMORY_EVENT_NAME
from torch.profiler import kineto_available

from fakemamba.bench.instruments.clock import no_garbage_collection
from fakemamba.nvml import NvmlUnavailableError, Reading, open_gpu

GPU_KIND = "allocated on the GPU"
CPU_KIND = "allocated by torch on the CPU, without scratch of its libraries and of numba"


@dataclass(frozen=True)
class PeakMemory:
    """Of one call. ``peak_bytes`` is None with a ``reason`` where it cannot be known.

    On a GPU ``peak_bytes`` is all that was allocated, weights included, ``baseline_bytes`` what was
    allocated before, ``reserved_bytes`` what torch had taken from the driver for it, and
    ``process_bytes`` what the driver says that the process holds, CUDA's own context included. On a
    CPU ``peak_bytes`` is what the call allocated and had not freed yet; nobody knows what was
    allocated before, so ``baseline_bytes`` is None.
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
            return self.peak_bytes
        return self.peak_bytes - self.baseline_bytes

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
    """Run ``call`` once, on a CPU under a profiler and so slower, and return its peak memory."""
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
    if not kineto_available():
        call()
        return PeakMemory(None, None, CPU_KIND, "this build of torch has no profiler (Kineto)")
    return PeakMemory(most_held_bytes(_allocations(call)), None, CPU_KIND)


def most_held_bytes(allocations: Iterable[tuple[int, int]]) -> int:
    """The most bytes that were held at once.

    Args:
        allocations: addresses and bytes in the order of time, less than 0 where they were freed.
            Only what was allocated here is ever subtracted: a free of what was there before, or
            the profiler's size of an earlier block at the same address, hides no growth.
    """
    held_bytes: dict[int, int] = {}
    now_bytes = most_bytes = 0
    for address, size_bytes in allocations:
        now_bytes -= held_bytes.pop(address, 0)  # freed now, or unseen before it was taken again
        if size_bytes > 0:
            held_bytes[address] = size_bytes
            now_bytes += size_bytes
            most_bytes = max(most_bytes, now_bytes)
    return most_bytes


def _allocations(call: Callable[[], object]) -> list[tuple[int, int]]:
    """Run ``call``; addresses and bytes of what torch's CPU allocator did meanwhile, in order."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or each profile writes two lines to stderr
    with no_garbage_collection(), profile(profile_memory=True) as profiler:
        call()
    found: list[tuple[int, int, int]] = []
    events: list[Any] = profiler.kineto_results.experimental_event_tree()
    while events:
        event = events.pop()
        events += event.children
        if event.name == MEMORY_EVENT_NAME:
            fields = event.extra_fields
            found.append((event.start_time_ns, fields.ptr, fields.alloc_size))
    return [(address, size_bytes) for _, address, size_bytes in sorted(found)]


def _process_bytes(device: torch.device) -> Reading[int]:
    try:
        with open_gpu(device) as gpu:
            return gpu.process_memory_bytes()
    except NvmlUnavailableError as error:
        return Reading(None, str(error))
