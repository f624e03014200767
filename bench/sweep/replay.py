"""Gives pytest-benchmark the times of a cell that was measured before, here or elsewhere.

pytest-benchmark decides on rounds beforehand and knows one clock, so cells are measured without it.
Their rounds are then played back through its public ``timer=``: a clock whose time passes only in
the playing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_benchmark.fixture import BenchmarkFixture


class PlaybackClock:
    """A timer whose time passes only in `play`, by the next sample."""

    __name__ = "device_clock"  # what pytest-benchmark calls it in its JSON

    def __init__(self) -> None:
        self._now_s = 0.0
        self._samples_s: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The time in seconds."""
        return self._now_s

    def play(self, benchmark: BenchmarkFixture, samples_s: Sequence[float], group: str) -> None:
        """Enter the samples, one a round; ``benchmark`` has to have this object as its timer."""
        self._samples_s = iter(samples_s)
        benchmark.group = group
        benchmark.pedantic(self._advance, setup=self._restart, rounds=len(samples_s))

    def _advance(self) -> None:
        self._now_s = next(self._samples_s)

    def _restart(self) -> None:
        self._now_s = 0.0
