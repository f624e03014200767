"""XLSR-Conformer (Rosello et al. 2023): XLS-R, class token, four Conformer blocks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from fakemamba.baselines.relative_attention import RelativeAttention
from fakemamba.models.block_detector import PROJECTION_KEYS, BlockConfig, BlockDetector
from fakemamba.models.conformer import ConvolutionModule, FeedForward
from fakemamba.models.frontend import Frontend, Layers, Size


@dataclass(frozen=True)
class ConformerConfig(BlockConfig):
    """Sizes of a Conformer detector; the defaults are the published ones.

    ``identical_blocks`` starts all blocks from the same weights, as the published code does by
    copying one.
    """

    depth: Layers = 4
    summary: str = "class-token"
    heads: Size = 4
    kernel: Size = 31
    identical_blocks: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads > self.width:
            raise ValueError(f"width {self.width} cannot be split into {self.heads} heads")


@dataclass(frozen=True)
class XLSRConformerConfig(ConformerConfig):
    """XLSR-Conformer's sizes; ``relative_positions`` as in `RelativeAttention`."""

    relative_positions: str = "published"


class ConformerBlock(nn.Module):
    """Half FFN, attention, convolution, half FFN, LN; a residual around each of the four."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.ff1 = FeedForward(config.width)
        self.attention = self.make_attention(config)
        self.convolution = ConvolutionModule(config.width, config.kernel)
        self.ff2 = FeedForward(config.width)
        self.post_norm = nn.LayerNorm(config.width)

    def make_attention(self, config: Any) -> nn.Module:
        """The module between the first feed-forward and the convolution, its LayerNorm included."""
        head_width = config.width // config.heads
        return RelativeAttention(config.width, config.heads, head_width, config.relative_positions)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        frames = frames + 0.5 * self.ff1(frames)
        frames = frames + self.attention(frames, lengths)
        frames = frames + self.convolution(frames, lengths)
        return self.post_norm(frames + 0.5 * self.ff2(frames))


def copies_of_first(blocks: nn.Module) -> nn.ModuleList:
    """As many blocks, all with the weights of the first."""
    first = blocks.get_submodule("0")
    return nn.ModuleList(deepcopy(first) for _ in blocks.children())


class XLSRConformer(BlockDetector):
    """XLSR-Conformer; other sizes (heads, kernel, depth, pooling) are options."""

    config_class: ClassVar[type[ConformerConfig]] = XLSRConformerConfig
    block_class = ConformerBlock
    official_keys: ClassVar[tuple[tuple[str, str], ...]] = (
        *PROJECTION_KEYS,
        (r"^conformer\.class_token$", "encoder.class_token"),
        (r"^conformer\.fc5\.", "head.classifier."),
        (r"^conformer\.encoder_blocks\.", "encoder.blocks."),
        (r"\.(ff[12])\.fn\.fn\.net\.0\.", r".\1.1."),
        (r"\.(ff[12])\.fn\.fn\.net\.3\.", r".\1.3."),
        (r"\.(ff[12])\.fn\.norm\.", r".\1.0."),
        (r"\.attn\.fn\.", ".attention."),
        (r"\.attn\.norm\.", ".attention.norm."),
        (r"\.conv\.net\.0\.", ".convolution.norm."),
        (r"\.conv\.net\.2\.", ".convolution.expand."),
        (r"\.conv\.net\.4\.conv\.", ".convolution.depthwise."),
        (r"\.conv\.net\.5\.", ".convolution.batch_norm."),
        (r"\.conv\.net\.7\.", ".convolution.reduce."),
    )

    def __init__(
        self,
        config: ConformerConfig,
        frontend: Frontend | None = None,
        *,
        positions: nn.Module | None = None,
    ) -> None:
        super().__init__(config, frontend, positions=positions)
        if config.identical_blocks:
            self.encoder.blocks = copies_of_first(self.encoder.get_submodule("blocks"))

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Depth, width, heads and kernel."""
        sizes = super().sizes_from_state(state)
        block = "encoder.blocks.0."
        head_width = state[block + "attention.rel_pos_emb.weight"].shape[1]
        return sizes | {
            "heads": state[block + "attention.to_q.weight"].shape[0] // head_width,
            "kernel": state[block + "convolution.depthwise.weight"].shape[2],
        }
