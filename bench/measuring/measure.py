"""A cell visited: cold start, memory, warm-up, rounds, verification; always with a record."""

from __future__ import annotations

import itertools
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from fakemamba.bench.cells import Cell, Measurable
from fakemamba.bench.instruments.cache import CacheSizeUnknownError
from fakemamba.bench.instruments.ceilings import Ceilings, measure_ceilings
from fakemamba.bench.instruments.clock import Clock, NoSuchClockError, make_clock, time_once
from fakemamba.bench.instruments.energy import measure_energy
from fakemamba.bench.instruments.machine import disturbances, read_state
from fakemamba.bench.instruments.memory import CPU_KIND, PeakMemory, measure_peak
from fakemamba.bench.instruments.memory_limit import memory_ends_politely
from fakemamba.bench.instruments.resident import resident_growth
from fakemamba.bench.instruments.work import Work, count_work
from fakemamba.bench.measuring.same_work import has_shared_frontend, kind_of_work, same_work
from fakemamba.bench.measuring.timing import Timeable, device_only_s, make_ready, time_visit
from fakemamba.bench.measuring.verification import WrongResultError
from fakemamba.bench.measuring.within import FirstCall, Watch, cell_within, standing_in
from fakemamba.bench.measuring.work_by_formula import formula_counter
from fakemamba.bench.measuring.workload import DetectorWorkload
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome, Visit
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.modes import OPTIMIZED, UnsupportedSettingError
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.weight_files import CheckpointError

ENGINE_MEMORY = "an engine takes its memory by itself; the instrument resident sees it"
UNSUPPORTED = (
    UnsupportedInputError,
    UnsupportedSettingError,
    NoSuchClockError,
    CacheSizeUnknownError,
)
# What is known of a front-end inside the whole from the whole.
SHARED_DETAILS = ("warmup_rounds", "warmed_up", "overhead_s", "machine")


class Workload(Timeable, Protocol):
    """One cell, ready to run; workloads of one preparer may share a model."""

    def inputs(self) -> Sequence[Any]:
        """Inputs of one shape, made anew; the shared model is set to run as this cell's.

        Where the end of the input has to be heard the second is the first with another end.
        """
        ...

    def run_eager(self) -> object:
        """Do the work on the first input without compiler or graph, so that it can be counted."""
        ...

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Figures about the first two inputs' outputs (their error, ...).

        Raises:
            WrongResultError: they are not what they have to be.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What is known of the work without a time."""
        ...


class Preparer(Protocol):
    """Makes workloads of one kind of cell."""

    def prepare(self, cell: Any) -> Workload:
        """What the cell measures, ready to run."""
        ...

    def release(self) -> None:
        """Let go of memory that is kept for the next cell."""
        ...


@dataclass
class _Opened:
    """A cell that can be visited, and what a call took in its last visit, if it had one."""

    work: Workload
    clock: Clock
    load_s: float
    last_s: float | None = None
    first: _First | None = None


@dataclass(frozen=True)
class _First:
    """The calls before a cell's first visit; no output where the same work is known already."""

    cold: dict[str, Any]
    call_s: float
    output: Tensor | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Known:
    """Work that was verified, and how long a call of it took."""

    facts: dict[str, Any]
    call_s: float


class Measurer:
    """Measures the cells of a sweep, visit by visit, and keeps what they share.

    What was made for a cell stays until memory ends. What is the same work in another cell, as a
    front-end is in every detector that has it, is verified, counted, and its memory found, once.
    """

    def __init__(self, method: Method, preparer: Preparer) -> None:
        self.method = method
        self._preparer = preparer
        self._opened: dict[str, _Opened] = {}
        self._known: dict[object, _Known] = {}
        self._frontend_calls: dict[object, FirstCall] = {}
        self._has_run: set[object] = set()
        self._work: dict[object, Work] = {}
        self._ceilings: dict[object, Ceilings] = {}

    def visit(self, cell: Measurable, number: int, watch: Watch | None = None) -> Outcome:
        """Visit a cell in a pass: an outcome of one visit, with the details if it is the first one.

        Whatever the work raises is in the outcome, as ``failed`` unless it is known better. Where
        memory ends, what is kept of other cells goes, and it is tried once more. Ctrl-C passes.
        """
        others = self._opened.keys() - {cell.id}
        outcome = self._recorded(cell, lambda: self._visit(cell, number, watch))
        if outcome.status == "out-of-memory" and others:
            self._opened.clear()
            outcome = self._recorded(cell, lambda: self._visit(cell, number, watch))
        return outcome

    def visit_both(self, cell: Cell, inner: Cell, number: int) -> list[Outcome]:
        """Visit a cell and, inside its calls, that of its front-end; one outcome if it fails."""
        watch = Watch(lambda: self._frontend(inner))
        outcome = self.visit(cell, number, watch)
        if outcome.status != "measured":
            return [outcome]
        within = self._recorded(inner, lambda: self._visit_within(inner, outcome, watch))
        return [outcome, within]

    def measure(self, cell: Measurable) -> Outcome:
        """Visit a cell again and again in a row, until it has enough visits."""
        outcome = self.visit(cell, 0)
        number, why = 0, None
        while outcome.status == "measured" and why is None:
            why = outcome.enough_by(self.method.effort)
            if why is None:
                number += 1
                outcome = outcome.and_then(self.visit(cell, number))
        self._opened.pop(cell.id, None)
        return outcome.stopped(why)

    def probe(self, cell: Measurable) -> Outcome:
        """Run a cell once, only to know whether it can be; the details have what that took.

        It gives back the memory that it took, so that the next probe has all of it.
        """
        outcome = self._recorded(cell, lambda: self._run_once(cell))
        self._preparer.release()
        return outcome

    def _recorded(self, cell: Measurable, end: Callable[[], Outcome]) -> Outcome:
        try:
            with memory_ends_politely(torch.device(cell.device)):
                return end()
        except UNSUPPORTED as error:
            return Outcome(cell, "unsupported", str(error))
        except NotImplementedError as error:
            return Outcome(cell, "unsupported", f"torch has no such operation here: {_line(error)}")
        except WrongResultError as error:
            return Outcome(cell, "wrong", str(error))
        except CheckpointError as error:
            return Outcome(cell, "failed", str(error))
        except ExternalDetectorError as error:
            reason, _, told = str(error).partition("\n")
            return Outcome(cell, "failed", reason, traceback=told or None)
        except Exception as error:
            self._opened.pop(cell.id, None)
            self._preparer.release()
            if is_out_of_memory(error):
                return Outcome(cell, "out-of-memory", _line(error))
            return Outcome(cell, "failed", _line(error), traceback=traceback.format_exc())

    def _run_once(self, cell: Measurable) -> Outcome:
        start_s = time.perf_counter()
        work = self._preparer.prepare(cell)
        given = work.inputs()[0]
        time_once(lambda: work.run(given), work.device)
        return Outcome(cell, "measured", None, {"trial_s": time.perf_counter() - start_s})

    def _open(self, cell: Measurable) -> _Opened:
        """A cell ready to be visited, as it was left if it has been."""
        if cell.id not in self._opened:
            clock = make_clock(torch.device(cell.device), cell.clock)
            start_s = time.perf_counter()
            work = self._preparer.prepare(cell)
            self._opened[cell.id] = _Opened(work, clock, time.perf_counter() - start_s)
        return self._opened[cell.id]

    def _frontend(self, inner: Cell) -> nn.Module:
        return cast(DetectorWorkload, self._open(inner).work).part

    def _key(self, cell: Measurable, **like: Any) -> object:
        """Equal for cells that do the same, and have these fields alike, on a network used alike.

        A front-end that gives its layers, or normalises waveforms, does not do what others do.
        """
        same = replace(same_work(cell), **like)
        if not has_shared_frontend(cell):
            return same
        return same, cast(DetectorWorkload, self._open(cell).work).detector.config.frontend

    def _visit(self, cell: Measurable, number: int, watch: Watch | None) -> Outcome:
        opened = self._open(cell)
        work, clock, is_first = opened.work, opened.clock, opened.last_s is None
        details: dict[str, Any] = {"load_s": opened.load_s} if is_first else {}
        inputs = work.inputs()
        first = self._first_calls(cell, work, inputs) if is_first else None
        if first is not None:
            inputs = [*inputs[1:], inputs[0]]  # the next one's output is verified, too
            details |= make_ready(work, inputs, clock, self.method, first.call_s).figures()
        before = read_state(work.device)
        with watch or nullcontext():
            timed = time_visit(work, inputs, clock, self.method, opened.last_s)
        after = read_state(work.device)
        visit = Visit(
            number,
            tuple(reading.device_s for reading in timed.readings),
            statistics.median(reading.host_s for reading in timed.readings),
            statistics.median(reading.enqueue_s for reading in timed.readings),
            tuple(disturbances(before, after)),
            before.unix_time_s,
        )
        if first is not None:
            details["machine"] = {"before": before.to_json(), "after": after.to_json()}
            details |= first.cold | self._verified(cell, work, first, timed.output)
            details |= self._instruments(cell, work, inputs, visit.figure_s)
        opened.last_s = visit.figure_s
        return Outcome(cell, "measured", None, details, (visit,))

    def _visit_within(self, cell: Cell, whole: Outcome, watch: Watch) -> Outcome:
        """The visit of a front-end's cell inside one of the whole that has just been timed."""
        opened, around = self._open(cell), whole.visits[0]
        work, details = opened.work, dict[str, Any]()
        calls = watch.calls[-len(around.rounds_s) :]  # one before was not timed
        rounds_s = tuple(call.took_s for call in calls)
        latency_s = statistics.median(rounds_s)
        if opened.last_s is None:
            inputs = work.inputs()
            first = opened.first or self._first_calls(cell, work, inputs)
            details = {name: whole.details[name] for name in SHARED_DETAILS}
            details |= {"load_s": opened.load_s, "timed_within": whole.cell.id}
            details |= first.cold | self._verified(cell, work, first, cast(Tensor, watch.output))
            details |= self._instruments(cell, work, inputs, latency_s)
        opened.last_s = latency_s
        visit = replace(around, rounds_s=rounds_s, host_s=latency_s, enqueue_s=latency_s)
        return Outcome(cell, "measured", None, details, (visit,))

    def _first_calls(self, cell: Measurable, work: Workload, inputs: Sequence[Any]) -> _First:
        """Calls before the first visit; none where the same work is known.

        Where a front-end can be inside, it has one of its own, and answers from that in the whole.
        """
        cold, known = dict[str, Any](), self._known.get(self._key(cell))
        outputs: list[Tensor] = []

        def call() -> None:
            outputs.append(work.run(inputs[0]))

        if cell.execution != "eager" or work.device.type != "cpu":
            cold["first_call_s"] = time_once(call, work.device)  # compiles, captures, ...
            outputs[0] = outputs[0].clone()  # the next run of a graph overwrites it
        if known is not None:
            return _First(cold, known.call_s, None, {})
        facts, inner = work.facts(), cell_within(cell)
        before = None if inner is None else self._frontend_call(inner)
        start_s = time.perf_counter()
        answered = standing_in(self._frontend(inner), before.again) if inner and before else None
        with answered or nullcontext():
            if "memory" in self.method.instruments and cell.execution in ENGINES:
                call()
                facts |= PeakMemory(None, None, CPU_KIND, ENGINE_MEMORY).figures()
            elif "memory" in self.method.instruments:
                facts |= measure_peak(call, work.device).figures()
            else:
                call()
        call_s = time.perf_counter() - start_s + (before.took_s if before else 0.0)
        if self._is_new_kind(cell):
            cold = {"first_call_s": call_s} | cold
        if "resident" in self.method.instruments:
            growth = resident_growth(type(self._preparer), cell)
            facts |= {"resident_bytes": growth.value, "resident_bytes_reason": growth.reason}
        return _First(cold, call_s, outputs[0].clone(), facts)

    def _frontend_call(self, cell: Cell) -> FirstCall | None:
        """A front-end's own first call on this input, in whatever detector; None if it is gone."""
        key, opened = self._key(cell), self._open(cell)
        if key not in self._frontend_calls:
            inputs = opened.work.inputs()
            first = opened.first = self._first_calls(cell, opened.work, inputs)
            if first.output is None:
                return None
            self._frontend_calls[key] = FirstCall(
                self._frontend(cell),
                inputs[0],
                first.output,
                first.facts.get("peak_bytes"),
                first.call_s,
            )
        return self._frontend_calls[key]

    def _is_new_kind(self, cell: Measurable) -> bool:
        """Whether this is the first cell of its kind: on a CPU no other has a slow first call."""
        kind = kind_of_work(cell)
        is_new = kind not in self._has_run
        self._has_run.add(kind)
        return is_new

    def _verified(
        self, cell: Measurable, work: Workload, first: _First, other: Tensor
    ) -> dict[str, Any]:
        """The facts of a cell whose outputs are right; those of the same work, if they were."""
        key = self._key(cell)
        if first.output is not None:
            facts = first.facts | work.verify(first.output, other)
            self._known[key] = _Known(facts, first.call_s)
        return self._known[key].facts

    def _instruments(
        self, cell: Measurable, work: Workload, inputs: Sequence[Any], latency_s: float
    ) -> dict[str, Any]:
        """What is measured once, beside visits."""
        details: dict[str, Any] = {}
        if work.device.type == "cuda" and cell.clock == "latency":
            details |= device_only_s(work, inputs, make_clock(work.device, "device"))
        if "work" in self.method.instruments and cell.execution not in ENGINES:
            details |= self._count(cell, work)
        if "energy" in self.method.instruments:
            details |= self._energy(cell, work, inputs, latency_s)
        return details

    def _count(self, cell: Measurable, work: Workload) -> dict[str, Any]:
        """Arithmetic and traffic of the part, and what this device can do."""
        kind = OPTIMIZED if cell.execution == OPTIMIZED else ""  # others run the same operators
        key = self._key(cell, backend="", execution=kind)
        if key not in self._work:
            by_formula = formula_counter().count_cell(cell)
            self._work[key] = by_formula or count_work(work.run_eager, work.device)
        counted = self._work[key]
        precision = (cell.device, cell.precision)
        if precision not in self._ceilings:
            self._ceilings[precision] = measure_ceilings(work.device, cell.precision)
        ceilings = self._ceilings[precision]
        return {
            "flops": counted.flops,
            "bytes_moved": counted.bytes_moved,
            "flop_coverage": counted.coverage,
            "uncounted": counted.uncounted,
            "flops_per_byte": counted.flops / counted.bytes_moved,
            "copy_bytes_per_s": ceilings.copy_bytes_per_s,
            "matmul_flops_per_s": ceilings.matmul_flops_per_s,
        }

    def _energy(
        self, cell: Measurable, work: Workload, inputs: Sequence[Any], latency_s: float
    ) -> dict[str, Any]:
        given = itertools.cycle(inputs)
        energy = measure_energy(
            lambda: work.run(next(given)),
            work.device,
            latency_s,
            window_s=self.method.energy_window_s,
        )
        net_j = energy.net_energy_j
        per_audio_s = None if net_j is None else net_j / cell.audio_s
        return {"energy": asdict(energy), "net_energy_j_per_audio_s": per_audio_s}


def _line(error: BaseException) -> str:
    """An exception as one line: its kind and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
