"""Requests from issue to end: a bounded queue, batches of it, and none that is lost.

Nothing here knows a clock or a thread: whoever calls says what time it is. Each call gives the
requests that ended by it, so that they can be told when no lock is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fakemamba.load_record import Ending, Requests

Answer = float | str  # a score, or why there is none


def _nobody(request: Request) -> None:
    """Tells nobody of an end."""


@dataclass(eq=False)
class Request:
    """One waveform that is to be scored.

    Attributes:
        query: of which it is a part.
        sample: the place of its waveform among those that workers hold.
        samples: of that waveform.
        issued_s: on the clock of all times.
        on_end: is told of its end, once.
    """

    query: int
    sample: int
    samples: int
    issued_s: float
    on_end: Callable[[Request], None] = _nobody
    started_s: float | None = None
    ended_s: float | None = None
    batch: int = 0
    ending: Ending | None = None
    reason: str | None = None


class Dispatch:
    """Who waits, who is being computed, and how each one ends.

    A batch leaves when it is full, or when its first request has waited for so long; whoever takes
    it is idle.

    Args:
        max_batch: requests of a batch, at the most.
        max_wait_s: see above.
        queue: requests that may wait; further ones are refused.
    """

    def __init__(self, max_batch: int, max_wait_s: float, queue: int) -> None:
        self.max_batch, self.max_wait_s, self.queue = max_batch, max_wait_s, queue
        self._waiting: deque[Request] = deque()
        self._running: list[Request] = []
        self._closed: str | None = None

    def issue(self, request: Request, now_s: float) -> list[Request]:
        """Take a request, or refuse it; once closed, all fail."""
        if self._closed is not None:
            return _ended([request], "failed", now_s, self._closed)
        if len(self._waiting) >= self.queue:
            return _ended([request], "refused", now_s)
        self._waiting.append(request)
        return []

    def due_s(self) -> float | None:
        """When a batch may leave; None where nobody waits."""
        if not self._waiting:
            return None
        first_s = self._waiting[0].issued_s
        return first_s if len(self._waiting) >= self.max_batch else first_s + self.max_wait_s

    def take(self, now_s: float) -> list[Request]:
        """The batch that leaves now; nothing where none is due."""
        due_s = self.due_s()
        if due_s is None or due_s > now_s:
            return []
        count = min(self.max_batch, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(count)]
        for one in batch:
            one.started_s, one.batch = now_s, count
        self._running += batch
        return batch

    def answer(
        self, batch: Sequence[Request], answers: Sequence[Answer], now_s: float
    ) -> list[Request]:
        """End a batch by a worker's answers.

        Raises:
            ValueError: they are not one a request; the batch is still running then.
        """
        pairs = list(zip(batch, answers, strict=True))
        running = self._returned(batch)
        ended = []
        for one, found in pairs:
            if one in running:
                is_score = not isinstance(found, str)
                reason = None if is_score else str(found)
                ended += _ended([one], "answered" if is_score else "failed", now_s, reason)
        return ended

    def lose(self, batch: Sequence[Request], reason: str, now_s: float) -> list[Request]:
        """End a batch whose worker ended."""
        return _ended(self._returned(batch), "failed", now_s, reason)

    def close(self, reason: str, now_s: float) -> list[Request]:
        """End all that there are, and those to come; an answer that comes later is too late."""
        self._closed = reason
        left = [*self._running, *self._waiting]
        self._running.clear()
        self._waiting.clear()
        return _ended(left, "failed", now_s, reason)

    def _returned(self, batch: Sequence[Request]) -> list[Request]:
        """Those of a batch that had not ended before it came back."""
        found = [one for one in batch if one in self._running]
        self._running = [one for one in self._running if one not in batch]
        return found


def _ended(
    requests: Sequence[Request], ending: Ending, now_s: float, reason: str | None = None
) -> list[Request]:
    for one in requests:
        assert one.ending is None, "a request ends once"
        one.ending, one.ended_s, one.reason = ending, now_s, reason
    return list(requests)


def columns(requests: Sequence[Request], began_s: float) -> Requests:
    """Requests that have ended, for a record; the others are left out, which it finds."""
    ended = [one for one in requests if one.ending is not None]

    def since(time_s: float | None) -> float | None:
        return None if time_s is None else round(time_s - began_s, 6)

    return Requests(
        query=tuple(one.query for one in ended),
        issued_s=tuple(round(one.issued_s - began_s, 6) for one in ended),
        started_s=tuple(since(one.started_s) for one in ended),
        ended_s=tuple(round((one.ended_s or 0.0) - began_s, 6) for one in ended),
        samples=tuple(one.samples for one in ended),
        batch=tuple(one.batch for one in ended),
        ending=tuple(one.ending for one in ended if one.ending is not None),
        reason=tuple(one.reason for one in ended),
    )
