"""Fake-Mamba (Xuan et al. 2025): XLS-R, PN-BiMamba blocks, attention pooling.

As in the authors' code, one Mamba serves both directions, and the only residual goes around the
whole block. The ablations of the paper's Table III are fields of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from fakemamba.models.block_detector import PROJECTION_KEYS, BlockConfig, BlockDetector
from fakemamba.models.layers import check_choice
from fakemamba.models.mamba import MIXERS, make_mixer


@dataclass(frozen=True)
class FakeMambaConfig(BlockConfig):
    """Fake-Mamba's sizes and ablations; the defaults are the published L model.

    ``directions`` is shared (published), separate (two Mambas) or forward (unidirectional);
    ``norms`` and ``feed_forward`` say whether the block has those layers.
    """

    directions: str = "shared"
    norms: bool = True
    feed_forward: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("directions", self.directions, MIXERS)


class PNBiMambaBlock(nn.Module):
    """x + FFN(LN(s)), where s is the bidirectional Mamba of LN(x)."""

    def __init__(self, config: FakeMambaConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width) if config.norms else nn.Identity()
        self.mixer = make_mixer(config.directions, width)
        self.norm2 = nn.LayerNorm(width) if config.norms else nn.Identity()
        self.feed_forward = (
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            if config.feed_forward
            else nn.Identity()
        )

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        return frames + self.feed_forward(self.norm2(self.mixer(self.norm1(frames), lengths)))


class FakeMamba(BlockDetector):
    """Fake-Mamba of any depth: 4 blocks is S, 7 is L, 12 are the authors' released weights."""

    config_class = FakeMambaConfig
    block_class = PNBiMambaBlock
    official_keys = (
        *PROJECTION_KEYS,
        (r"^encoder\.layers\.(\d+)\.mamba\.", r"encoder.blocks.\1.mixer.mamba."),
        (r"^encoder\.layers\.(\d+)\.", r"encoder.blocks.\1."),
        (r"^attention_pool\.", "head.pooling.score."),
        (r"^fc5\.", "head.classifier."),
    )
