"""One cell measured: first call, memory, warm-up, timed rounds; and a record whatever happens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from fakemamba.bench.cells import AnyCell, Outcome
from fakemamba.bench.instruments.clock import synchronised, time_once
from fakemamba.bench.instruments.memory import is_out_of_memory, measure_peak, memory_ends_politely
from fakemamba.models.detector import UnsupportedInputError


class Workload(Protocol):
    """One cell, ready to run."""

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        ...

    def run(self) -> Tensor:
        """Do the work once and return its output."""
        ...

    def check(self, output: Tensor) -> dict[str, Any]:
        """Figures about an output (its error, ...); raises ArithmeticError if it has no worth."""
        ...

    def figures(self, latency_s: float) -> dict[str, Any]:
        """Figures that follow from the latency, and facts about the work."""
        ...


class Preparer(Protocol):
    """Makes workloads of one kind of cell."""

    def prepare(self, cell: Any) -> Workload:
        """What the cell measures, ready to run."""
        ...

    def release(self) -> None:
        """Let go of memory that is kept for the next cell."""
        ...


@dataclass(frozen=True)
class Effort:
    """Timed rounds of a cell: as many as ``time_s`` holds, but no fewer than ``min_rounds``.

    ``warmup_rounds`` come before them, beside the two calls that every cell begins with.
    """

    min_rounds: int
    time_s: float
    warmup_rounds: int = 0

    def rounds_for(self, call_s: float) -> int:
        """Timed rounds for calls of this length."""
        return max(self.min_rounds, math.ceil(self.time_s / max(call_s, 1e-6)))


class Measurer:
    """Measures the cells of a sweep one after the other, and keeps what they teach it."""

    def __init__(self, effort: Effort, preparer: Preparer) -> None:
        self.effort = effort
        self._preparer = preparer
        self._memory_ended: dict[tuple[object, ...], AnyCell] = {}

    def measure(self, cell: AnyCell, get_benchmark: Callable[[], BenchmarkFixture]) -> Outcome:
        """Measure a cell, or say why it was not.

        Args:
            cell: what to measure.
            get_benchmark: asked for pytest-benchmark's fixture only when there is something to
                time, as a fixture that times nothing is complained about.

        Returns:
            The outcome; whatever the work raises is in it, as ``failed`` unless it is known
            better. Ctrl-C passes through.
        """
        ended = self._memory_ended.get(cell.row)
        if ended is not None and cell.size > ended.size:
            reason = f"not tried: memory had ended at {ended.size_text} already"
            return Outcome(cell, "out-of-memory", reason)
        try:
            with memory_ends_politely(torch.device(cell.device)):
                details = self._measure(self._preparer.prepare(cell), cell, get_benchmark)
        except UnsupportedInputError as error:
            return Outcome(cell, "unsupported", str(error))
        except NotImplementedError as error:
            return Outcome(cell, "unsupported", f"torch has no such operation here: {_line(error)}")
        except Exception as error:
            self._preparer.release()
            if is_out_of_memory(error):
                self._memory_ended[cell.row] = cell
                return Outcome(cell, "out-of-memory", _line(error))
            return Outcome(cell, "failed", _line(error), exception=error)
        return Outcome(cell, "measured", None, details)

    def _measure(
        self, work: Workload, cell: AnyCell, get_benchmark: Callable[[], BenchmarkFixture]
    ) -> dict[str, Any]:
        checked = work.check(work.run())
        pilot_s: list[float] = []
        memory = measure_peak(lambda: pilot_s.append(time_once(work.run, work.device)), work.device)
        benchmark = get_benchmark()
        benchmark.group = cell.group
        latency_s = _median_latency_s(benchmark, work, self.effort, pilot_s[0])
        return {
            "latency_s": latency_s,
            **work.figures(latency_s),
            "peak_bytes": memory.peak_bytes,
            "baseline_bytes": memory.baseline_bytes,
            "peak_bytes_kind": memory.kind,
            "peak_bytes_reason": memory.reason,
            **checked,
        }


def _median_latency_s(
    benchmark: BenchmarkFixture, work: Workload, effort: Effort, pilot_s: float
) -> float:
    """Time the rounds with pytest-benchmark; the pilot's time if timing is switched off."""
    rounds = effort.rounds_for(pilot_s)
    run = synchronised(work.run, work.device)
    calls_left = iter(range(effort.warmup_rounds + rounds))

    def call() -> None:
        # After the rounds, pedantic calls once more for a return value; that call has no work.
        if next(calls_left, None) is not None:
            run()

    benchmark.pedantic(call, rounds=rounds, warmup_rounds=effort.warmup_rounds, iterations=1)
    return pilot_s if benchmark.stats is None else benchmark.stats.stats.median


def _line(error: BaseException) -> str:
    """An exception as one line: its kind and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
