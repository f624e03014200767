"""XLSR-Transformer: the plain self-attention baseline of the Fake-Mamba authors' repository."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fakemamba.baselines.relative_attention import RelativeAttention
from fakemamba.models.block_detector import BlockConfig, BlockDetector
from fakemamba.models.conformer import FeedForward
from fakemamba.models.frontend import Blocks, Size


@dataclass(frozen=True)
class TransformerConfig(BlockConfig):
    """The repository's sizes; ``relative_positions`` as in `RelativeAttention`."""

    depth: Blocks = 12
    heads: Size = 8
    head_width: Size = 64
    relative_positions: str = "published"


class TransformerBlock(nn.Module):
    """x += Attention(LN x); x += FFN(LN x); LN."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = RelativeAttention(
            config.width, config.heads, config.head_width, config.relative_positions
        )
        self.feed_forward = FeedForward(config.width)
        self.post_norm = nn.LayerNorm(config.width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        frames = frames + self.attention(frames, lengths)
        return self.post_norm(frames + self.feed_forward(frames))


class XLSRTransformer(BlockDetector):
    """XLS-R with Transformer blocks and attention pooling."""

    config_class = TransformerConfig
    block_class = TransformerBlock
