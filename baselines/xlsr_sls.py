"""XLSR-SLS (Zhang et al. 2024): all layers of XLS-R, each through a gate of its own, added up.

What comes after the sum looks at 67 by 341 maxima at fixed places, so that the published detector
takes 201 to 203 frames: each utterance is cut, or repeated, to 64,600 samples. With
``pooling="adaptive"``, which is ours, the 67 maxima spread over the whole utterance; at 201 frames
that is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.detector import Detector, DetectorConfig, UnsupportedInputError
from fakemamba.models.frontend import Frontend, Size
from fakemamba.models.masking import FrameBatchNorm, masked_mean, optional_mask
from fakemamba.models.state_dicts import shape_of

PUBLISHED_SAMPLES = 64_600
TIMES = 67  # maxima over time
POOLED = 3  # frames, and channels, of which each maximum is


@dataclass(frozen=True)
class SLSConfig(DetectorConfig):
    """``hidden`` is the width between the two linear layers; ``pooling`` see above."""

    hidden: Size = 1024
    pooling: Literal["published", "adaptive"] = "published"


class GatedLayerSum(nn.Module):
    """Layers to one map of maxima.

    A layer's gate is a sigmoid of its mean over time; gates do not add up to one. The input of the
    first layer is left out, and no layer has the front-end's final norm.
    """

    def __init__(self, config: SLSConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.frontend.hidden_size, 1)
        self.norm = FrameBatchNorm(1)
        self.pooling = config.pooling

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """All states (B, 1 + layers, T, width) to (B, 67, width // 3).

        Raises:
            UnsupportedInputError: other than 201 to 203 frames, with the published pooling.
        """
        states = features[:, 1:]
        means = masked_mean(states.transpose(1, 2), lengths)  # (B, layers, width)
        gates = self.gate(means).sigmoid().squeeze(-1)  # (B, layers)
        frames = torch.einsum("bk,bktw->btw", gates, states)
        valid = optional_mask(lengths, frames.shape[1])
        frames = F.selu(self.norm(frames[..., None], valid).squeeze(-1))
        frames = F.max_pool1d(frames, POOLED)  # (B, T, width // 3)
        if self.pooling == "adaptive":
            return spread_maxima(frames, lengths)
        if lengths is not None or frames.shape[1] // POOLED != TIMES:
            raise UnsupportedInputError(
                f"{frames.shape[1]} frames, but XLSR-SLS takes 201 to 203 of each utterance "
                "(64,600 samples); pooling=adaptive takes any"
            )
        return F.max_pool1d(frames.transpose(1, 2), POOLED).transpose(1, 2)


def spread_maxima(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Maxima of 67 equal stretches of each utterance's frames (B, T, width), (B, 67, width)."""
    batch, most, width = frames.shape
    if lengths is None:
        lengths = torch.full((batch,), most, device=frames.device)
    steps = torch.arange(TIMES, device=frames.device)
    counts = lengths[:, None]
    first = torch.div(steps * counts, TIMES, rounding_mode="floor")  # (B, 67)
    last = torch.div((steps + 1) * counts + TIMES - 1, TIMES, rounding_mode="floor") - 1
    within = torch.arange(-(-most // TIMES) + 1, device=frames.device)
    places = torch.minimum(first[..., None] + within, last[..., None])  # (B, 67, longest)
    index = places.flatten(1)[..., None].expand(-1, -1, width)
    return frames.gather(1, index).unflatten(1, places.shape[1:]).amax(2)


class SLSHead(nn.Module):
    """Two linear layers, of which the last is bounded below, to log-probabilities."""

    def __init__(self, maxima: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(maxima, hidden)
        self.classifier = nn.Linear(hidden, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, 67, width // 3) to (B, hidden)."""
        return F.selu(self.hidden(encoded.flatten(1)))

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, 67, width // 3) to log-probabilities (B, 2)."""
        return F.selu(self.classifier(self.embed(encoded))).log_softmax(-1)


class XLSRSLS(Detector):
    """XLSR-SLS."""

    config_class = SLSConfig
    frontend_output = "all"
    official_keys = (
        (r"^fc0\.", "encoder.gate."),
        (r"^first_bn\.", "encoder.norm."),
        (r"^fc1\.", "head.hidden."),
        (r"^fc3\.", "head.classifier."),
    )

    def __init__(self, config: SLSConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.fixed_samples = PUBLISHED_SAMPLES if config.pooling == "published" else None
        self.encoder = GatedLayerSum(config)
        self.head = SLSHead(TIMES * (config.frontend.hidden_size // POOLED), config.hidden)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """The width between the linear layers."""
        return {"hidden": shape_of(state, "head.classifier.weight", 2)[1]}
