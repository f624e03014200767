"""Both scans by themselves, by every backend in turns, each with its error against float64."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from fakemamba.bench.cells import ScanCell
from fakemamba.bench.instruments.clock import time_once
from fakemamba.bench.measuring.scan_workload import SCANS, SIZES, ScanPreparer


@dataclass(frozen=True)
class ScanTime:
    """One scan of both directions by one backend: median latency, its ratio to the fastest one's,
    and the relative error of its output."""

    scan: str
    num_frames: int
    backend: str
    latency_s: float
    slowdown: float
    relative_error: float


def measure_scans(
    num_frames: int, backends: Sequence[str], rounds: int, device: torch.device
) -> list[ScanTime]:
    """Time the scans at one length, batch 1, fp32, forward, directions with shared weights."""
    rows = []
    for scan in SCANS:
        cells = {
            backend: ScanCell(
                *(backend, num_frames, 1, "fp32", "both-shared", "forward", str(device)),
                channels=SIZES[scan][0],
                states=SIZES[scan][1],
                scan=scan,
            )
            for backend in backends
        }
        works = {backend: ScanPreparer().prepare(cell) for backend, cell in cells.items()}
        errors = {b: work.error(work.run(work.given[0]))[0] for b, work in works.items()}
        latencies_s: dict[str, list[float]] = {backend: [] for backend in backends}
        for _ in range(rounds):
            for backend, work in works.items():
                call = partial(work.run, work.given[0])
                latencies_s[backend].append(time_once(call, device))
        medians = {backend: statistics.median(times) for backend, times in latencies_s.items()}
        best = min(medians.values())
        rows += [
            ScanTime(
                *(scan, num_frames, backend, medians[backend], medians[backend] / best),
                errors[backend],
            )
            for backend in sorted(backends, key=medians.__getitem__)
        ]
    return rows
