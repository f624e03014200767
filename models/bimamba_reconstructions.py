"""TransBiMamba and ConBiMamba, RECONSTRUCTED: the Fake-Mamba paper's other two encoders.

Their official code was never released. These follow the paper's words ("self-attention replaced by
bidirectional Mamba") with the block layouts left in the authors' repository, and the ExtBiMamba
mixer that it imports (Mamba-in-Speech, Zhang et al. 2024). The kind of BiMamba, the depth and the
summary are not known, so they are options; the defaults make the three encoders comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fakemamba.models.block_detector import BlockConfig, BlockDetector
from fakemamba.models.conformer import ConvolutionModule, FeedForward
from fakemamba.models.frontend import Size
from fakemamba.models.layers import check_choice
from fakemamba.models.mamba import MIXERS, make_mixer


@dataclass(frozen=True)
class BiMambaConfig(BlockConfig):
    """Sizes of a reconstruction; ``directions`` as for Fake-Mamba."""

    directions: str = "separate"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("directions", self.directions, MIXERS)


@dataclass(frozen=True)
class ConBiMambaConfig(BiMambaConfig):
    """ConBiMamba's sizes: those above and the convolution's kernel in frames."""

    kernel: Size = 31


class TransBiMambaBlock(nn.Module):
    """Transformer block: x += BiMamba(LN x); x += FFN(LN x); LN."""

    def __init__(self, config: BiMambaConfig) -> None:
        super().__init__()
        self.mixer_norm = nn.LayerNorm(config.width)
        self.mixer = make_mixer(config.directions, config.width)
        self.feed_forward = FeedForward(config.width)
        self.post_norm = nn.LayerNorm(config.width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        frames = frames + self.mixer(self.mixer_norm(frames), lengths)
        return self.post_norm(frames + self.feed_forward(frames))


class ConBiMambaBlock(nn.Module):
    """Conformer block: half FFN, BiMamba, convolution, half FFN, LN; a residual around each."""

    def __init__(self, config: ConBiMambaConfig) -> None:
        super().__init__()
        self.feed_forward1 = FeedForward(config.width)
        self.mixer_norm = nn.LayerNorm(config.width)
        self.mixer = make_mixer(config.directions, config.width)
        self.convolution = ConvolutionModule(config.width, config.kernel)
        self.feed_forward2 = FeedForward(config.width)
        self.post_norm = nn.LayerNorm(config.width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        frames = frames + 0.5 * self.feed_forward1(frames)
        frames = frames + self.mixer(self.mixer_norm(frames), lengths)
        frames = frames + self.convolution(frames, lengths)
        return self.post_norm(frames + 0.5 * self.feed_forward2(frames))


class TransBiMamba(BlockDetector):
    """XLS-R with TransBiMamba blocks; a reconstruction."""

    config_class = BiMambaConfig
    block_class = TransBiMambaBlock


class ConBiMamba(BlockDetector):
    """XLS-R with ConBiMamba blocks; a reconstruction."""

    config_class = ConBiMambaConfig
    block_class = ConBiMambaBlock
