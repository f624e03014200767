"""A detector on windows of a stream: frames of the convolutions that windows share are made once.

wav2vec 2.0's convolutions have no padding and, where each is followed by a LayerNorm over channels,
a frame depends on its own 400 samples alone. So a frame of a window is a frame of every later
window in which it has a place, which it has where the two begin a multiple of 320 samples apart.
All that comes after the convolutions sees the whole window, and is computed anew.
"""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontends.framing import Framing
from fakemamba.models.frontends.networks import through_convolutions
from fakemamba.models.frontends.s3prl import LEAST_SAMPLES

Module = TypeVar("Module", bound=nn.Module)


def why_not_reusable(detector: Detector) -> str | None:
    """Why no frames of one window can stand in another; None where they can."""
    if isinstance(detector, ExternalDetector):
        return "what code of others computes of a window is not known"
    if not isinstance(detector.frontend, Frontend):
        return "an engine and the optimized front-end run the convolutions together with the rest"
    config = detector.frontend.config
    if config.build.run is not through_convolutions:
        return f"{config.build.title} normalises its spectra over the whole window"
    if config.feature_norm != "layer":
        return f"the first convolution of {config.name} is normalised over the whole window"
    if config.waveform != "none":
        return f"waveforms are normalised over the whole window (waveform={config.waveform})"
    return None


def shared_frames(framing: Framing, window_samples: int, hop_samples: int) -> int:
    """How many frames a window has from those before it, of windows that begin a hop apart.

    Where the hop is no multiple of the frames' own, they are from a window several hops before.
    """
    apart = math.lcm(hop_samples, framing.hop_samples)
    return framing.frame_count(window_samples - apart)


class WindowedDetector:
    """A detector that keeps the convolutions' frames of the windows of one stream.

    Logits are those of the detector on the window, to rounding. What is kept is as much as the
    frames of a window, once for each place that windows have on the grid of frames: one place if
    the hop is a multiple of 320 samples, two with one of 160.

    Args:
        detector: in evaluation mode. It stays as it is, and may serve many streams at once.

    Raises:
        UnsupportedSettingError: see `why_not_reusable`.
    """

    def __init__(self, detector: Detector) -> None:
        if (why := why_not_reusable(detector)) is not None:
            raise UnsupportedSettingError(f"frames of windows cannot be kept: {why}")
        frontend = detector.frontend
        network: Any = frontend.model
        self._frames = _KeptFrames(network.feature_extractor, frontend.config.build.framing)
        network = _with_part(network, "feature_extractor", self._frames)
        self._reusing = _with_part(detector, "frontend", _with_part(frontend, "model", network))
        self._detector = detector
        # Shorter windows are repeated, or filled up, and have frames that are not of the stream.
        self._least_samples = max(detector.fixed_samples or 0, LEAST_SAMPLES)

    @torch.inference_mode()
    def __call__(self, window: Tensor, start: int) -> Tensor:
        """Logits (B, 2) of a window.

        Args:
            window: (B, samples) at 16 kHz, of B streams in step; windows may differ in length.
            start: its first sample, counted from the beginning of the streams.

        Raises:
            ValueError, UnsupportedInputError: see `Detector.check_input`.
        """
        if window.shape[1] < self._least_samples:
            return self._detector(window)
        self._frames.start = start
        return self._reusing(window)

    def restart(self) -> None:
        """Forget all windows: what comes is of another stream, or some of it is missing."""
        self._frames.kept.clear()


class _KeptFrames(nn.Module):
    """A network's convolutions, without those frames that an earlier window had.

    Attributes:
        start: the first sample of the window that comes next, in its stream.
        kept: the last window's start and frames (B, channels, T), by its place on the frames' grid.
    """

    def __init__(self, extractor: nn.Module, framing: Framing) -> None:
        super().__init__()
        self.extractor = extractor
        self.framing = framing
        self.start = 0
        self.kept: dict[int, tuple[int, Tensor]] = {}

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, L) that begin at ``start``, to frames (B, channels, T)."""
        hop, count = self.framing.hop_samples, self.framing.frame_count(waveforms.shape[1])
        found = self._known(count)
        known = 0 if found is None else found.shape[-1]
        if found is None:
            found = self.extractor(waveforms)
        elif known < count:
            found = torch.cat([found, self.extractor(waveforms[:, hop * known :])], -1)
        self.kept[self.start % hop] = (self.start, found)
        # What ends before this window is in none that comes.
        self.kept = {
            place: (begun, frames)
            for place, (begun, frames) in self.kept.items()
            if begun + hop * frames.shape[-1] > self.start
        }
        return found

    def _known(self, count: int) -> Tensor | None:
        """The first frames of the window, ``count`` at the most, as far as they are kept."""
        hop = self.framing.hop_samples
        begun, frames = self.kept.get(self.start % hop, (0, None))
        if frames is None or self.start < begun:
            return None
        first = (self.start - begun) // hop
        return frames[..., first : first + count]


def _with_part(module: Module, name: str, part: nn.Module) -> Module:
    """The same module with another part; the other parts, and all else, are shared."""
    made = copy.copy(module)
    vars(made)["_modules"] = {**vars(module)["_modules"], name: part}
    return made
