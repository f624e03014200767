"""What measures, and what prepares, each kind of cell."""

from __future__ import annotations

from typing import Any, Protocol

from fakemamba.bench.cells import AnyCell, LimitCell, ScanCell
from fakemamba.bench.measuring.measure import Measurer, Preparer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.scan_workload import ScanPreparer
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.sweep.limits import LimitMeasurer


class CellMeasurer(Protocol):
    """Measures cells of one kind."""

    def measure(self, cell: Any) -> Outcome:
        """How the cell ended."""
        ...


def make_measurer(kind: type[AnyCell], method: Method) -> CellMeasurer:
    """What measures cells of a kind in this process."""
    measurer = Measurer(method, make_preparer(kind))
    return LimitMeasurer(measurer) if kind is LimitCell else measurer


def make_preparer(kind: type[AnyCell]) -> Preparer:
    """What makes the workloads of a kind of cell."""
    return ScanPreparer() if kind is ScanCell else WorkloadCache()
