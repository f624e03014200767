"""A detector that is served: requests come at any time, workers take batches of them.

Each worker has a thread here that waits with it, and starts another where it ended. A thread holds
the lock for as long as it moves requests about, never while a detector computes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from types import TracebackType
from typing import Protocol

from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.load.dispatch import Answer, Dispatch, Request
from fakemamba.load_record import LoadError

clock_s = time.perf_counter  # of all times of a load test
TOO_LATE = "the server was closed"


class Working(Protocol):
    """A worker, as `fakemamba.bench.load.worker.Worker` is one."""

    def wait_until_ready(self) -> None:
        """Wait until it can answer; ChildEndedError where it cannot."""
        ...

    def answers(self, samples: Sequence[int]) -> Sequence[Answer]:
        """Answers of a batch; ChildEndedError where it ended."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Server:
    """Workers behind a queue, for as long as the block lasts.

    Args:
        start: starts a worker.
        workers: so many of them.
        max_batch: see `Dispatch`, as for the following.
        max_wait_s: see there.
        queue: see there.

    Raises:
        LoadError: at the block's begin, where a worker cannot be started.
    """

    def __init__(
        self,
        start: Callable[[], Working],
        *,
        workers: int,
        max_batch: int,
        max_wait_s: float,
        queue: int,
    ) -> None:
        self.worker_starts = 0  # after those of the beginning
        self._start = start
        self._count = workers
        self._dispatch = Dispatch(max_batch, max_wait_s, queue)
        self._queue = queue
        self._changed = Condition()
        self._threads: list[Thread] = []
        self._is_open = True
        self._fault: Exception | None = None

    def __enter__(self) -> Server:
        started: list[Working] = []
        try:
            for _ in range(self._count):
                started.append(self._start())
            for one in started:
                one.wait_until_ready()
        except BaseException as error:
            for one in started:
                one.close()
            if isinstance(error, ChildEndedError):
                raise LoadError(f"no worker can be started: {error}") from error
            raise
        for one in started:
            self._threads.append(Thread(target=self._serve, args=(one,), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_open = False
        self.abandon(TOO_LATE)
        for thread in self._threads:
            thread.join(timeout=None if error is None else 1.0)

    def issue(self, request: Request) -> None:
        """Take a request, which is told when it ends; from any thread."""
        with self._changed:
            ended = self._dispatch.issue(request, clock_s())
            self._changed.notify()
        _tell(ended)

    def abandon(self, reason: str) -> None:
        """Let all requests fail, those that wait, are computed, and are still to come."""
        with self._changed:
            ended = self._dispatch.close(reason, clock_s())
            self._changed.notify_all()
        _tell(ended)

    def room_for(self, count: int | None) -> None:
        """Let so many requests wait that come at once; None for as many as usual."""
        with self._changed:
            self._dispatch.queue = self._queue if count is None else max(count, self._queue)

    def check(self) -> None:
        """Raise what a thread here met with that nobody foresaw; all requests have failed then."""
        if self._fault is not None:
            raise self._fault

    def _serve(self, worker: Working | None) -> None:
        """What a worker's thread does until the server is closed."""
        batch: list[Request] = []
        reason = ""
        try:
            while True:
                if worker is None:
                    worker, reason = self._started_anew()
                batch = self._next()
                if not batch:
                    break
                try:
                    if worker is None:
                        raise ChildEndedError(reason, "")
                    found = worker.answers([one.sample for one in batch])
                    with self._changed:
                        ended = self._dispatch.answer(batch, found, clock_s())
                except ChildEndedError as error:
                    with self._changed:
                        ended = self._dispatch.lose(batch, str(error), clock_s())
                    if worker is not None:
                        worker.close()
                        worker = None
                _tell(ended)
        except Exception as error:
            self._fault = error
            self.abandon(f"{type(error).__name__}: {error}")
        finally:
            if worker is not None:
                worker.close()

    def _started_anew(self) -> tuple[Working | None, str]:
        """Another worker, or None and why it could not be started."""
        with self._changed:
            if not self._is_open:
                return None, TOO_LATE
            self.worker_starts += 1
        worker = self._start()
        try:
            worker.wait_until_ready()
        except ChildEndedError as error:
            with suppress(OSError):
                worker.close()
            return None, f"no worker can be started anew: {error}"
        return worker, ""

    def _next(self) -> list[Request]:
        """Wait for the next batch; none once the server is closed."""
        with self._changed:
            while self._is_open:
                batch = self._dispatch.take(clock_s())
                if batch:
                    return batch
                due_s = self._dispatch.due_s()
                self._changed.wait(None if due_s is None else max(due_s - clock_s(), 0.0))
            return []


def _tell(ended: Sequence[Request]) -> None:
    for one in ended:
        one.on_end(one)
