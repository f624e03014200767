"""A detector and, on what it makes of a recording or of its frames, one linear layer that is new.

In a state dict the detector's tensors are under ``detector.`` and the layer's under ``head.``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector
from fakemamba.models.maps.observation import has_token
from fakemamba.training.detector_tuning import freeze_back_end

DETECTOR, HEAD = "detector.", "head."
TRIED_FRAMES = 50  # of the silence that shows how wide what is seen is

See = Callable[[Detector, Tensor, Tensor | None], Tensor]


class Headed(nn.Module):
    """Gives logits (B, ..., classes) of what is seen of a detector (B, ..., width).

    What is not tuned of the detector's back-end is in evaluation mode, also while the rest is
    trained: its batch norms keep their statistics, and it drops nothing.
    """

    def __init__(self, detector: Detector, see: See, classes: int, *, tuned_back_end: bool) -> None:
        super().__init__()
        self.detector, self.see, self.tuned_back_end = detector, see, tuned_back_end
        if not tuned_back_end:
            freeze_back_end(detector)
        detector.eval()
        with torch.no_grad():
            width = see(detector, silence_for(detector)[None], None).shape[-1]
        self.head = nn.Linear(width, classes)
        self.train()

    @property
    def _no_split_modules(self) -> list[str]:
        """As of a detector, for accelerate's FSDP."""
        return self.detector._no_split_modules

    def train(self, mode: bool = True) -> Headed:
        """Training mode of what is trained, see above."""
        super().train(mode)
        if not self.tuned_back_end:
            self.detector.eval()
        return self

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, L) of ``lengths`` (B,) samples to logits (B, ..., classes)."""
        logits: Tensor = self.head(self.see(self.detector, waveforms, lengths))
        return logits


def recording(detector: Detector, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """What a detector makes of each recording (B, width), before its classifier."""
    return detector.embed(waveforms, lengths)


def frames(detector: Detector, waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """What the encoder makes of each frame (B, T, width), without a class token.

    Of an encoder that keeps frames apart.
    """
    encoded, _ = detector.encode(waveforms, lengths)
    return encoded[:, int(has_token(detector)) :]


def silence_for(detector: Detector) -> Tensor:
    """Silence (samples,) of a second or so, as much as the detector needs."""
    return torch.zeros(max(detector.min_samples, detector.framing.samples_for(TRIED_FRAMES)))


def parted(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state dict of `Headed` as the detector's and the head's."""
    own, head = (
        {key.removeprefix(mark): one for key, one in state.items() if key.startswith(mark)}
        for mark in (DETECTOR, HEAD)
    )
    return own, head
