"""Counters of energy: a GPU's through NVML, a processor's through RAPL.

They count in ticks: NVML's every 20-100 ms, RAPL's every millisecond. ``next_edge`` waits for one.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from fakemamba.nvml import Reading, open_gpu

_TICKS_TO_MEASURE = 5
# Shorter than any counter's tick but RAPL's of 1 ms, of which it sees every edge all the same.
_FIRST_LOOK_S = 0.0005
# The slowest counters known tick every 100 ms; one that rests this long has stopped.
_STALLED_S = 2.0
_POWER_SAMPLE_S = 0.02
# How old a sensor's power can be when it is read (arXiv:2312.02741 found up to 100 ms).
_POWER_SENSOR_S = 0.1
_POWERCAP = Path("/sys/class/powercap")


class EnergyUnavailableError(RuntimeError):
    """Energy cannot be measured; the message says why, and what would help."""


class EnergyMeter(Protocol):
    """Counts joules upwards, in ticks."""

    @property
    def method(self) -> str:
        """How the joules are had."""
        ...

    @property
    def tick_s(self) -> float:
        """Seconds between two steps of the count."""
        ...

    def read_joules(self) -> float:
        """The count now; raises EnergyUnavailableError if it cannot be read any more."""
        ...


class Edge(NamedTuple):
    """When a counter moved, and to what."""

    time_s: float
    joules: float


@contextmanager
def open_meter(device: torch.device) -> Iterator[EnergyMeter]:
    """The counter of a device: a GPU's through NVML, a CPU's through RAPL.

    Raises:
        EnergyUnavailableError: the device has none that may be read.
        NvmlUnavailableError: the GPU cannot be asked.
    """
    if device.type == "cpu":
        yield TickingMeter("rapl", RaplCounter().read_joules)
        return
    with open_gpu(device) as gpu:
        if gpu.identity().mig:
            raise EnergyUnavailableError(
                "MIG is on: NVML counts the whole GPU, not this part of it"
            )
        if gpu.total_energy_j().value is not None:
            yield TickingMeter("nvml-total-energy", lambda: _joules(gpu.total_energy_j()))
        else:
            with PowerIntegral(gpu.power_w) as integral:
                yield integral


class TickingMeter:
    """A counter whose tick is found by watching it."""

    def __init__(
        self,
        method: str,
        read_joules: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.method = method
        self.read_joules = read_joules
        edges = [
            next_edge(read_joules, _FIRST_LOOK_S, sleep, monotonic).time_s
            for _ in range(_TICKS_TO_MEASURE + 1)
        ]
        self.tick_s = statistics.median(later - edge for edge, later in pairwise(edges))


class PowerIntegral:
    """Joules from a power that a thread samples while the context is open."""

    method = "nvml-power-integrated"
    tick_s = _POWER_SENSOR_S

    def __init__(
        self,
        read_power_w: Callable[[], Reading[float]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_power_w = read_power_w
        self._monotonic = monotonic
        self._joules = 0.0
        self._failure: EnergyUnavailableError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_on, daemon=True)

    def __enter__(self) -> PowerIntegral:
        self._last = self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def read_joules(self) -> float:
        """Joules up to the last sample."""
        if self._failure is not None:
            raise self._failure
        return self._joules

    def _sample(self) -> tuple[float, float]:
        return self._monotonic(), _joules(self._read_power_w())

    def _sample_on(self) -> None:
        while not self._stop.wait(_POWER_SAMPLE_S):
            try:
                time_s, power_w = self._sample()
            except EnergyUnavailableError as error:
                self._failure = error
                return
            last_s, last_w = self._last
            self._joules += (time_s - last_s) * (power_w + last_w) / 2
            self._last = time_s, power_w


class RaplCounter:
    """Joules of all processor packages, from Linux's powercap (Intel and AMD).

    The packages' counters wrap around after some minutes at full power; a wrap is seen if the
    counter is read more often than that.
    """

    def __init__(self, root: Path = _POWERCAP) -> None:
        domains = sorted(root.glob("intel-rapl:*"))
        packages = [path for path in domains if _text(path / "name").startswith("package")]
        if not packages:
            raise EnergyUnavailableError(
                f"no processor's RAPL counter under {root}: a virtual machine, or no driver"
            )
        self._ranges_uj = {
            path / "energy_uj": int(_text(path / "max_energy_range_uj")) for path in packages
        }
        self._last_uj = {file: int(_text(file)) for file in self._ranges_uj}
        self._total_uj = 0

    def read_joules(self) -> float:
        """Joules since this object was made."""
        for file, range_uj in self._ranges_uj.items():
            now_uj = int(_text(file))
            step_uj = now_uj - self._last_uj[file]
            self._total_uj += step_uj if step_uj >= 0 else step_uj + range_uj
            self._last_uj[file] = now_uj
        return self._total_uj / 1e6


def next_edge(
    read_joules: Callable[[], float],
    look_s: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> Edge:
    """Wait until a counter moves, looking every ``look_s`` seconds.

    Raises:
        EnergyUnavailableError: it does not.
    """
    begun_s, before_j = monotonic(), read_joules()
    while monotonic() - begun_s < _STALLED_S:
        sleep(look_s)
        joules = read_joules()
        if joules != before_j:
            return Edge(monotonic(), joules)
    raise EnergyUnavailableError(f"the energy counter has not moved in {_STALLED_S:g} s")


def _joules(reading: Reading[float]) -> float:
    if reading.value is None:
        raise EnergyUnavailableError(reading.reason or "no reading")
    return reading.value


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise EnergyUnavailableError(
            f"{file} is not readable ({error.strerror}); root may allow it: chmod a+r {file}"
        ) from error
