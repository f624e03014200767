"""How often a call is timed: rounds make a visit, and visits follow until their median is certain.

What misleads on a real machine is not the spread of calls in a row but that all of them are off:
memory lies elsewhere, the clock is another a minute later. So few calls are made in a row, and a
cell is come back to.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fakemamba.bench.instruments.clock import CallTimes
from fakemamba.visits import interval

STEADY_WINDOW = 3
STEADY_CHANGE = 0.02
DEAR_CALL_S = 1.0


@dataclass(frozen=True)
class Effort:
    """How long a visit lasts, and when a cell has enough of them.

    Attributes:
        least_visits: of a cell,
        dear_visits: and of one whose call takes over a second.
        most_visits: of a cell.
        time_s: timed seconds after which a cell needs no more than the least visits.
        precision: neither does it if the 95 % interval of its latency is, on both sides, narrower
            than this share of it.
        visit_s: a visit takes rounds until so many seconds have passed,
        least_rounds: but at least so many,
        most_rounds: and at most so many.
        warmup_s: of calls before the first visit, unless they are steady earlier,
        warmup_rounds: but at least so many.
    """

    least_visits: int = 5
    dear_visits: int = 3
    most_visits: int = 15
    time_s: float = 2.0
    precision: float = 0.01
    visit_s: float = 0.05
    least_rounds: int = 1
    most_rounds: int = 20
    warmup_s: float = 0.2
    warmup_rounds: int = 0

    def visits_needed(self, latency_s: float) -> int:
        """At the least, of a cell whose call takes so long."""
        return self.dear_visits if latency_s > DEAR_CALL_S else self.least_visits

    def stopped_by(
        self, visits_s: Sequence[float], timed_s: float, visits: int | None = None
    ) -> str | None:
        """Why a cell has enough visits: ``precision``, ``time`` or ``visits``; None if it has not.

        Args:
            visits_s: the figures of those that count, in seconds.
            timed_s: seconds of all rounds of them.
            visits: how many there were; None if all count.
        """
        if not visits_s:
            return None
        if len(visits_s) >= self.visits_needed(statistics.median(visits_s)):
            if is_certain(visits_s, self.precision):
                return "precision"
            if timed_s >= self.time_s:
                return "time"
        return "visits" if (visits or len(visits_s)) >= self.most_visits else None


@dataclass(frozen=True)
class WarmUp:
    """How the calls before the rounds went; ``steady`` False if time ended before they were."""

    rounds: int
    steady: bool


def warm_up(
    take: Callable[[], CallTimes], effort: Effort, now: Callable[[], float] = time.perf_counter
) -> WarmUp:
    """Call until the last three calls are no faster or slower than the three before them."""
    start_s, times_s = now(), list[float]()
    while True:
        recent, before = times_s[-STEADY_WINDOW:], times_s[-2 * STEADY_WINDOW : -STEADY_WINDOW]
        steady = len(before) == STEADY_WINDOW and math.isclose(
            statistics.median(recent), statistics.median(before), rel_tol=STEADY_CHANGE
        )
        ended = steady or now() - start_s >= effort.warmup_s
        if ended and len(times_s) >= effort.warmup_rounds:
            return WarmUp(len(times_s), steady)
        times_s.append(take().host_s)


def time_rounds(
    take: Callable[[], CallTimes], effort: Effort, now: Callable[[], float] = time.perf_counter
) -> tuple[CallTimes, ...]:
    """The rounds of one visit."""
    start_s, readings = now(), []
    while True:
        readings.append(take())
        has_least = len(readings) >= effort.least_rounds
        is_over = len(readings) >= effort.most_rounds or now() - start_s >= effort.visit_s
        if has_least and is_over:
            return tuple(readings)


def is_certain(visits_s: Sequence[float], precision: float) -> bool:
    """Whether the interval of their median is within ``precision`` of it, relatively."""
    found = interval(visits_s)
    if found is None:
        return False
    median = statistics.median(visits_s)
    return max(median - found[0], found[1] - median) < precision * median
