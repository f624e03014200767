"""Decisions on a stream as a workload: each call brings a hop of samples and judges a window.

What is timed is a stream in its course: before its first call as many windows were judged as it
takes until nothing of a window is made anew that could have been kept. ``stream`` runs the detector
on the whole window, and ``stream-cached`` keeps the frames of the convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fakemamba.bench.cells import Cell
from fakemamba.bench.measuring.verification import require_close
from fakemamba.bench.measuring.workload import (
    ROTATED_INPUTS,
    SEED,
    DetectorWorkload,
    running_as,
    set_kernels,
)
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.synthetic import speech_like
from fakemamba.models.detector import Detector
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.streaming import WindowedDetector, shared_frames

ANEW = "the same window, computed anew"


@dataclass
class StreamWorkload:
    """A stream of a detector.

    Attributes:
        cell: of a part of ``STREAM_PARTS``.
        whole: the detector on one window.
        judge: a window (1, samples) and its place in the stream, to logits (1, 2).
        hop_samples: between windows.
        window: the last one, at first one that was not judged,
        start: and its place.
        warm_up: hops that are still to come before the first that is timed.
    """

    cell: Cell
    whole: DetectorWorkload
    judge: Callable[[Tensor, int], Tensor]
    hop_samples: int
    window: Tensor
    start: int = 0
    warm_up: int = 0

    @property
    def detector(self) -> Detector:
        """As it is run on one window."""
        return self.whole.detector

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        return self.whole.device

    def inputs(self) -> list[Tensor]:
        """Hops of speech-like samples (1, hop), made anew; the stream is in its course."""
        set_kernels(self.detector, self.cell.attention, self.cell.backend)
        samples = speech_like(ROTATED_INPUTS * self.hop_samples, SEED + 1)
        hops = torch.from_numpy(samples).to(self.device).view(ROTATED_INPUTS, 1, -1)
        while self.warm_up:
            self.run(hops[self.warm_up % ROTATED_INPUTS])
            self.warm_up -= 1
        return [hop.clone() for hop in hops]

    def run(self, given: Tensor) -> Tensor:
        """The logits of the window that these samples (1, hop) complete."""
        with torch.inference_mode(), running_as(self.cell, self.cell.precision):
            self.window = torch.cat([self.window, given], 1)[:, self.hop_samples :]
            self.start += self.hop_samples
            return self.judge(self.window, self.start)

    def run_eager(self) -> Tensor:
        """A decision whose scan can be counted."""
        set_kernels(self.detector, self.cell.attention, "auto")
        try:
            return self.run(self.window[:, : self.hop_samples])
        finally:
            set_kernels(self.detector, self.cell.attention, self.cell.backend)

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Check what two hops gave as a window's output is, and the next one against its window.

        Raises:
            WrongResultError: an output is not what it has to be.
        """
        facts = self.whole.verify(output, other)
        if self.cell.part == "stream":
            return facts
        found = self.run(self.window[:, : self.hop_samples])
        wanted = self.whole.run(self.window)
        error = require_close(found, wanted, self.cell.precision, "a window with kept frames")
        errors = {"max_abs_error": error.max_abs, "relative_error": error.relative}
        return facts | errors | {"error_against": ANEW}

    def facts(self) -> dict[str, Any]:
        """Those of the detector."""
        return self.whole.facts()


def check_streamable(cell: Cell) -> None:
    """Raises UnsupportedSettingError: what is kept from call to call is in no graph of one call."""
    if cell.part == "stream-cached" and cell.execution in ("compile", "graph"):
        raise UnsupportedSettingError(
            f"frames of windows are kept by code that runs eager, not as {cell.execution}"
        )


def stream_workload(cell: Cell, whole: DetectorWorkload) -> StreamWorkload:
    """What a cell of a stream measures.

    Args:
        cell: of batch 1.
        whole: of `Cell.of_window`.

    Raises:
        UnsupportedSettingError: nothing can be kept of a window.
    """
    assert cell.hop_s is not None
    hop_samples = max(1, round(cell.hop_s * SAMPLE_RATE_HZ))
    window = whole.first

    def anew(window: Tensor, start: int) -> Tensor:
        return whole.executed(window)

    if cell.part == "stream":
        return StreamWorkload(cell, whole, anew, hop_samples, window)
    assert isinstance(whole.part, Detector)
    kept = WindowedDetector(whole.part)
    framing = whole.detector.framing
    if shared_frames(framing, window.shape[1], hop_samples) == 0:
        raise UnsupportedSettingError(
            f"no two windows of {cell.duration_s:g} s every {cell.hop_s:g} s share a frame: they "
            f"begin a multiple of {framing.hop_samples} samples apart only where they no longer "
            "overlap"
        )
    places = math.lcm(hop_samples, framing.hop_samples) // hop_samples
    return StreamWorkload(cell, whole, kept, hop_samples, window, warm_up=places)
