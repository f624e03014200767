"""How much is lost where a scan kernel is not available: every backend against the best here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.clock import time_once
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.models.scan.mixer import has_scan


@dataclass(frozen=True)
class Degradation:
    """One part with one backend: median latency, and its ratio to the fastest backend's."""

    part: str
    backend: str
    latency_s: float
    slowdown: float
    max_abs_error: float


def measure_degradation(
    cell: Cell, parts: Sequence[str], backends: Sequence[str], rounds: int
) -> list[Degradation]:
    """Time the parts of a detector with every backend, in turns, so that all see the same machine.

    Args:
        cell: detector, front-end, duration and device; part and backend are replaced.
        parts: of a cell.
        backends: of the scan; ``reference`` among them or not, errors are against it.
        rounds: timed calls of each, after one that is not timed.
    """
    cache = WorkloadCache()
    rows = []
    scans = cache.prepare(replace(cell, part=parts[-1], backend="none"))
    if not has_scan(scans.detector):
        raise ValueError(f"{cell.detector} has no scan that could be run in several ways")
    for part in parts:
        reference = cache.prepare(replace(cell, part=part, backend="reference"))
        truth = reference.run(reference.inputs()[0])
        latencies_s: dict[str, list[float]] = {backend: [] for backend in backends}
        errors = {}
        for turn in range(rounds + 1):
            for backend in backends:
                work = cache.prepare(replace(cell, part=part, backend=backend))
                call = partial(work.run, work.inputs()[0])
                if turn == 0:
                    errors[backend] = float((call().float() - truth.float()).abs().max())
                else:
                    latencies_s[backend].append(time_once(call, work.device))
        medians = {backend: statistics.median(times) for backend, times in latencies_s.items()}
        best = min(medians.values())
        rows += [
            Degradation(part, backend, medians[backend], medians[backend] / best, errors[backend])
            for backend in sorted(backends, key=medians.__getitem__)
        ]
    return rows
