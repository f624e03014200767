"""A detector that listens: audio in pieces of any size to a decision a hop, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.streaming import StreamError
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.judgement import Judgement, OperatingPoint, judge_score
from fakemamba.evaluation.manner import PLAIN, Manner
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5
from fakemamba.evaluation.scoring import Scores, scoring_function
from fakemamba.evaluation.streams.combining import Combiner
from fakemamba.evaluation.streams.cutting import Window, WindowCutter
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError
from fakemamba.models.detector import Detector
from fakemamba.models.execution.modes import running_in
from fakemamba.models.streaming import WindowedDetector, shared_frames, why_not_reusable

Status = Literal["judged", "silence", "too short"]

WARM_UP_LEVEL = 0.1  # of full scale, about that of speech


@dataclass(frozen=True)
class StreamDecision:
    """What is known of a stream at a time of it.

    Attributes:
        at_s: seconds of audio so far,
        start_s: and where the window begins that ends there.
        status: ``silence`` where there is too little speech in it, ``too short`` where it is less
            than the detector takes; both have no score, and the stream no verdict then.
        window_score: of the window alone; higher is more bona fide.
        judgement: of all windows so far, by the rule.
        skipped: decisions before it that were left out, as there was no time for them.
        missing_s: audio that did not come since the decision before; windows began anew after it.
    """

    at_s: float
    start_s: float
    status: Status
    window_score: float | None = None
    judgement: Judgement | None = None
    skipped: int = 0
    missing_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it in one flat object; unknown is null."""
        nothing = dict.fromkeys(field.name for field in fields(Judgement))
        judged = nothing if self.judgement is None else asdict(self.judgement)
        return {name: value for name, value in vars(self).items() if name != "judgement"} | judged


class StreamingDetector:
    """A stream's decisions.

    One window over a whole recording gives the score that ``fakemamba score`` gives. In fp32,
    frames of the front-end's convolutions that windows share are made once, where that is exact.

    Args:
        detector: in eval mode, on its device.
        windowing: windows and rule.
        manner: precision and execution; its ``length`` is not used.
        calibration: of the rule's scores; without it decisions have no probability.
        window_calibration: of single windows; the rule ``evidence`` needs it.
        point: from which score on a stream is bona fide; without it there is no verdict.
        pi_spoof: prior of a spoof, for the probability.

    Raises:
        WindowingError: windows that are shorter than the detector takes; a rule without its
            calibration.
        ValueError: a precision or an execution that cannot be on this device.
    """

    def __init__(
        self,
        detector: Detector,
        windowing: Windowing,
        *,
        manner: Manner | None = None,
        calibration: Calibration | None = None,
        window_calibration: Calibration | None = None,
        point: OperatingPoint | None = None,
        pi_spoof: float = DCF_ASVSPOOF5.pi_spoof,
    ) -> None:
        check_windows(detector, windowing)
        manner = manner or Manner()
        self._detector = detector
        self._scores: Scores = scoring_function(detector, manner)
        self._reusing = _reusing(detector, windowing, manner)
        self._least = detector.min_samples
        self._usual = max(self._least, min(windowing.hop_samples, windowing.window_samples))
        self._cutter = WindowCutter(windowing)
        self._combiner = Combiner(windowing, window_calibration)
        self._calibration, self._point, self._pi_spoof = calibration, point, pi_spoof
        self._missing = 0

    @property
    def position(self) -> int:
        """The next sample at 16 kHz that is expected."""
        return self._cutter.position

    def warm_up(self) -> None:
        """Score noise that is no part of the stream, before it begins.

        What is compiled, allocated or read at a first call is then there at the first decision.
        """
        noise = torch.randn(1, self._usual, generator=torch.Generator().manual_seed(0))
        self._score(WARM_UP_LEVEL * noise, 0)
        if self._reusing is not None:
            self._reusing.restart()

    def feed(
        self, samples: npt.ArrayLike, *, at: int | None = None, only_latest: bool = False
    ) -> Iterator[StreamDecision]:
        """Decisions that are due within these samples, each made when it is asked for.

        Args:
            samples: (n,) at 16 kHz, floats in [-1, 1], not normalised.
            at: place of the first of them in the stream, for sources that know it: where it is not
                the one that is expected, audio is missing, and windows begin anew. None: the next.
            only_latest: make the last one only; the others are counted in its ``skipped``. For
                whoever is behind.

        Raises:
            StreamError: samples that are no finite numbers or of another shape; a place in what was
                given already; a detector that gives no number.
        """
        block = _checked(samples, self.position)
        if at is not None and at < self.position:
            raise StreamError(
                f"these samples are of {at / SAMPLE_RATE_HZ:.3f} s, but the stream is at "
                f"{self.position / SAMPLE_RATE_HZ:.3f} s: give each sample once, in their order"
            )
        if at is not None and at > self.position:
            self._missing += at - self.position
            self._cutter.restart(at)
            if self._reusing is not None:
                self._reusing.restart()
        return self._decisions(block, only_latest=only_latest)

    def close(self) -> StreamDecision | None:
        """The decision at the end of the stream, None if the last one was there."""
        window = self._cutter.close()
        return None if window is None else self._decide(window, 0)

    def _decisions(self, block: Waveform, *, only_latest: bool) -> Iterator[StreamDecision]:
        due = self._cutter.completed_by(len(block))
        for number, window in enumerate(self._cutter.feed(block), 1):
            if not only_latest:
                yield self._decide(window, 0)
            elif number == due:
                yield self._decide(window, due - 1)

    def _decide(self, window: Window, skipped: int) -> StreamDecision:
        missing_s, self._missing = self._missing / SAMPLE_RATE_HZ, 0
        at_s, start_s = window.end / SAMPLE_RATE_HZ, window.start / SAMPLE_RATE_HZ

        def decision(
            status: Status, score: float | None = None, judgement: Judgement | None = None
        ) -> StreamDecision:
            return StreamDecision(at_s, start_s, status, score, judgement, skipped, missing_s)

        if window.waveform is None:
            return decision("silence")
        if len(window.waveform) < self._least:
            return decision("too short")
        score = self._score(torch.from_numpy(window.waveform)[None], window.start)
        if not math.isfinite(score):
            raise StreamError(f"at {at_s:.3f} s the detector gives {score}, which is no score")
        combined = self._combiner.add(window.start, window.end, score)
        judgement = judge_score(combined, self._calibration, self._point, self._pi_spoof)
        return decision("judged", score, judgement)

    @torch.inference_mode()
    def _score(self, waveform: Tensor, start: int) -> float:
        """Of a window (1, samples) that begins at a sample of the stream."""
        if self._reusing is None:
            return self._scores(waveform, None).item()
        device = self._detector.device
        with running_in(device, "fp32", "sdpa"):
            return self._detector.scores(self._reusing(waveform.to(device), start)).item()


def _reusing(detector: Detector, windowing: Windowing, manner: Manner) -> WindowedDetector | None:
    """What keeps what windows share, where that is exact and saves anything."""
    if (manner.execution, manner.precision) != (PLAIN, "fp32") or why_not_reusable(detector):
        return None
    samples = windowing.window_samples, windowing.hop_samples
    return WindowedDetector(detector) if shared_frames(detector.framing, *samples) > 0 else None


def check_windows(detector: Detector, windowing: Windowing) -> None:
    """Refuse windows that a detector cannot judge.

    Raises:
        WindowingError: they are shorter than it takes.
    """
    if windowing.window_samples < detector.min_samples:
        raise WindowingError(
            f"--window {windowing.window:g}: the detector takes "
            f"{detector.min_samples / SAMPLE_RATE_HZ:g} s at the least"
        )


def _checked(samples: npt.ArrayLike, position: int) -> Waveform:
    block = np.asarray(samples)
    if block.ndim != 1 or block.dtype.kind != "f":
        raise StreamError(
            f"samples must be floats (n,) in [-1, 1], but these are {block.dtype} of shape "
            f"{block.shape}"
        )
    if not np.isfinite(block).all():
        bad = position + int(np.argmax(~np.isfinite(block)))
        raise StreamError(f"sample {bad:,} of the stream is not a finite number")
    return block.astype(np.float32, copy=False)
