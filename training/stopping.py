"""Ctrl-C and SIGTERM as a wish to stop after the step, so that nothing is cut in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fakemamba import interrupts


@contextmanager
def stop_asked_for() -> Iterator[Callable[[], bool]]:
    """Whether it was asked to stop. The second time, the signal does what it did before.

    Signals reach a process' main thread alone; in another one nothing is ever asked for.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked.set()
        interrupts.came(number)
        restore()

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield asked.is_set
    finally:
        restore()
