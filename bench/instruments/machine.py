"""The state of the machine before and after a measurement, and what in it makes a figure suspect.

A GPU that throttles or is shared, or a CPU that others use, gives a figure of something else. Two
states are read, outside of the timed work and the later one directly after it, and compared by
thresholds that are named here. What cannot be read is None with its reason, and judged by nobody.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import torch

from fakemamba.environment import cpu_governor
from fakemamba.nvml import (
    CLOCK_SETTING,
    NvmlUnavailableError,
    Reading,
    open_gpu,
    values_and_reasons,
)

# Boost clocks wander by some per cent with temperature; nvbench discards samples below this.
MIN_CLOCK_SHARE = 0.75
# Driver counters tick in coarse steps, and a cap of a moment does not move a median.
MAX_THROTTLED_SHARE = 0.01
# What an idle desktop or a monitoring agent takes stays below; one more busy process does not,
# on up to ten cores.
MAX_OTHERS_SHARE = 0.10
# Stolen time stretches the wall clock directly, and no warm-up or median takes it out.
MAX_STOLEN_SHARE = 0.02
# /proc/stat counts in ticks of USER_HZ = 100: below five of them there is nothing to judge, and
# above, the tick that each core's count may be off by is given to the measurement.
CPU_TICK_S = 0.01
MIN_JUDGED_S = 0.05


@dataclass(frozen=True)
class GpuState:
    """A GPU at one moment; ``reasons`` for what is None. ``throttled_s`` counts up for ever."""

    sm_clock_mhz: int | None
    max_sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    max_memory_clock_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    idle: bool | None
    throttle_reasons: list[str] | None
    throttled_s: dict[str, float] | None
    foreign_pids: list[int] | None
    memory_used_bytes: int | None
    process_memory_bytes: int | None
    reasons: dict[str, str]


@dataclass(frozen=True)
class MachineState:
    """The machine at one moment; ``reasons`` for what is None (``gpu``: there, for GPUs only).

    ``cpu_busy_s`` and ``cpu_stolen_s`` are seconds of all cores since the machine started,
    ``process_cpu_s`` those of this process and its descendants.
    """

    device_type: str
    unix_time_s: float
    monotonic_s: float
    cpu_threads: int | None
    cpu_governor: str | None
    cpu_frequency_mhz: float | None
    load_average: float
    cpu_busy_s: float
    cpu_stolen_s: float | None
    process_cpu_s: float
    gpu: GpuState | None
    reasons: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """All fields, with the GPU's as an object in it."""
        return asdict(self)


def read_state(device: torch.device) -> MachineState:
    """The state now. It costs milliseconds: read it outside of what is timed.

    NVML is started and stopped at each call, which is quick while ``open_gpu`` holds it elsewhere.
    """
    times = psutil.cpu_times()
    readings: dict[str, Reading[Any]] = {
        "gpu": _gpu_state(device),
        "cpu_threads": _known(psutil.cpu_count(logical=True), "the threads"),
        "cpu_governor": cpu_governor(),
        "cpu_frequency_mhz": _cpu_frequency_mhz(),
        "cpu_stolen_s": _known(getattr(times, "steal", None), "stolen time"),
    }
    values, reasons = values_and_reasons(readings)
    return MachineState(
        **values,
        device_type=device.type,
        unix_time_s=time.time(),
        monotonic_s=time.monotonic(),
        load_average=psutil.getloadavg()[0],
        cpu_busy_s=sum(
            getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq")
        ),
        process_cpu_s=_process_cpu_s(),
        reasons=reasons,
    )


def disturbances(before: MachineState, after: MachineState) -> list[str]:
    """Why a measurement between two states is suspect; an empty list where nothing speaks for it.

    Args:
        before: the state before the work.
        after: the state directly after it, while the clocks are still those of the work.
    """
    interval_s = after.monotonic_s - before.monotonic_s
    if before.gpu is not None and after.gpu is not None:
        return _gpu_disturbances(before.gpu, after.gpu, interval_s)
    if after.device_type == "cpu" and interval_s >= MIN_JUDGED_S:
        return _cpu_disturbances(before, after, interval_s)
    return []


def _gpu_disturbances(before: GpuState, after: GpuState, interval_s: float) -> list[str]:
    found = []
    seen = {*(before.throttle_reasons or ()), *(after.throttle_reasons or ())}
    # A clock that its owner has set is steady: part of the GPU's identity, not a disturbance.
    found += [f"GPU throttled: {reason}" for reason in sorted(seen - {CLOCK_SETTING})]
    earlier_s, later_s = before.throttled_s or {}, after.throttled_s or {}
    for limit in sorted(earlier_s.keys() & later_s.keys()):
        share = (later_s[limit] - earlier_s[limit]) / interval_s if interval_s > 0 else 0.0
        if share > MAX_THROTTLED_SHARE:
            found.append(f"GPU held back by its {limit} limit for {share:.0%} of the time")
    clock, highest = after.sm_clock_mhz, after.max_sm_clock_mhz
    under_load = after.idle is False
    if under_load and clock is not None and highest and clock < MIN_CLOCK_SHARE * highest:
        found.append(
            f"GPU clock at {clock} MHz under load, {clock / highest:.0%} of its {highest} MHz"
        )
    others = sorted({*(before.foreign_pids or ()), *(after.foreign_pids or ())})
    if others:
        found.append(f"other processes on the GPU: {', '.join(map(str, others))}")
    return found


def _cpu_disturbances(before: MachineState, after: MachineState, interval_s: float) -> list[str]:
    if after.cpu_threads is None:
        return []
    found = []
    capacity_s = after.cpu_threads * interval_s
    doubt_s = after.cpu_threads * CPU_TICK_S
    own_s = after.process_cpu_s - before.process_cpu_s
    others_share = (after.cpu_busy_s - before.cpu_busy_s - own_s - doubt_s) / capacity_s
    if others_share > MAX_OTHERS_SHARE:
        found.append(f"other processes used {others_share:.0%} of the CPU")
    if before.cpu_stolen_s is not None and after.cpu_stolen_s is not None:
        stolen_share = (after.cpu_stolen_s - before.cpu_stolen_s - doubt_s) / capacity_s
        if stolen_share > MAX_STOLEN_SHARE:
            found.append(f"the host took {stolen_share:.0%} of the CPU from this virtual machine")
    return found


def _gpu_state(device: torch.device) -> Reading[GpuState]:
    if device.type == "cpu":
        return Reading(None)
    try:
        with open_gpu(device) as gpu:
            # Clocks first: they fall soonest once the work has ended.
            values, reasons = values_and_reasons(
                {
                    "sm_clock_mhz": gpu.sm_clock_mhz(),
                    "memory_clock_mhz": gpu.memory_clock_mhz(),
                    "idle": gpu.idle(),
                    "throttle_reasons": gpu.throttle_reasons(),
                    "power_w": gpu.power_w(),
                    "throttled_s": gpu.throttled_s(),
                    "temperature_c": gpu.temperature_c(),
                    "max_sm_clock_mhz": gpu.max_sm_clock_mhz(),
                    "max_memory_clock_mhz": gpu.max_memory_clock_mhz(),
                    "foreign_pids": gpu.foreign_pids(),
                    "memory_used_bytes": gpu.memory_used_bytes(),
                    "process_memory_bytes": gpu.process_memory_bytes(),
                }
            )
            return Reading(GpuState(**values, reasons=reasons))
    except NvmlUnavailableError as error:
        return Reading(None, str(error))


def _cpu_frequency_mhz() -> Reading[float]:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError) as error:
        return Reading(None, f"the frequency is not readable: {error}")
    return _known(frequency and frequency.current, "the frequency")


def _known(value: Any, what: str) -> Reading[Any]:
    return Reading(value, None if value is not None else f"this system does not tell {what}")


def _process_cpu_s() -> float:
    """CPU seconds of this process, its living descendants, and those that have ended."""
    own = psutil.Process()
    seconds = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended since, and is in its parent's count
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
