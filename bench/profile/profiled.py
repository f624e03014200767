"""Calls of a detector under `torch.profiler`, with its parts as named ranges in the trace.

The same calls are timed by the clock, with the profiler and without: what the profiler says is only
worth something beside that.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.clock import synchronise, time_once
from fakemamba.bench.instruments.trace import MemoryPoint, Trace, parse_trace
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.workload import DetectorWorkload
from fakemamba.bench.profile.attribution import Attribution, CrossCheck, attribute, cross_check
from fakemamba.environment import describe_environment
from fakemamba.models.detector import Detector
from fakemamba.models.scan.mixer import backend_used

WARMUP_CALLS = 2
SNAPSHOT_ENTRIES = 1_000_000


@dataclass(frozen=True)
class ProfiledCalls:
    """A Chrome trace as text, and the clock's times of calls without and with the profiler.

    ``snapshot`` is the history of the GPU's allocator as a pickle, for pytorch.org/memory_viz, or
    None with its reason.
    """

    trace_json: str
    parts: tuple[str, ...]
    plain_s: tuple[float, ...]
    profiled_s: tuple[float, ...]
    snapshot: bytes | None
    snapshot_reason: str | None


@dataclass(frozen=True)
class CellProfile:
    """Calls of one cell: traced, attributed, and checked against the clock."""

    cell: dict[str, Any]
    environment: dict[str, Any]
    calls: ProfiledCalls
    trace: Trace
    attribution: Attribution
    check: CrossCheck

    @property
    def device_type(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.cell["device"].partition(":")[0]

    @property
    def memory(self) -> list[MemoryPoint]:
        """Of the device that did the work, in the profiled calls, the first of which is at 0 s."""
        steps = self.trace.steps
        begin_s, end_s = steps[0].start_s, steps[-1].end_s
        return [
            MemoryPoint(point.device_type, point.time_s - begin_s, point.allocated_bytes)
            for point in self.trace.memory
            if point.device_type == self.device_type and begin_s <= point.time_s <= end_s
        ]


def profile_cell(cell: Cell, num_calls: int) -> CellProfile:
    """Prepare a cell, profile its calls, attribute them and check them.

    Args:
        cell: end to end.
        num_calls: at least 1.

    Raises:
        ValueError: the cell is not end to end, or there is no call to make.
        UnsupportedInputError: the detector cannot take this input.
    """
    device = torch.device(cell.device)
    work = WorkloadCache().prepare(cell)
    call = partial(work.run, work.inputs()[0])
    if not isinstance(work, DetectorWorkload) or not isinstance(detector := work.part, Detector):
        raise ValueError(f"no detector runs end to end in {cell.id}, so its time has no parts")
    calls = profile_calls(call, detector.parts, device, num_calls)
    trace = parse_trace(calls.trace_json)
    attribution = attribute(trace, calls.parts, device.type)
    check = cross_check(attribution, calls.plain_s, calls.profiled_s)
    fields = cell.to_json()["cell"] | {"backend": backend_used(detector, cell.backend, device)}
    return CellProfile(fields, describe_environment(device), calls, trace, attribution, check)


def profile_calls(
    call: Callable[[], object],
    parts: Mapping[str, nn.Module],
    device: torch.device,
    num_calls: int,
) -> ProfiledCalls:
    """Warm up; time ``num_calls`` calls by the clock alone, as many profiled, and as many alone.

    Args:
        call: runs modules once, end to end.
        parts: the modules, each of which gets a range of its name.
        device: where it runs.
        num_calls: at least 1.

    Raises:
        ValueError: there is no call to make.
    """
    if num_calls < 1:
        raise ValueError(f"{num_calls} calls are nothing to profile")
    for _ in range(WARMUP_CALLS):
        call()
    plain_s = [time_once(call, device) for _ in range(num_calls)]
    with named_ranges(parts):
        trace_json, profiled_s = _trace(call, device, num_calls)
    plain_s += [time_once(call, device) for _ in range(num_calls)]  # the machine may have changed
    snapshot, snapshot_reason = record_allocations(call, device)
    names, plain, profiled = tuple(parts), tuple(plain_s), tuple(profiled_s)
    return ProfiledCalls(trace_json, names, plain, profiled, snapshot, snapshot_reason)


@contextmanager
def named_ranges(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Inside, every forward of a module is a range of its name in profilers' traces."""
    with ExitStack() as hooks:
        for name, module in modules.items():
            _add_range(hooks, name, module)
        yield


def _add_range(hooks: ExitStack, name: str, module: nn.Module) -> None:
    running: list[record_function] = []

    def begin(module: nn.Module, inputs: object) -> None:
        running.append(record_function(name))
        running[-1].__enter__()

    def end(module: nn.Module, inputs: object, output: object) -> None:
        running.pop().__exit__(None, None, None)

    hooks.callback(module.register_forward_pre_hook(begin).remove)
    hooks.callback(module.register_forward_hook(end, always_call=True).remove)


def record_allocations(
    call: Callable[[], object], device: torch.device, memory: Any = torch.cuda.memory
) -> tuple[bytes | None, str | None]:
    """Pickle the GPU allocator's history over one call; otherwise say why there is none.

    torch keeps these functions to itself and changes them, so their absence is no error.
    """
    if device.type != "cuda":
        return None, "only the CUDA allocator keeps a history"
    try:
        memory._record_memory_history(max_entries=SNAPSHOT_ENTRIES)
    except (AttributeError, TypeError, RuntimeError) as error:
        return None, f"torch {torch.__version__} cannot record the allocator's history: {error}"
    try:
        call()
        synchronise(device)
        return pickle.dumps(memory._snapshot()), None
    finally:
        memory._record_memory_history(enabled=None)


def _trace(
    call: Callable[[], object], device: torch.device, num_calls: int
) -> tuple[str, list[float]]:
    """One step more than ``num_calls`` is run: a profiler loses events in its first."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        with profile(
            activities=activities,
            schedule=schedule(wait=0, warmup=1, active=num_calls, repeat=1),
            on_trace_ready=lambda profiler: profiler.export_chrome_trace(str(path)),
            record_shapes=True,
            profile_memory=True,
            acc_events=True,
        ) as profiler:
            times_s = []
            for _ in range(1 + num_calls):
                times_s.append(time_once(call, device))
                profiler.step()
        return path.read_text(), times_s[1:]
