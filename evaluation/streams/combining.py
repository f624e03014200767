"""What the windows so far say together: one score, higher for bona fide, in constant memory."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError

NO_ZERO = (
    "--rule evidence adds up log-likelihood ratios, so it needs a calibration of single windows: "
    "give --window-calibration, made by `fakemamba calibrate` of scores with --length {samples}"
)


def in_words(windowing: Windowing, windows: Calibration | None) -> str:
    """All that a rule's scores depend on beside those of windows."""
    if windowing.rule != "evidence" or windows is None:
        return str(windowing)
    return f"{windowing}, of {windows.scale:.9g} * score {windows.offset:+.9g}"


class Combiner:
    """Scores of windows, one after the other, to the score of a decision.

    A window that begins where the one before did has grown out of it and takes its place.
    ``latest`` is the last score; ``mean`` and ``maximum`` are of all windows that ended less than a
    period before it, the latter the lowest score, that of the most suspicious window. ``evidence``
    adds log-likelihood ratios, each as much as audio is new in it, and halves what there was in
    each period:
    E ← E · 2^(−Δt / period) + llr · new / window, where Δt is the time since the window before.

    Args:
        windowing: with the rule.
        windows: calibration of single windows, for ``evidence``.

    Raises:
        WindowingError: ``evidence`` without it.
    """

    def __init__(self, windowing: Windowing, windows: Calibration | None = None) -> None:
        if windowing.rule == "evidence" and windows is None:
            raise WindowingError(NO_ZERO.format(samples=windowing.window_samples))
        self._windowing, self._calibration = windowing, windows
        self._recent: deque[_Scored] = deque()
        self._before = _Evidence(0, 0.0)  # without the last window
        self._evidence = self._before

    def add(self, start: int, end: int, score: float) -> float:
        """The score of all windows so far, with a new one of samples from start to end."""
        has_grown = bool(self._recent) and self._recent[-1].start == start
        if has_grown:
            self._recent.pop()
        self._recent.append(_Scored(start, end, score))
        period = self._windowing.period * SAMPLE_RATE_HZ
        while self._recent[0].end <= end - period:
            self._recent.popleft()
        rule = self._windowing.rule
        if rule == "latest":
            return score
        if rule == "evidence":
            return self._add_evidence(start, end, score, has_grown=has_grown)
        scores = [one.score for one in self._recent]
        return min(scores) if rule == "maximum" else sum(scores) / len(scores)

    def _add_evidence(self, start: int, end: int, score: float, *, has_grown: bool) -> float:
        assert self._calibration is not None
        if not has_grown:
            self._before = self._evidence
        since = end - self._before.end
        new = end - max(self._before.end, start)
        faded = self._before.nats * 2 ** (-since / (self._windowing.period * SAMPLE_RATE_HZ))
        llr = self._calibration.scale * score + self._calibration.offset
        nats = faded + llr * new / self._windowing.window_samples
        self._evidence = _Evidence(end, nats)
        return nats


class _Scored(NamedTuple):
    start: int
    end: int
    score: float


class _Evidence(NamedTuple):
    end: int
    nats: float
