"""What detectors share around their encoders: projection and attention pooling."""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.masking import FrameBatchNorm, masked_softmax, optional_mask


class Projection(nn.Module):
    """Front-end width to encoder width, one scalar batch norm over everything, SELU."""

    def __init__(self, frontend_width: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(frontend_width, width)
        self.norm = FrameBatchNorm(1)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, frontend width) to (B, T, width)."""
        projected = self.linear(features)[..., None]  # (B, T, width, 1)
        valid = optional_mask(lengths, features.shape[1])
        return F.selu(self.norm(projected, valid).squeeze(-1))


class AttentionPooling(nn.Module):
    """Frames to one vector: weights are a softmax over time of one linear score a frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def weights(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, 1), summing to one over an utterance's own frames."""
        return masked_softmax(self.score(frames), lengths, dim=1)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, width)."""
        return (self.weights(frames, lengths).transpose(1, 2) @ frames).squeeze(1)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a configuration value that is not one of ``choices``, by name."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} {value!r} is not one of {', '.join(choices)}")
