"""Measuring in a process of its own: a whole cell, or its peak of memory alone.

The memory that earlier cells have left behind, freed but still with the process, is not in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.child import ChildEndedError, answer_of
from fakemamba.bench.instruments.memory import CPU_KIND, PeakMemory, memory_ends_politely
from fakemamba.bench.measure import Measurable, Workload, find_peak_here
from fakemamba.bench.measurers import make_measurer, make_preparer
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome


def measure_in_child(cell: AnyCell, method: Method, timeout_s: float | None = None) -> Outcome:
    """Measure a cell in a new process.

    A process that dies, or takes longer than ``timeout_s``, gives the status ``failed``.
    """
    device = torch.device(cell.device)
    try:
        return answer_of(measure_alone, cell, method, device=device, timeout_s=timeout_s)
    except ChildEndedError as error:
        return Outcome(cell, "failed", str(error), traceback=error.said)


def find_peak_in_child(cell: Measurable, work: Workload, call: Callable[[], object]) -> PeakMemory:
    """A CPU cell's peak in a new process; a GPU's allocator has no need of one.

    A process that dies gives no peak, and the reason.
    """
    if work.device.type != "cpu":
        return find_peak_here(cell, work, call)
    try:
        return answer_of(find_peak_alone, cell, device=work.device)
    except ChildEndedError as error:
        return PeakMemory(None, None, CPU_KIND, f"where it was to be measured: {error}")


def measure_alone(cell: AnyCell, method: Method) -> Outcome:
    """What the new process does for `measure_in_child`."""
    return make_measurer(type(cell), method).measure(cell)


def find_peak_alone(cell: Measurable) -> PeakMemory:
    """What the new process does for `find_peak_in_child`."""
    work = make_preparer(type(cell)).prepare(cell)
    with memory_ends_politely(work.device):
        given = work.inputs()[0]
        work.run(given)  # loads what only a first call loads
        return find_peak_here(cell, work, lambda: work.run(given))
