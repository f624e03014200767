"""One NVIDIA GPU through NVML: energy, power, clocks, throttling, memory, processes, identity.

NVML numbers the GPUs by itself and does not heed ``CUDA_VISIBLE_DEVICES``, so a GPU is found by the
UUID of the torch device. Not every GPU, driver and container answers every question: an answer is a
``Reading``, a value or the reason why there is none, and no 0 ever stands for unknown. What each
call means and its unit: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import psutil
import pynvml

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")

IDLE = pynvml.nvmlClocksEventReasonGpuIdle
CLOCK_SETTING = "applications clocks setting"
THROTTLE_REASONS = {
    pynvml.nvmlClocksEventReasonApplicationsClocksSetting: CLOCK_SETTING,
    pynvml.nvmlClocksEventReasonSwPowerCap: "software power cap",
    pynvml.nvmlClocksEventReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksEventReasonSyncBoost: "sync boost",
    pynvml.nvmlClocksEventReasonSwThermalSlowdown: "software thermal slowdown",
    pynvml.nvmlClocksEventReasonHwThermalSlowdown: "hardware thermal slowdown",
    pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "hardware power brake",
    pynvml.nvmlClocksEventReasonDisplayClockSetting: "display clock setting",
}
# Nanoseconds that a limit has held the clocks down. The fields of single reasons are left alone:
# their numbers have changed between drivers (251-253, then 269-271).
THROTTLE_COUNTERS = {
    "power": pynvml.NVML_FI_DEV_PERF_POLICY_POWER,
    "thermal": pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL,
    "sync boost": pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST,
    "board limit": pynvml.NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT,
    "reliability": pynvml.NVML_FI_DEV_PERF_POLICY_RELIABILITY,
}
# Members of the union that a field's value is in, in the order of NVML_VALUE_TYPE_*.
_VALUE_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class NvmlUnavailableError(RuntimeError):
    """NVML cannot be asked about a device; the message says why."""


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """A value, or None and the ``reason`` why it is not known."""

    value: Value | None
    reason: str | None = None


def values_and_reasons(
    readings: Mapping[str, Reading[Any]],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Named readings as all their values, and the reasons of those that have none."""
    values = {name: reading.value for name, reading in readings.items()}
    reasons = {name: reading.reason for name, reading in readings.items() if reading.reason}
    return values, reasons


@dataclass(frozen=True)
class GpuIdentity:
    """What tells one GPU and its set-up from another; ``reasons`` for what is None."""

    name: str | None
    uuid: str | None
    driver: str | None
    cuda_driver: str | None
    power_limit_w: float | None
    mig: bool | None
    ecc: bool | None
    persistence: bool | None
    reasons: dict[str, str]


def open_gpu(device: torch.device) -> NvmlGpu:
    """The GPU of a torch device, to be closed or used as a context.

    Raises:
        NvmlUnavailableError: the device is no NVIDIA GPU, or the driver's library is absent, does
            not start, or does not find the GPU.
    """
    if device.type != "cuda":
        raise NvmlUnavailableError(f"{device} is not an NVIDIA GPU")
    import torch  # which alone takes seconds: whoever has such a device has it already

    try:
        uuid = str(torch.cuda.get_device_properties(device).uuid)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise NvmlUnavailableError(f"torch has no {device}: {error}") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlUnavailableError(f"NVML does not start: {error}") from error
    try:
        return NvmlGpu(_handle_of(uuid))
    except pynvml.NVMLError as error:
        pynvml.nvmlShutdown()
        raise NvmlUnavailableError(f"NVML does not give GPU {uuid}: {error}") from error


class NvmlGpu:
    """One GPU. Every question gives a ``Reading``, also once the GPU is lost."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __enter__(self) -> NvmlGpu:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of NVML."""
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()

    def total_energy_j(self) -> Reading[float]:
        """Joules since the driver was loaded (Volta and later); it moves every 20-100 ms."""
        return _read(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3)

    def power_w(self) -> Reading[float]:
        """Watts now, of the GPU and its memory."""
        return _read(lambda: self._power_mw() / 1e3)

    def sm_clock_mhz(self) -> Reading[int]:
        """The clock of the multiprocessors now."""
        return _read(lambda: pynvml.nvmlDeviceGetClockInfo(self._handle, pynvml.NVML_CLOCK_SM))

    def max_sm_clock_mhz(self) -> Reading[int]:
        """The highest clock of the multiprocessors."""
        return _read(lambda: pynvml.nvmlDeviceGetMaxClockInfo(self._handle, pynvml.NVML_CLOCK_SM))

    def memory_clock_mhz(self) -> Reading[int]:
        """The clock of the memory now."""
        return _read(lambda: pynvml.nvmlDeviceGetClockInfo(self._handle, pynvml.NVML_CLOCK_MEM))

    def max_memory_clock_mhz(self) -> Reading[int]:
        """The highest clock of the memory."""
        return _read(lambda: pynvml.nvmlDeviceGetMaxClockInfo(self._handle, pynvml.NVML_CLOCK_MEM))

    def idle(self) -> Reading[bool]:
        """Whether the clocks are down because there is nothing to do."""
        return _read(lambda: bool(self._clock_reasons() & IDLE))

    def throttle_reasons(self) -> Reading[list[str]]:
        """What holds the clocks down now; being idle is not among it."""
        return _read(lambda: _names_of(self._clock_reasons() & ~IDLE))

    def throttled_s(self) -> Reading[dict[str, float]]:
        """Seconds that each limit has held the clocks down so far, of those the GPU counts."""
        return _read(self._throttled_s)

    def temperature_c(self) -> Reading[int]:
        """Degrees Celsius of the chip."""
        return _read(
            lambda: pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU)
        )

    def memory_used_bytes(self) -> Reading[int]:
        """Memory that all processes use, without what the driver reserves for itself."""
        return _read(
            lambda: pynvml.nvmlDeviceGetMemoryInfo(self._handle, version=pynvml.nvmlMemory_v2).used
        )

    def process_memory_bytes(self) -> Reading[int]:
        """Memory that this process uses, CUDA's context included."""
        processes = self._compute_processes()
        if processes.value is None:
            return Reading(None, processes.reason)
        own = [process for process in processes.value if process.pid == os.getpid()]
        if not own:
            return Reading(None, "NVML does not list this process: no context yet, or a container")
        if own[0].usedGpuMemory is None:
            return Reading(None, "the driver does not tell the memory of a process")
        return Reading(own[0].usedGpuMemory)

    def foreign_pids(self) -> Reading[list[int]]:
        """Compute processes on this GPU that are neither this process nor its descendants.

        In a container NVML may list the host's process numbers, among which this process cannot
        be told from others: then there is no value.
        """
        processes = self._compute_processes()
        if processes.value is None:
            return Reading(None, processes.reason)
        listed = {process.pid for process in processes.value}
        own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
        if not listed & own and not all(psutil.pid_exists(pid) for pid in listed):
            return Reading(None, "NVML lists process numbers of the container's host")
        return Reading(sorted(listed - own))

    def identity(self) -> GpuIdentity:
        """What this GPU is and how it is set up."""
        values, reasons = values_and_reasons(
            {
                "name": _read(lambda: pynvml.nvmlDeviceGetName(self._handle)),
                "uuid": _read(lambda: pynvml.nvmlDeviceGetUUID(self._handle)),
                "driver": _read(pynvml.nvmlSystemGetDriverVersion),
                "cuda_driver": _read(_cuda_driver),
                "power_limit_w": _read(self._power_limit_w),
                "mig": _read(lambda: bool(pynvml.nvmlDeviceGetMigMode(self._handle)[0])),
                "ecc": _read(lambda: bool(pynvml.nvmlDeviceGetEccMode(self._handle)[0])),
                "persistence": _read(
                    lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(self._handle))
                ),
            }
        )
        return GpuIdentity(**values, reasons=reasons)

    def _power_limit_w(self) -> float:
        return pynvml.nvmlDeviceGetEnforcedPowerLimit(self._handle) / 1e3

    def _compute_processes(self) -> Reading[list[Any]]:
        return _read(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle))

    def _clock_reasons(self) -> int:
        return pynvml.nvmlDeviceGetCurrentClocksEventReasons(self._handle)

    def _power_mw(self) -> int:
        try:
            return self._field(pynvml.NVML_FI_DEV_POWER_INSTANT)
        except pynvml.NVMLError_NotSupported:
            # The mean of a second on GPUs that have the field, but the power of now on those
            # that have not: GA100 and older.
            return pynvml.nvmlDeviceGetPowerUsage(self._handle)

    def _throttled_s(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for name, field in THROTTLE_COUNTERS.items():
            with suppress(pynvml.NVMLError_NotSupported):
                seconds[name] = self._field(field) / 1e9
        if not seconds:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return seconds

    def _field(self, field: int) -> int:
        answer = pynvml.nvmlDeviceGetFieldValues(self._handle, [field])[0]
        if answer.nvmlReturn != pynvml.NVML_SUCCESS:
            raise pynvml.NVMLError(answer.nvmlReturn)
        return getattr(answer.value, _VALUE_MEMBERS[answer.valueType])


def _read(ask: Callable[[], Value]) -> Reading[Value]:
    try:
        return Reading(ask())
    except pynvml.NVMLError as error:
        return Reading(None, f"NVML: {error}")


def _handle_of(uuid: str) -> Any:
    """The GPU with a UUID; the whole GPU where the UUID is that of a MIG part."""
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError_NotFound:
        part = pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")
        return pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)


def _names_of(reasons: int) -> list[str]:
    bits = [1 << index for index in range(reasons.bit_length()) if reasons >> index & 1]
    return [THROTTLE_REASONS.get(bit, f"reason {bit:#x}") for bit in bits]


def _cuda_driver() -> str:
    number = pynvml.nvmlSystemGetCudaDriverVersion_v2()
    return f"{number // 1000}.{number % 1000 // 10}"
