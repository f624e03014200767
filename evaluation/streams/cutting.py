"""Audio that comes in pieces of any size, cut into windows: constant memory, silence left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.evaluation.streams.windowing import Windowing

FRAME = SAMPLE_RATE_HZ // 50  # samples whose level is taken together
LEAST_SPEECH_S = 0.1
LEAST_SPEECH_FRAMES = round(LEAST_SPEECH_S * SAMPLE_RATE_HZ / FRAME)
MARGIN = SAMPLE_RATE_HZ // 10  # samples before the first frame that is loud: speech begins softly


@dataclass(frozen=True, eq=False)
class Window:
    """What a decision is to be of.

    Attributes:
        start: its first sample at 16 kHz, counted from the beginning of the stream,
        end: and the one after its last.
        waveform: (end - start,), None where there is too little speech in it.
    """

    start: int
    end: int
    waveform: Waveform | None


class WindowCutter:
    """Takes samples (n,) at 16 kHz and gives a window a hop, and at the end that of what is left.

    Speech begins at the first frame over the level, and again after a window without any. Before
    a window's worth of it has come, windows begin there and grow.

    Args:
        windowing: where windows lie, and the level.
    """

    def __init__(self, windowing: Windowing) -> None:
        self._size, self._hop = windowing.window_samples, windowing.hop_samples
        level = windowing.speech_dbfs
        self._least_power = None if level is None else 10 ** (level / 10)  # of full scale
        self.restart(0)

    @property
    def position(self) -> int:
        """The next sample that is expected, from the beginning of the stream."""
        return self._position

    def restart(self, position: int) -> None:
        """Go on at another place of the stream, with nothing of what was before."""
        self._position = self._begin = position
        self._due = position + self._hop
        self._kept = np.zeros(0, np.float32)  # the last samples, at most a window
        self._loud: npt.NDArray[np.int64] = np.zeros(0, np.int64)  # starts of such frames in it
        self._speech_start = position if self._least_power is None else None

    def completed_by(self, count: int) -> int:
        """How many windows so many further samples complete."""
        left = self._position + count - self._due
        return 0 if left < 0 else 1 + left // self._hop

    def feed(self, samples: Waveform) -> Iterator[Window]:
        """The windows that these samples complete, oldest first; to be gone through to its end."""
        while len(samples):
            count = min(len(samples), self._due - self._position)
            self._take(samples[:count])
            samples = samples[count:]
            if self._position == self._due:
                self._due += self._hop
                yield self._window()

    def close(self) -> Window | None:
        """The window that ends with the stream, None if the last one did so."""
        is_new = self._position > max(self._due - self._hop, self._begin)
        return self._window() if is_new else None

    def _take(self, samples: Waveform) -> None:
        before = self._position
        self._kept = np.concatenate([self._kept, samples])[-self._size :]
        self._position += len(samples)
        if self._least_power is None:
            return
        # Frames lie on a grid of the stream, and are looked at when they are complete.
        first = (before - self._begin) // FRAME
        last = (self._position - self._begin) // FRAME
        oldest = -((self._begin - (self._position - len(self._kept))) // FRAME)
        first = max(first, oldest)
        if last > first:
            start = self._begin + first * FRAME - (self._position - len(self._kept))
            frames = self._kept[start : start + (last - first) * FRAME].reshape(-1, FRAME)
            power = np.square(frames, dtype=np.float64).mean(axis=1)
            loud = np.flatnonzero(power >= self._least_power) + first
            self._loud = np.concatenate([self._loud, self._begin + loud * FRAME])
        self._loud = self._loud[self._loud >= self._position - self._size]
        if not len(self._loud):
            self._speech_start = None
        elif self._speech_start is None:
            self._speech_start = max(int(self._loud[0]) - MARGIN, self._begin)

    def _window(self) -> Window:
        oldest = self._position - len(self._kept)
        is_gated = self._least_power is not None
        if self._speech_start is None or (is_gated and len(self._loud) < LEAST_SPEECH_FRAMES):
            return Window(oldest, self._position, None)
        start = max(self._speech_start, oldest)
        return Window(start, self._position, self._kept[start - oldest :].copy())
