"""DF-Arena's detector (2025): all layers of XLS-R, each through a gate, and Conformer blocks.

Published as 1B, behind XLS-R 1B, and 500M, behind XLS-R 300M: there is no projection, so that the
blocks, those of XLSR-Conformer+TCM, are as wide as the front-end. The input of the first layer has
a gate too, and the last layer has the front-end's final norm, as in transformers 4, which there was
when the weights were published; ``?output=all`` of the front-end is without it, as in transformers
5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.baselines.xlsr_conformer import copies_of_first
from fakemamba.baselines.xlsr_conformer_tcm import (
    SinusoidalPositions,
    TCMBlock,
    TCMConfig,
    XLSRConformerTCM,
    tcm_sizes,
)
from fakemamba.models.block_detector import BlockEncoder, SummaryHead
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Frontend, Layers, Size
from fakemamba.models.frontends.tensor_names import OfficialFrontend
from fakemamba.models.masking import FrameBatchNorm, masked_softmax, optional_mask
from fakemamba.models.state_dicts import count_blocks, plain_name


@dataclass(frozen=True)
class DFArenaConfig(DetectorConfig):
    """The published sizes, as `TCMConfig` has them; the width is the front-end's."""

    depth: Layers = 4
    heads: Size = 4
    kernel: Size = 31
    identical_blocks: bool = True
    positions: Size = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        self.blocks()  # refuses sizes that do not fit

    def blocks(self) -> TCMConfig:
        """The blocks' sizes."""
        return TCMConfig(
            frontend=self.frontend,
            depth=self.depth,
            width=self.frontend.hidden_size,
            heads=self.heads,
            kernel=self.kernel,
            identical_blocks=self.identical_blocks,
            positions=self.positions,
        )


class GatedLayers(nn.Module):
    """All states to their gated sum, one scalar batch norm, SELU.

    A state's gate is a sigmoid of its mean over time, weighted by attention; gates do not add up to
    one.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        self.gate = nn.Linear(width, 1)
        self.norm = FrameBatchNorm(1)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """All states (B, 1 + layers, T, width) to (B, T, width)."""
        weights = masked_softmax(self.score(features).squeeze(-1), lengths, dim=2)
        means = torch.einsum("bkt,bktw->bkw", weights, features)
        gates = self.gate(means).sigmoid().squeeze(-1)  # (B, 1 + layers)
        frames = torch.einsum("bk,bktw->btw", gates, features)
        valid = optional_mask(lengths, frames.shape[1])
        return F.selu(self.norm(frames[..., None], valid).squeeze(-1))


class DFArena(Detector):
    """DF-Arena, 1B and 500M."""

    config_class = DFArenaConfig
    frontend_output = "all-normed"
    ranks_by = "difference"
    # The name "backbone", which all tensors of a published file begin with, is off already.
    official_frontend = OfficialFrontend("ssl_model.", plain_name)
    official_keys = (
        *XLSRConformerTCM.official_keys,
        (r"^attn_scores\.", "encoder.projection.score."),
        (r"^fc0\.", "encoder.projection.gate."),
    )

    def __init__(self, config: DFArenaConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        sizes, width = config.blocks(), config.frontend.hidden_size
        blocks = nn.ModuleList(TCMBlock(sizes) for _ in range(config.depth))
        self.encoder = BlockEncoder(
            GatedLayers(width),
            copies_of_first(blocks) if config.identical_blocks else blocks,
            positions=SinusoidalPositions(width, config.positions),
            token_width=width,
        )
        self.head = SummaryHead(width, "class-token")

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Depth, heads, kernel and positions."""
        return {"depth": count_blocks(state, "encoder.blocks."), **tcm_sizes(state)}
