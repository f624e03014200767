"""A detector made of equal blocks: projection, blocks over frames, one summary, one linear layer.

Fake-Mamba, its sister encoders, and the Conformer and Transformer baselines are this, and differ in
their block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Blocks, Frontend, Size
from fakemamba.models.layers import AttentionPooling, Projection, check_choice
from fakemamba.models.state_dicts import count_blocks

# Official names of the projection, which is the same in all published detectors of this kind.
PROJECTION_KEYS = (
    (r"^LL\.", "encoder.projection.linear."),
    (r"^first_bn\.", "encoder.projection.norm."),
)
SUMMARIES = ("attention", "first-frame", "class-token")


@dataclass(frozen=True)
class BlockConfig(DetectorConfig):
    """Depth, width, and how frames become one vector.

    ``summary`` is ``attention`` (pooling over time), ``first-frame`` (that frame's output alone) or
    ``class-token`` (a learned token in front of the frames, read at the end).
    """

    depth: Blocks = 7
    width: Size = 144
    summary: str = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("summary", self.summary, SUMMARIES)


class BlockEncoder(nn.Module):
    """Projection, then blocks ``(frames, lengths) -> frames``, with a class token if asked for."""

    def __init__(
        self,
        projection: nn.Module,
        blocks: Iterable[nn.Module],
        *,
        positions: nn.Module | None = None,
        token_width: int | None = None,
    ) -> None:
        super().__init__()
        self.projection = projection
        self.positions = nn.Identity() if positions is None else positions
        self.class_token = None if token_width is None else nn.Parameter(torch.rand(1, token_width))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, frontend width) to (B, T, width), or (B, 1 + T, width) with a class token."""
        frames = self.positions(self.projection(features, lengths))
        if self.class_token is not None:
            token = self.class_token.to(frames.dtype).expand(frames.shape[0], 1, -1)
            frames = torch.cat([token, frames], dim=1)
            lengths = None if lengths is None else lengths + 1
        for block in self.blocks:
            frames = block(frames, lengths)
        return frames


class SummaryHead(nn.Module):
    """Encoded frames to one embedding and two logits; ``summary`` as in `BlockConfig`."""

    def __init__(self, width: int, summary: str) -> None:
        super().__init__()
        self.pooling = AttentionPooling(width) if summary == "attention" else None
        self.classifier = nn.Linear(width, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, width); without pooling, position 0 is the frame or the token."""
        return encoded[:, 0] if self.pooling is None else self.pooling(encoded, lengths)

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to logits (B, 2)."""
        return self.classifier(self.embed(encoded, lengths))


class BlockDetector(Detector):
    """Base of the detectors above; a subclass names its configuration and its block."""

    block_class: ClassVar[type[nn.Module]]

    def __init__(
        self,
        config: BlockConfig,
        frontend: Frontend | None = None,
        *,
        positions: nn.Module | None = None,
    ) -> None:
        super().__init__(config, frontend)
        self.encoder = BlockEncoder(
            Projection(config.frontend.hidden_size, config.width),
            (self.block_class(config) for _ in range(config.depth)),
            positions=positions,
            token_width=config.width if config.summary == "class-token" else None,
        )
        self.head = SummaryHead(config.width, config.summary)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Depth and width."""
        return {
            "depth": count_blocks(state, "encoder.blocks."),
            "width": state["encoder.projection.linear.bias"].shape[0],
        }
