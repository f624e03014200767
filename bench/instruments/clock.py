"""Clocks: how long a call takes on a device and at the host, in one of three modes.

``latency``: the device is idle, then one call, until its result is there: what a user waits for.
``throughput``: calls are queued one after the other, the time is a call's share.
``device``: a short spinning kernel keeps the GPU busy while the call is queued, so the time is the
GPU's alone, without the launches (as nvbench's blocking kernel does).

On a GPU the device's time is between two CUDA events. On a CPU device and host are one.

`CudaTimer` alone is a ``timer=`` for anybody's pytest-benchmark test.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

MODES = ("latency", "throughput", "device")
QUEUED_CALLS = 10
SPIN_CYCLES = 1 << 21  # about a millisecond at first; doubled until it outlasts the launches
MOST_SPIN_CYCLES = 1 << 33  # some seconds


@dataclass(frozen=True)
class CallTimes:
    """Of one call: seconds on the device, at the host until the result, and until it was queued."""

    device_s: float
    host_s: float
    enqueue_s: float


class Clock(Protocol):
    """Times a call."""

    def time(self, call: Callable[[], object]) -> CallTimes:
        """Run the call, more than once in mode ``throughput``, and time it."""
        ...


class NoSuchClockError(ValueError):
    """A device has no clock of this mode."""


class LaunchesShowError(RuntimeError):
    """A call waits for the GPU itself, so that its launches cannot be hidden."""


def make_clock(device: torch.device, mode: str = "latency") -> Clock:
    """The clock of a device.

    Raises:
        NoSuchClockError: the device has none of this mode.
    """
    if device.type == "cuda":
        return CudaClock(device, mode)
    return HostClock(mode)


class HostClock:
    """perf_counter, for a device that has done its work when a call returns."""

    def __init__(self, mode: str = "latency", now: Callable[[], float] = time.perf_counter) -> None:
        if mode == "device":
            raise NoSuchClockError("a CPU queues no launches that mode 'device' could leave out")
        self._calls = QUEUED_CALLS if mode == "throughput" else 1
        self._now = now

    def time(self, call: Callable[[], object]) -> CallTimes:
        """Run the call and time it."""
        start_s = self._now()
        for _ in range(self._calls):
            call()
        elapsed_s = (self._now() - start_s) / self._calls
        return CallTimes(elapsed_s, elapsed_s, elapsed_s)


class DeviceMoment:
    """A moment on a GPU's stream. The difference of two is in seconds, and waits for the later."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def __sub__(self, earlier: DeviceMoment) -> float:
        self.wait()
        return earlier._event.elapsed_time(self._event) * 1e-3  # elapsed_time is in milliseconds

    @property
    def is_over(self) -> bool:
        """Whether the GPU has come to it."""
        return self._event.query()

    def wait(self) -> None:
        """Hold the host until the GPU has come to it."""
        self._event.synchronize()


class CudaTimer:
    """A timer that tells a GPU's time, and does not wait for it: a `DeviceMoment` a call.

    As pytest-benchmark's ``timer=``, its rounds are seconds on the device. The events take turns,
    so a moment is lost when the timer has been asked ``moments`` times more.

    Args:
        cuda: ``torch.cuda``, or a stand-in.
        moments: how many are kept.
    """

    __name__ = "cuda_events"  # what pytest-benchmark calls it in its JSON

    def __init__(self, cuda: Any = torch.cuda, moments: int = 2) -> None:
        # Made once and recorded once: either costs host time, which must not be in a round.
        self._events = [cuda.Event(enable_timing=True) for _ in range(moments)]
        for event in self._events:
            event.record()
        self._turns = itertools.cycle(self._events)

    def __call__(self) -> DeviceMoment:
        """Now, in the order of the current stream."""
        event = next(self._turns)
        event.record()
        return DeviceMoment(event)


class CudaClock:
    """CUDA events on the current stream, beside perf_counter.

    Args:
        device: a GPU.
        mode: see the head of this file.
        cuda: ``torch.cuda``, or a stand-in.
        now: the host's clock.
    """

    def __init__(
        self,
        device: torch.device,
        mode: str = "latency",
        cuda: Any = torch.cuda,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._device, self._mode, self._cuda, self._now = device, mode, cuda, now
        self._timer = CudaTimer(cuda)
        self._spin_cycles = SPIN_CYCLES

    def time(self, call: Callable[[], object]) -> CallTimes:
        """Run the call and time it; one synchronisation, after the work.

        Raises:
            LaunchesShowError: in mode ``device``, the call waits for the GPU itself.
        """
        if self._mode == "device":
            return self._time_behind_spin(call)
        return self._time(call, QUEUED_CALLS if self._mode == "throughput" else 1)

    def _time(self, call: Callable[[], object], calls: int) -> CallTimes:
        self._cuda.synchronize(self._device)
        start_s = self._now()
        start = self._timer()
        for _ in range(calls):
            call()
        end = self._timer()
        queued_s = self._now()
        end.wait()
        done_s = self._now()
        times_s = (end - start, done_s - start_s, queued_s - start_s)
        return CallTimes(*(time_s / calls for time_s in times_s))

    def _time_behind_spin(self, call: Callable[[], object]) -> CallTimes:
        while True:
            self._cuda.synchronize(self._device)
            self._cuda._sleep(self._spin_cycles)
            start_s = self._now()
            start = self._timer()
            call()
            spin_is_over = start.is_over
            end = self._timer()
            queued_s = self._now()
            end.wait()
            done_s = self._now()
            if not spin_is_over:
                return CallTimes(end - start, done_s - start_s, queued_s - start_s)
            if self._spin_cycles >= MOST_SPIN_CYCLES:
                raise LaunchesShowError(
                    "the call waits for the GPU, so its launches cannot be hidden"
                )
            self._spin_cycles *= 2


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all that was asked of it; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds at the host of one call on an otherwise idle device."""
    synchronise(device)
    start_s = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start_s


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Inside, cycles of objects stay, so that no call has to collect those of another."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
