"""One visit of a cell: warm-up, rounds, the clock's own cost; and what launches cost."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from fakemamba.bench.instruments.cache import make_flush
from fakemamba.bench.instruments.clock import (
    CallTimes,
    Clock,
    LaunchesShowError,
    no_garbage_collection,
)
from fakemamba.bench.instruments.rounds import WarmUp, time_rounds, warm_up
from fakemamba.bench.method import Method

OVERHEAD_ROUNDS = 20
DEVICE_ONLY_ROUNDS = 10
LONG_CALL_S = 0.25  # a longer one is not slower by what stands in caches: no call before its rounds


class Timeable(Protocol):
    """What can be timed: a call, and inputs that take turns."""

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        ...

    def run(self, given: Any) -> Any:
        """Do the work once on one of the inputs."""
        ...


@dataclass(frozen=True)
class Timed:
    """The rounds of a visit, and what the first of them returned."""

    readings: tuple[CallTimes, ...]
    output: Any


@dataclass(frozen=True)
class Ready:
    """How a cell was made ready: its warm-up, and the clock's own cost."""

    warm_up: WarmUp
    overhead_s: float

    def figures(self) -> dict[str, Any]:
        """As a cell's details."""
        return {
            "warmup_rounds": self.warm_up.rounds,
            "warmed_up": self.warm_up.steady,
            "overhead_s": self.overhead_s,
        }


def make_ready(
    work: Timeable, inputs: Sequence[Any], clock: Clock, method: Method, call_s: float
) -> Ready:
    """Before a cell's first visit: time what takes nothing, and call until calls are steady.

    ``call_s`` is what a call took just now; after a long one calls are steady.
    """
    take, effort = _taker(work, inputs, clock, method), method.effort
    with no_garbage_collection():
        empty = [take(lambda _: None).host_s for _ in range(OVERHEAD_ROUNDS)]
        is_steady = call_s >= LONG_CALL_S and effort.warmup_rounds == 0
        warm = WarmUp(0, True) if is_steady else warm_up(lambda: take(work.run), effort)
        return Ready(warm, statistics.median(empty))


def time_visit(
    work: Timeable, inputs: Sequence[Any], clock: Clock, method: Method, last_s: float | None
) -> Timed:
    """The rounds of a visit, with garbage collection off.

    Args:
        work: what is timed.
        inputs: take turns; the first round has the first.
        clock: of its device.
        method: how many rounds.
        last_s: what a call took in the visit before; None in the first, which `make_ready` warmed.
    """
    if last_s is not None and last_s < LONG_CALL_S:
        work.run(inputs[-1])  # other cells have been in the caches since
    outputs = list[Any]()

    def run(given: Any) -> None:
        output = work.run(given)
        if not outputs:
            outputs.append(output.clone())  # the next run of a graph overwrites it

    take = _taker(work, inputs, clock, method)
    with no_garbage_collection():
        return Timed(time_rounds(lambda: take(run), method.effort), outputs[0])


def device_only_s(work: Timeable, inputs: Sequence[Any], clock: Clock) -> dict[str, Any]:
    """The GPU's own time, without launches; or why it cannot be known."""
    given = itertools.cycle(inputs)
    try:
        readings = [clock.time(lambda: work.run(next(given))) for _ in range(DEVICE_ONLY_ROUNDS)]
    except LaunchesShowError as error:
        return {"device_only_s": None, "device_only_reason": str(error)}
    return {"device_only_s": statistics.median(reading.device_s for reading in readings)}


def _taker(
    work: Timeable, inputs: Sequence[Any], clock: Clock, method: Method
) -> Callable[[Callable[[Any], object]], CallTimes]:
    """What times a call on the next of the inputs."""
    given = itertools.cycle(inputs)
    flush = make_flush(work.device) if method.flush_cache else None

    def take(call: Callable[[Any], object]) -> CallTimes:
        if flush is not None:
            flush()
        return clock.time(lambda: call(next(given)))

    return take
