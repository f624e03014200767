"""One cell measured: cold start, verification, memory, warm-up, rounds; always with a record."""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.instruments.cache import CacheSizeUnknownError
from fakemamba.bench.instruments.ceilings import Ceilings, measure_ceilings
from fakemamba.bench.instruments.clock import Clock, NoSuchClockError, make_clock, time_once
from fakemamba.bench.instruments.energy import measure_energy
from fakemamba.bench.instruments.machine import disturbances, read_state
from fakemamba.bench.instruments.memory import measure_peak
from fakemamba.bench.instruments.memory_limit import memory_ends_politely
from fakemamba.bench.instruments.resident import resident_growth
from fakemamba.bench.instruments.work import Work, count_work
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.timing import Timeable, Timed, launch_bound, time_workload
from fakemamba.bench.verification import WrongResultError
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.modes import OPTIMIZED, UnsupportedSettingError
from fakemamba.models.weight_files import CheckpointError

Measurable = Cell | ScanCell
UNSUPPORTED = (
    UnsupportedInputError,
    UnsupportedSettingError,
    NoSuchClockError,
    CacheSizeUnknownError,
)
MOST_ATTEMPTS = 2
LEAST_COVERAGE = 0.9  # below, counted work is not compared with a device's
MOST_MFU = 1.1  # above, the product was no ceiling: some CPUs have no fast one in fp16


class Workload(Timeable, Protocol):
    """One cell, ready to run."""

    def run(self, given: Any) -> Tensor:
        """Do the work once on one of the inputs and return its output."""
        ...

    def run_eager(self) -> object:
        """Do the work on the first input without compiler or graph, so that it can be counted."""
        ...

    def verify(self, output: Tensor) -> dict[str, Any]:
        """Figures about the first input's output (its error, ...).

        Raises:
            WrongResultError: it is not what it has to be.
        """
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


class Measurer:
    """Measures the cells of a sweep one after the other, and keeps what they share."""

    def __init__(self, method: Method, preparer: Preparer) -> None:
        self.method = method
        self._preparer = preparer
        self._work: dict[object, Work] = {}
        self._ceilings: dict[object, Ceilings] = {}

    def measure(self, cell: Measurable) -> Outcome:
        """Measure a cell, or say why it was not.

        Whatever the work raises is in the outcome, as ``failed`` unless it is known better. Ctrl-C
        passes through.
        """
        return self._recorded(cell, self._measure)

    def probe(self, cell: Measurable) -> Outcome:
        """Run a cell once, only to know whether it can be; the details have what that took.

        It gives back the memory that it took, so that the next probe has all of it.
        """
        outcome = self._recorded(cell, self._run_once)
        self._preparer.release()
        return outcome

    def _recorded(self, cell: Measurable, end: Callable[[Measurable], Outcome]) -> Outcome:
        try:
            with memory_ends_politely(torch.device(cell.device)):
                return end(cell)
        except UNSUPPORTED as error:
            return Outcome(cell, "unsupported", str(error))
        except NotImplementedError as error:
            return Outcome(cell, "unsupported", f"torch has no such operation here: {_line(error)}")
        except WrongResultError as error:
            return Outcome(cell, "wrong", str(error))
        except CheckpointError as error:
            return Outcome(cell, "failed", str(error))
        except Exception as error:
            self._preparer.release()
            if is_out_of_memory(error):
                return Outcome(cell, "out-of-memory", _line(error))
            return Outcome(cell, "failed", _line(error), traceback=traceback.format_exc())

    def _run_once(self, cell: Measurable) -> Outcome:
        start_s = time.perf_counter()
        work = self._preparer.prepare(cell)
        call_s = time_once(lambda: work.run(work.inputs[0]), work.device)
        trial_s = time.perf_counter() - start_s
        return Outcome(cell, "measured", None, {"trial_s": trial_s}, (call_s,))

    def _measure(self, cell: Measurable) -> Outcome:
        device = torch.device(cell.device)
        clock = make_clock(device, cell.clock)
        start_s = time.perf_counter()
        work = self._preparer.prepare(cell)
        load_s = time.perf_counter() - start_s
        outputs: list[Tensor] = []
        first_call_s = time_once(lambda: outputs.append(work.run(work.inputs[0])), device)
        details: dict[str, Any] = {"load_s": load_s, "first_call_s": first_call_s}
        output = outputs.pop().clone()  # the next run of a graph overwrites it
        if "memory" in self.method.instruments:
            details |= measure_peak(lambda: work.run(work.inputs[0]), device).figures()
        if "resident" in self.method.instruments:
            growth = resident_growth(type(self._preparer), cell)
            details |= {"resident_bytes": growth.value, "resident_bytes_reason": growth.reason}
        details |= work.verify(output)
        timed, watched = self._time_undisturbed(work, clock)
        details |= {**timed.figures(), **work.figures(timed.latency_s), **watched}
        if device.type == "cuda" and cell.clock == "latency":
            details |= launch_bound(work, timed, make_clock(device, "device"))
        if "work" in self.method.instruments:
            details |= self._count(cell, work, timed.latency_s)
        if "energy" in self.method.instruments:
            details |= self._energy(cell, work, timed.latency_s)
        return Outcome(cell, "measured", None, details, timed.samples_s)

    def _time_undisturbed(self, work: Workload, clock: Clock) -> tuple[Timed, dict[str, Any]]:
        """Time the rounds, and once more if something else on the machine disturbed them."""
        attempts = 0
        while True:
            before = read_state(work.device)
            timed = time_workload(work, clock, self.method)
            after = read_state(work.device)
            disturbed_by = disturbances(before, after)
            attempts += 1
            if not disturbed_by or attempts == MOST_ATTEMPTS:
                machine = {"before": before.to_json(), "after": after.to_json()}
                return timed, {
                    "attempts": attempts,
                    "disturbed_by": disturbed_by,
                    "machine": machine,
                }

    def _count(self, cell: Measurable, work: Workload, latency_s: float) -> dict[str, Any]:
        """Arithmetic and traffic of the part, and both against what this device can do."""
        kind = OPTIMIZED if cell.execution == OPTIMIZED else ""  # others run the same operators
        key = replace(cell, backend="", clock="", execution=kind)
        if key not in self._work:
            self._work[key] = count_work(work.run_eager, work.device)
        counted = self._work[key]
        precision = (cell.device, cell.precision)
        if precision not in self._ceilings:
            self._ceilings[precision] = measure_ceilings(work.device, cell.precision)
        ceilings = self._ceilings[precision]
        mfu = counted.flops / latency_s / ceilings.matmul_flops_per_s
        trusted = counted.coverage >= LEAST_COVERAGE and mfu <= MOST_MFU
        return {
            "flops": counted.flops,
            "bytes_moved": counted.bytes_moved,
            "flop_coverage": counted.coverage,
            "uncounted": counted.uncounted,
            "flops_per_byte": counted.flops / counted.bytes_moved,
            "mfu": mfu if trusted else None,
            "bandwidth_share": counted.bytes_moved / latency_s / ceilings.copy_bytes_per_s,
            "copy_bytes_per_s": ceilings.copy_bytes_per_s,
            "matmul_flops_per_s": ceilings.matmul_flops_per_s,
        }

    def _energy(self, cell: Measurable, work: Workload, latency_s: float) -> dict[str, Any]:
        given = itertools.cycle(work.inputs)
        energy = measure_energy(
            lambda: work.run(next(given)),
            work.device,
            latency_s,
            window_s=self.method.energy_window_s,
        )
        audio_s = cell.duration_s * cell.batch_size
        per_audio_s = None if energy.net_energy_j is None else energy.net_energy_j / audio_s
        return {"energy": asdict(energy), "net_energy_j_per_audio_s": per_audio_s}


def _line(error: BaseException) -> str:
    """An exception as one line: its kind and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
