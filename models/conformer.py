"""The Conformer's own two modules, feed-forward and convolution, as in PyPI's ``conformer``.

The first Linear and the convolutions keep that package's sizes; dropout is zero in every published
detector that uses them, and is left out.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.masking import FrameBatchNorm, optional_mask, zero_padding


class FeedForward(nn.Sequential):
    """LayerNorm, width to 4·width, Swish, back to width; (B, T, width) to the same."""

    def __init__(self, width: int, multiple: int = 4) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, multiple * width),
            nn.SiLU(),
            nn.Linear(multiple * width, width),
        )


class ConvolutionModule(nn.Module):
    """LayerNorm, pointwise, GLU, depthwise convolution over time, batch norm, Swish, pointwise."""

    def __init__(self, width: int, kernel: int = 31, expansion: int = 2) -> None:
        super().__init__()
        channels = expansion * width
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Conv1d(width, 2 * channels, 1)
        self.depthwise = nn.Conv1d(channels, channels, kernel, groups=channels)
        self.batch_norm = FrameBatchNorm(channels)
        self.reduce = nn.Conv1d(channels, width, 1)
        # An even kernel is padded asymmetrically: K//2 before, K//2 - 1 after.
        self.padding = (kernel // 2, kernel // 2 - (kernel + 1) % 2)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        x = F.glu(self.expand(self.norm(frames).transpose(1, 2)), dim=1)  # (B, channels, T)
        if lengths is not None:
            x = zero_padding(x.transpose(1, 2), lengths).transpose(1, 2)
        x = self.depthwise(F.pad(x, self.padding)).transpose(1, 2)  # (B, T, channels)
        x = F.silu(self.batch_norm(x, optional_mask(lengths, frames.shape[1])))
        return self.reduce(x.transpose(1, 2)).transpose(1, 2)
