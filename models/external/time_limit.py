"""How long code of others may take until it can be measured, so that one that hangs is named.

By an alarm of the main thread; elsewhere, as where nothing sets a limit, there is none.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

AGAIN_AFTER_S = 1.0  # some code of others drops whatever is raised in it


@dataclass(frozen=True)
class _Limit:
    seconds: float
    remedy: str


_limit: _Limit | None = None


class _TooLong(BaseException):
    """No ``except Exception`` of others is meant to catch it."""


@contextmanager
def at_most(seconds: float, remedy: str) -> Iterator[None]:
    """Within, each step of code of others, as `in_time` names them, is ended after ``seconds``.

    Args:
        seconds: more than none.
        remedy: how to give it more.

    Raises:
        ValueError: there is no such time.
    """
    global _limit
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise ValueError(f"a limit of {seconds:g} s: give seconds, more than none")
    before, _limit = _limit, _Limit(seconds, remedy)
    try:
        yield
    finally:
        _limit = before


@contextmanager
def in_time(name: str, what: str, error: type[ValueError]) -> Iterator[None]:
    """A step of code of others, within the limit if there is one.

    Args:
        name: of the detector.
        what: the step, such as ``to be imported``.
        error: what is raised of it.

    Raises:
        error: it took longer; says of which detector, and at what.
    """
    limit = _limit
    if limit is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    begun_s = time.monotonic()

    def ring(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - begun_s >= limit.seconds:
            raise _TooLong
        if callable(before):  # an alarm that somebody else has set meanwhile
            before(number, frame)

    before = signal.signal(signal.SIGALRM, ring)
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, limit.seconds, AGAIN_AFTER_S)
    try:
        yield
    except _TooLong:
        raise error(f"{name} took longer than {limit.seconds:g} s {what}; {limit.remedy}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left_s:
            left_s -= time.monotonic() - begun_s
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 1e-3), interval_s)
