"""Joules of one call, gross and net of the idle machine, with their uncertainty.

Energy counters move in ticks of 1-100 ms, and the power sensors of recent GPUs see only a part of
each tick (Yang, Adamek, Armour, "Part-time Power Measurements", arXiv:2312.02741). So many calls
fill a window of seconds that begins and ends at a tick's edge, and several windows say how far
they differ. The recipe is that of zeus (https://github.com/ml-energy/zeus), with the edges and the
idle power added. Counters are a whole GPU's or a processor's: whatever else runs there is in them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from fakemamba.bench.instruments.clock import synchronise
from fakemamba.bench.instruments.energy_meters import (
    Edge,
    EnergyMeter,
    EnergyUnavailableError,
    next_edge,
    open_meter,
)
from fakemamba.nvml import NvmlUnavailableError

# Looking twenty times a tick, an edge is seen too late by a twentieth of it at most.
_LOOKS_PER_TICK = 20


@dataclass(frozen=True)
class Energy:
    """Of one call. All is None with a ``reason`` where energy cannot be measured.

    ``energy_j`` is all that was used while the call ran, ``net_energy_j`` that less
    ``idle_power_w`` over the same time, and ``uncertainty_j`` belongs to either. ``power_w`` is the
    mean over ``calls`` calls in a window of ``window_s``. ``method``: "nvml-total-energy" (the
    whole GPU's counter), "nvml-power-integrated" (its power, sampled) or "rapl" (the processors,
    without DRAM).
    """

    energy_j: float | None = None
    net_energy_j: float | None = None
    idle_power_w: float | None = None
    power_w: float | None = None
    uncertainty_j: float | None = None
    calls: int | None = None
    window_s: float | None = None
    method: str | None = None
    reason: str | None = None


def measure_energy(
    call: Callable[[], object],
    device: torch.device,
    call_s: float,
    window_s: float = 5.0,
    idle_s: float = 5.0,
    windows: int = 3,
    meter: EnergyMeter | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Energy:
    """Energy of one call of many, on a machine that is warm and does nothing else.

    Args:
        call: the work; it may return before a GPU has done it.
        device: where the work is done.
        call_s: seconds of one call, from which the number of calls in a window is fixed.
        window_s: a window's length at the least; the counter's tick is divided by it.
        idle_s: how long the idle power is measured, before the windows.
        windows: how many times the calls are repeated, at least two for a spread.
        meter: the counter; the device's own by default.
        sleep: waits for seconds.
        monotonic: a clock in seconds.

    Returns:
        The mean of all windows. ``uncertainty_j`` is a tick of the power at work, a tick of the
        idle power as it enters a window, and the windows' standard deviation, all per call.

    Raises:
        ValueError: lengths are not positive, or there are fewer than two windows.
    """
    if min(call_s, window_s, idle_s) <= 0 or windows < 2:
        raise ValueError("energy needs positive times and at least two windows")
    opened: AbstractContextManager[EnergyMeter]
    opened = open_meter(device) if meter is None else nullcontext(meter)
    try:
        with opened as counter:
            return _Windows(call, device, counter, sleep, monotonic).measure(
                math.ceil(window_s / call_s), idle_s, windows
            )
    except (EnergyUnavailableError, NvmlUnavailableError) as error:
        return Energy(reason=str(error))


@dataclass(frozen=True)
class _Windows:
    """One measurement, and all that its steps need."""

    call: Callable[[], object]
    device: torch.device
    meter: EnergyMeter
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]

    def measure(self, calls: int, idle_s: float, windows: int) -> Energy:
        synchronise(self.device)
        idle_power_w = self._idle_power_w(idle_s)
        measured = [self._window(calls, idle_power_w) for _ in range(windows)]
        joules = [window_j for window_j, _ in measured]
        worked_s = statistics.mean(window_s for _, window_s in measured)
        energy_j = statistics.mean(joules) / calls
        power_w = energy_j * calls / worked_s
        tick_w = power_w + idle_power_w * worked_s / idle_s
        return Energy(
            energy_j=energy_j,
            net_energy_j=energy_j - idle_power_w * worked_s / calls,
            idle_power_w=idle_power_w,
            power_w=power_w,
            uncertainty_j=(tick_w * self.meter.tick_s + statistics.stdev(joules)) / calls,
            calls=calls,
            window_s=worked_s,
            method=self.meter.method,
        )

    def _idle_power_w(self, idle_s: float) -> float:
        start = self._edge()
        self.sleep(idle_s)
        end = self._edge()
        return (end.joules - start.joules) / (end.time_s - start.time_s)

    def _window(self, calls: int, idle_power_w: float) -> tuple[float, float]:
        """Joules and seconds of some calls, without the idle end of the last tick."""
        start = self._edge()
        for _ in range(calls):
            self.call()
        synchronise(self.device)
        worked_until_s = self.monotonic()
        end = self._edge()
        waited_j = idle_power_w * (end.time_s - worked_until_s)
        return end.joules - start.joules - waited_j, worked_until_s - start.time_s

    def _edge(self) -> Edge:
        look_s = self.meter.tick_s / _LOOKS_PER_TICK
        return next_edge(self.meter.read_joules, look_s, self.sleep, self.monotonic)
