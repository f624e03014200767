"""The scans alone: every backend of this machine, forward and backward, with its error."""

from collections.abc import Callable

from fakemamba.bench.cells import ScanCell


def bench_scan(scan_cell: ScanCell, measure: Callable[[ScanCell], None]) -> None:
    """One cell: a scan by a backend at one length, batch, precision, in one or both directions."""
    measure(scan_cell)
