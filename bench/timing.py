"""The timed part of a cell: warm-up, rounds, the clock's own cost, and what launches cost."""

from __future__ import annotations

import gc
import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from fakemamba.bench.instruments.cache import make_flush
from fakemamba.bench.instruments.clock import (
    Clock,
    LaunchesShowError,
    Reading,
    no_garbage_collection,
)
from fakemamba.bench.instruments.rounds import Rounds, median_interval, time_rounds, warm_up
from fakemamba.bench.method import Method

OVERHEAD_ROUNDS = 20
DEVICE_ONLY_ROUNDS = 10


class Timeable(Protocol):
    """What can be timed: a call, and inputs that take turns."""

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        ...

    @property
    def inputs(self) -> Sequence[Any]:
        """Inputs of one shape."""
        ...

    def run(self, given: Any) -> object:
        """Do the work once on one of the inputs."""
        ...


@dataclass(frozen=True)
class Timed:
    """The rounds of a cell, and the warm-up before them."""

    rounds: Rounds
    warmup_rounds: int
    warmed_up: bool
    overhead_s: float

    @property
    def samples_s(self) -> tuple[float, ...]:
        """Device seconds of every round."""
        return tuple(reading.device_s for reading in self.rounds.readings)

    @property
    def latency_s(self) -> float:
        """Their median."""
        return statistics.median(self.samples_s)

    def figures(self) -> dict[str, Any]:
        """Median, its interval, the host's side, what ended the rounds, and the clock's own cost.

        ``host_latency_s`` is until the result is there, ``enqueue_s`` until the work is queued.
        """
        readings, latency_s = self.rounds.readings, self.latency_s
        interval = median_interval(self.samples_s)
        return {
            "latency_s": latency_s,
            "latency_low_s": interval and interval[0],
            "latency_high_s": interval and interval[1],
            "host_latency_s": statistics.median(reading.host_s for reading in readings),
            "enqueue_s": statistics.median(reading.enqueue_s for reading in readings),
            "stopped_by": self.rounds.stopped_by,
            "warmup_rounds": self.warmup_rounds,
            "warmed_up": self.warmed_up,
            "overhead_share": self.overhead_s / latency_s,
        }


def time_workload(work: Timeable, clock: Clock, method: Method) -> Timed:
    """Warm up, and time rounds, with garbage collection off."""
    given = itertools.cycle(work.inputs)
    flush = make_flush(work.device) if method.flush_cache else None

    def take(call: Callable[[Any], object]) -> Reading:
        if flush is not None:
            flush()
        return clock.time(lambda: call(next(given)))

    gc.collect()
    with no_garbage_collection():
        empty = [take(lambda _: None).host_s for _ in range(OVERHEAD_ROUNDS)]
        warm = warm_up(lambda: take(work.run), method.effort)
        rounds = time_rounds(lambda: take(work.run), method.effort)
    return Timed(rounds, warm.rounds, warm.steady, statistics.median(empty))


def launch_bound(work: Timeable, timed: Timed, clock: Clock) -> dict[str, Any]:
    """The GPU's own time, and the share of the latency in which it waited for launches."""
    given = itertools.cycle(work.inputs)
    try:
        readings = [clock.time(lambda: work.run(next(given))) for _ in range(DEVICE_ONLY_ROUNDS)]
    except LaunchesShowError as error:
        return {"device_only_s": None, "launch_bound_share": None, "device_only_reason": str(error)}
    device_only_s = statistics.median(reading.device_s for reading in readings)
    share = max(0.0, 1 - device_only_s / timed.latency_s)
    return {"device_only_s": device_only_s, "launch_bound_share": share}
