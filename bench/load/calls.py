"""Traffic of concurrent calls: each wants a decision on its last seconds, again and again.

loadgen has no such scenario. Its ``server`` at as many decisions a second has other arrivals: those
of a call are apart by the hop, so that they never come in bursts, but several calls can be in step
for as long as they last.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Condition

from fakemamba.bench.load.loadgen import Issue
from fakemamba.bench.load.server import clock_s

LEAST_ROUNDS = 5  # decisions of each call, so that a queue that grows is seen


def due_times(calls: int, hop_s: float, rounds: int, seed: int) -> Iterator[tuple[float, int]]:
    """When a decision is wanted, in seconds from the start, and of which call; in order.

    The phases of calls are uniform in the hop.
    """
    draw = random.Random(seed)
    phases = sorted((draw.uniform(0, hop_s), call) for call in range(calls))
    for number in range(rounds):
        for phase_s, call in phases:
            yield phase_s + number * hop_s, call


@dataclass(frozen=True)
class CallTraffic:
    """One run of so many calls.

    Attributes:
        calls: at the same time.
        hop_s: between two decisions of a call.
        places: of waveforms, which calls take in turns.
        queries: decisions, at the least.
        seconds: at the least.
        seed: of the phases.
    """

    calls: int
    hop_s: float
    places: range
    queries: int
    seconds: float
    seed: int

    def __call__(self, issue: Issue) -> None:
        """Issue all decisions when they are due and wait until each has ended.

        A decision counts as issued when it is due, also where this thread comes late.
        """
        changed = Condition()
        left = 0

        def on_end() -> None:
            nonlocal left
            with changed:
                left -= 1
                changed.notify_all()

        rounds = -(-self.queries // self.calls)
        rounds = max(rounds, round(self.seconds / self.hop_s), LEAST_ROUNDS)
        began_s = clock_s()
        for query, (due_s, call) in enumerate(due_times(self.calls, self.hop_s, rounds, self.seed)):
            time.sleep(max(began_s + due_s - clock_s(), 0.0))
            with changed:
                left += 1
            issue(query, self.places[call % len(self.places)], on_end, began_s + due_s)
        with changed:
            changed.wait_for(lambda: left == 0)
