"""XLSR-Mamba (Xiao and Das 2024): two independent columns of Mamba layers, DuaBiMamba.

The published weights need the published code's last step, and it is kept as the default: both
columns add the *projection* instead of their last layer's output before the final norm, so the last
layer of each column is dead, and the backward column is never flipped back. ``textbook`` does what
was evidently meant. Dead layers are not run here; their parameters are kept. (The published code
also runs XLS-R twice a call and throws the first away; here it runs once.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from fakemamba.models.block_detector import PROJECTION_KEYS
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import Blocks, Frontend, Size
from fakemamba.models.layers import AttentionPooling, Projection
from fakemamba.models.mamba import Mamba, mix
from fakemamba.models.masking import flip_frames
from fakemamba.models.state_dicts import count_blocks


@dataclass(frozen=True)
class XLSRMambaConfig(DetectorConfig):
    """Layers in each direction, width, dropout, and ``textbook`` for the corrected last step."""

    depth: Blocks = 6
    width: Size = 144
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    textbook: bool = False


class MambaLayer(nn.Module):
    """RMSNorm and a Mamba of one column; the encoder runs them, two columns at once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.mixer = Mamba(width)


class DuaBiMambaEncoder(nn.Module):
    """Projection, a forward and a backward column, and their concatenation."""

    def __init__(self, config: XLSRMambaConfig) -> None:
        super().__init__()
        width = config.width
        self.textbook = config.textbook
        self.projection = Projection(config.frontend.hidden_size, width)
        self.dropout = nn.Dropout(config.dropout)
        self.forward_layers = nn.ModuleList(MambaLayer(width) for _ in range(config.depth))
        self.backward_layers = nn.ModuleList(MambaLayer(width) for _ in range(config.depth))
        self.final_norm = nn.RMSNorm(width, eps=1e-5)
        for layer in (*self.forward_layers, *self.backward_layers):
            _initialise(layer, config.depth)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, frontend width) to (B, T, 2·width), forward column first."""
        start = self.dropout(self.projection(features, lengths))
        if self.textbook:
            ahead, back = self._run_columns(len(self.forward_layers), start, lengths)
            return torch.cat([self.final_norm(ahead), self.final_norm(back)], dim=-1)
        ahead, back = self._run_columns(len(self.forward_layers) - 1, start, lengths)
        ahead = self.final_norm(start + ahead)
        back = self.final_norm(start + flip_frames(back, lengths))
        return torch.cat([ahead, back], dim=-1)

    def by_column(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Where what the head reads comes from.

        Args:
            weights: how much it reads of each frame of both columns' output (2, T).

        Returns:
            The shares that come from the projection itself (T,), and those from the residual
            streams of both columns (2, T), frames in the original order.
        """
        shares = weights / 2
        if self.textbook:
            return torch.zeros_like(shares[0]), shares
        ahead, back = shares / 2  # as much of the projection, which is added once more
        return ahead + back, torch.stack([ahead, back.flip(0)])

    def _run_columns(self, depth: int, start: Tensor, lengths: Tensor | None) -> tuple[Tensor, ...]:
        """The residual streams (B, T, width) of both columns, both in the original order."""
        streams = start.expand(2, -1, -1, -1)
        columns: Any = (self.forward_layers[:depth], self.backward_layers[:depth])
        for ahead, back in zip(*columns, strict=True):
            normed = torch.stack([ahead.norm(streams[0]), back.norm(streams[1])])
            streams = streams + mix([ahead.mixer, back.mixer], (False, True), normed, lengths)
        return streams.unbind(0)


class DuaBiMambaHead(nn.Module):
    """One attention pooling a column, concatenated, projected, dropped out, classified."""

    def __init__(self, config: XLSRMambaConfig) -> None:
        super().__init__()
        self.forward_pooling = AttentionPooling(config.width)
        self.backward_pooling = AttentionPooling(config.width)
        self.combine = nn.Linear(2 * config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.width, 2)

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, 2·width) to (B, width)."""
        ahead, back = encoded.chunk(2, dim=-1)
        pooled = [self.forward_pooling(ahead, lengths), self.backward_pooling(back, lengths)]
        return self.combine(torch.cat(pooled, dim=-1))

    def forward(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, 2·width) to logits (B, 2)."""
        return self.classifier(self.dropout(self.embed(encoded, lengths)))


class XLSRMamba(Detector):
    """XLSR-Mamba; see the head of this file for the published quirk and its correction."""

    config_class = XLSRMambaConfig
    official_keys = (
        *PROJECTION_KEYS,
        (r"^conformer\.norm_f\.", "encoder.final_norm."),
        (r"^conformer\.(forward|backward)_layers\.", r"encoder.\1_layers."),
        (r"^conformer\.f_attention_pool\.", "head.forward_pooling.score."),
        (r"^conformer\.b_attention_pool\.", "head.backward_pooling.score."),
        (r"^conformer\.LL\.", "head.combine."),
        (r"^conformer\.classifier\.", "head.classifier."),
    )

    def __init__(self, config: XLSRMambaConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = DuaBiMambaEncoder(config)
        self.head = DuaBiMambaHead(config)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Layers in each direction, and width."""
        return {
            "depth": count_blocks(state, "encoder.forward_layers."),
            "width": state["encoder.projection.linear.bias"].shape[0],
        }


@torch.no_grad()
def _initialise(layer: nn.Module, depth: int) -> None:
    """mamba_ssm's init of a layer in a stack: output projections shrink with √depth."""
    mixer: Any = layer.mixer
    nn.init.kaiming_uniform_(mixer.out_proj.weight, a=math.sqrt(5))
    mixer.out_proj.weight /= math.sqrt(depth)
