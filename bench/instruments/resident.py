"""Growth of the resident set by one call, in a process of its own: all memory, whoever takes it.

On Linux the kernel keeps a process's high-water mark of resident memory (``VmHWM``), and lets it be
reset through ``/proc/self/clear_refs``, so no thread has to sample it. In a process that has run
other work, memory that this left behind, freed but still with the process, would hide growth.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fakemamba.bench.child import ChildEndedError, answer_of
from fakemamba.bench.instruments.memory_limit import memory_ends_politely, status_bytes
from fakemamba.nvml import Reading

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def resident_growth(make_preparer: Callable[[], Any], cell: Any) -> Reading[int]:
    """Bytes by which a call of a cell grows the resident set of a new process, after one like it.

    Args:
        make_preparer: a class, so that the process can find it; makes what prepares the cell.
        cell: on a CPU, or there is no figure, but a reason; also where the process dies.
    """
    device = torch.device(cell.device)
    if device.type != "cpu":
        return Reading(None, f"measured on a CPU; on a {device.type} device memory is the driver's")
    try:
        growth: Reading[int] = answer_of(_growth_alone, make_preparer, cell, device=device)
    except ChildEndedError as error:
        return Reading(None, f"where it was to be measured: {error}")
    return growth


def measure_growth(call: Callable[[], object]) -> Reading[int]:
    """Run ``call`` once; bytes by which this process's resident set grew at its peak."""
    gc.collect()
    try:
        _return_free_pages()
        _CLEAR_REFS.write_text(_RESET_PEAK)
        before_bytes = status_bytes("VmRSS")
    except OSError as error:
        call()
        return Reading(None, f"the peak of resident memory is not readable: {error}")
    call()
    return Reading(max(0, status_bytes("VmHWM") - before_bytes))


def _growth_alone(make_preparer: Callable[[], Any], cell: Any) -> Reading[int]:
    """What the new process does."""
    work = make_preparer().prepare(cell)
    with memory_ends_politely(work.device):
        given = work.inputs()[0]
        work.run(given)  # loads what only a first call loads
        return measure_growth(lambda: work.run(given))


def _return_free_pages() -> None:
    """Let glibc give freed memory back, or the next call would reuse it unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
