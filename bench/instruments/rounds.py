"""How often a call is timed: until it is steady, then until its median is certain."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import stats

from fakemamba.bench.instruments.clock import Reading

CONFIDENCE = 0.95
STEADY_WINDOW = 3
STEADY_CHANGE = 0.02


@dataclass(frozen=True)
class Effort:
    """When to stop timing a call.

    Rounds end as soon as the 95 % interval of the median is narrower on both sides than
    ``precision`` of the median, or ``time_s`` has passed; but there are at least ``min_rounds``,
    and at most ``max_rounds``. Warm-up lasts until calls are steady, ``time_s`` at the most, but at
    least ``warmup_rounds`` calls.
    """

    min_rounds: int
    time_s: float
    precision: float = 0.01
    max_rounds: int | None = None
    warmup_rounds: int = 0


@dataclass(frozen=True)
class WarmUp:
    """How the calls before the rounds went; ``steady`` False if time ended before they were."""

    rounds: int
    steady: bool


@dataclass(frozen=True)
class Rounds:
    """Timed calls, and what ended them: ``precision``, ``time`` or ``rounds``."""

    readings: tuple[Reading, ...]
    stopped_by: str


def warm_up(
    take: Callable[[], Reading], effort: Effort, now: Callable[[], float] = time.perf_counter
) -> WarmUp:
    """Call until the last three calls are no faster or slower than the three before them."""
    start_s, times_s = now(), list[float]()
    while True:
        recent, before = times_s[-STEADY_WINDOW:], times_s[-2 * STEADY_WINDOW : -STEADY_WINDOW]
        steady = len(before) == STEADY_WINDOW and math.isclose(
            statistics.median(recent), statistics.median(before), rel_tol=STEADY_CHANGE
        )
        ended = steady or now() - start_s >= effort.time_s
        if ended and len(times_s) >= effort.warmup_rounds:
            return WarmUp(len(times_s), steady)
        times_s.append(take().host_s)


def time_rounds(
    take: Callable[[], Reading], effort: Effort, now: Callable[[], float] = time.perf_counter
) -> Rounds:
    """Time calls as often as ``effort`` says."""
    start_s, readings = now(), []
    while True:
        readings.append(take())
        if effort.max_rounds is not None and len(readings) >= effort.max_rounds:
            return Rounds(tuple(readings), "rounds")
        if len(readings) < effort.min_rounds:
            continue
        if is_certain([reading.device_s for reading in readings], effort.precision):
            return Rounds(tuple(readings), "precision")
        if now() - start_s >= effort.time_s:
            return Rounds(tuple(readings), "time")


def is_certain(samples: Sequence[float], precision: float) -> bool:
    """Whether the interval of the median is within ``precision`` of it, relatively."""
    interval = median_interval(samples)
    if interval is None:
        return False
    median = statistics.median(samples)
    return max(median - interval[0], interval[1] - median) < precision * median


def median_interval(samples: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the median, free of any assumption about the distribution.

    Between two order statistics whose ranks the binomial distribution gives (Le Boudec,
    "Performance Evaluation of Computer and Communication Systems", 2010, theorem 2.1). None for
    fewer than six samples, which have no such interval.
    """
    count = len(samples)
    below = int(stats.binom.ppf((1 - CONFIDENCE) / 2, count, 0.5))
    if below < 1:
        return None
    ordered = sorted(samples)
    return ordered[below - 1], ordered[count - below]
