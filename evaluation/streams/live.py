"""Audio that comes when it comes: a thread that reads, and a place of limited size where it waits.

Whoever judges takes all that has come. So being slow costs decisions and never memory; if judging
stands still for longer than that place holds, the oldest audio is dropped and counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform

HELD_S = 30.0  # of audio that waits at the most
PIECE = SAMPLE_RATE_HZ // 50  # samples of a recording that is played


@dataclass(frozen=True, eq=False)
class Arrived:
    """What has come since the last time.

    Attributes:
        samples: (n,) at 16 kHz; none where nothing came in time.
        at: place of the first of them in the stream.
        arrived_s: `time.monotonic` when the last of them came.
    """

    samples: Waveform
    at: int
    arrived_s: float


class LiveAudio:
    """Blocks of samples (n,) at 16 kHz, read by a thread of its own while others are judged.

    Args:
        source: gives them; an error of it is raised where audio is taken, after what came before.
        held_s: how much may wait.
    """

    def __init__(self, source: Iterable[Waveform], held_s: float = HELD_S) -> None:
        self._most = round(held_s * SAMPLE_RATE_HZ)
        self._waiting: deque[Waveform] = deque()
        self._count = 0  # samples that wait
        self._end = 0  # samples that have come, dropped ones among them
        self._arrived_s = time.monotonic()
        self._has_ended = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        # A daemon: a read of a pipe cannot be interrupted.
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def take(self, patience_s: float) -> Arrived | None:
        """All that has come; None at the end.

        Args:
            patience_s: how long to wait for something. Nothing is given after it.

        Raises:
            Exception: whatever the source raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._has_ended, patience_s)
            if self._has_ended and not self._waiting:
                if self._error is not None:
                    raise self._error
                return None
            samples = np.concatenate([np.zeros(0, np.float32), *self._waiting])
            self._waiting.clear()
            self._count = 0
            return Arrived(samples, self._end - len(samples), self._arrived_s)

    def _read(self, source: Iterable[Waveform]) -> None:
        try:
            for block in source:
                self._put(block)
        except Exception as error:
            self._error = error
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def _put(self, block: Waveform) -> None:
        with self._changed:
            self._waiting.append(block)
            self._count += len(block)
            self._end += len(block)
            while self._count > self._most and len(self._waiting) > 1:
                self._count -= len(self._waiting.popleft())
            self._arrived_s = time.monotonic()
            self._changed.notify()


def played(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Blocks at the pace at which they would be heard, in pieces of 20 ms."""
    began_s = time.monotonic()
    count = 0
    for block in blocks:
        for start in range(0, len(block), PIECE):
            piece = block[start : start + PIECE]
            count += len(piece)
            ahead_s = began_s + count / SAMPLE_RATE_HZ - time.monotonic()
            if ahead_s > 0:
                time.sleep(ahead_s)
            yield piece
