"""Latency, memory and real-time factor of detectors: the sweep that ``--bench-*`` describes."""

from collections.abc import Callable

from fakemamba.bench.cells import Cell


def bench_detector(cell: Cell, measure: Callable[[Cell], None]) -> None:
    """One cell: a part of a detector at one duration; see the options under "fakemamba sweep"."""
    measure(cell)
