"""Measuring a cell in a process of its own.

The memory that earlier cells have left behind, freed but still with the process, is not in it.
"""

from __future__ import annotations

import torch

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.child import ChildEndedError, answer_of
from fakemamba.bench.measuring.measurers import make_measurer
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


def measure_alone(cell: AnyCell, method: Method) -> Outcome:
    """What the new process does for `measure_in_child`."""
    return make_measurer(type(cell), method).measure(cell)
