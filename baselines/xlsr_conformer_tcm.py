"""XLSR-Conformer with the temporal-channel module: head tokens in attention (Truong et al. 2024)

The module lets each head summarise time in a token of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.baselines.xlsr_conformer import ConformerBlock, ConformerConfig, XLSRConformer
from fakemamba.models.detector import LATER, UnsupportedInputError
from fakemamba.models.frontend import Frontend, Size
from fakemamba.models.masking import frame_mask, masked_mean
from fakemamba.models.state_dicts import shape_of


@dataclass(frozen=True)
class TCMConfig(ConformerConfig):
    """The published sizes are those of XLSR-Conformer; heads split the width evenly.

    ``positions`` is the most frames that an utterance may have; 10,000 are 200 s.
    """

    positions: Size = field(default=10_000, metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be split into {self.heads} equal heads")


class SinusoidalPositions(nn.Module):
    """Fixed positions for up to ``most`` frames, a parameter that is never trained."""

    def __init__(self, width: int, most: int) -> None:
        super().__init__()
        index = torch.arange(width)
        exponent = 2 * torch.div(index, 2, rounding_mode="floor") / width
        position = torch.arange(most)[:, None]
        angle = position / torch.pow(torch.tensor(10_000.0), exponent)  # (frames, width)
        table = torch.where(index % 2 == 0, angle.sin(), angle.cos())
        self.table = nn.Parameter(table[None], requires_grad=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Add positions to frames (B, T, width).

        Raises:
            UnsupportedInputError: more frames than the table has.
        """
        most = self.table.shape[1]
        if frames.shape[1] > most:
            raise UnsupportedInputError(
                f"{frames.shape[1]} frames, but this detector's positions end at {most}: cut the "
                "utterance, as by --length"
            )
        return frames + self.table[:, : frames.shape[1]]


class HeadTokenAttention(nn.Module):
    """Self-attention over class token, frames, and one token for each head.

    A head token is made of the mean over time of that head's channels. Afterwards the class token
    gets the mean of the frames and the mean of the head tokens, and the head tokens are dropped.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.pos_embed = nn.Parameter(torch.zeros(1, heads, width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.ht_proj = nn.Linear(width // heads, width)
        self.ht_norm = nn.LayerNorm(width // heads)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Class token and frames (B, 1 + T, width) to the same; ``lengths`` counts both."""
        tokens = self.norm(tokens)
        num_tokens = tokens.shape[1]
        everything = torch.cat([tokens, self._head_tokens(tokens, lengths)], dim=1)
        qkv = self.qkv(everything).unflatten(-1, (3, self.heads, -1))  # (B, N + H, 3, H, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, N + H, d)
        mask = None
        if lengths is not None:
            valid = F.pad(frame_mask(lengths, num_tokens), (0, self.heads), value=True)
            mask = valid[:, None, None]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed = self.proj(mixed.transpose(1, 2).flatten(2))
        token, frames, head_tokens = mixed.split([1, num_tokens - 1, self.heads], dim=1)
        frame_lengths = None if lengths is None else lengths - 1
        token = (
            token + head_tokens.mean(1, keepdim=True) + masked_mean(frames, frame_lengths)[:, None]
        )
        return torch.cat([token, frames], dim=1)

    def between_frames(self, attention: Tensor) -> Tensor:
        """Attention between all tokens (B, N + H, N + H) as that between class token and frames.

        A head token is made of all of these alike, and what the class token gets of frames and head
        tokens afterwards counts as much as its own (B, N, N).
        """
        num_tokens = attention.shape[1] - self.heads
        known, from_heads = attention.split([num_tokens, self.heads], dim=2)
        known = known + from_heads.sum(2, keepdim=True) / num_tokens  # (B, N + H, N)
        token, frames, head_tokens = known.split([1, num_tokens - 1, self.heads], dim=1)
        sources = (token, head_tokens.mean(1, keepdim=True), frames.mean(1, keepdim=True))
        return torch.cat([torch.stack(sources).mean(0), frames], dim=1)

    def _head_tokens(self, tokens: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, N, width) to (B, heads, width)."""
        by_head = masked_mean(tokens, lengths).unflatten(-1, (self.heads, -1))  # (B, H, d)
        projected = self.ht_proj(by_head).unflatten(-1, (self.heads, -1))  # (B, H, H, d)
        return F.gelu(self.ht_norm(projected)).flatten(2) + self.pos_embed


class TCMBlock(ConformerBlock):
    """Conformer block with head-token attention."""

    def make_attention(self, config: Any) -> nn.Module:
        """Head-token attention, its LayerNorm included."""
        return HeadTokenAttention(config.width, config.heads)


class XLSRConformerTCM(XLSRConformer):
    """XLSR-Conformer + TCM."""

    config_class = TCMConfig
    block_class = TCMBlock
    official_keys = (
        *XLSRConformer.official_keys,
        (r"^conformer\.positional_emb$", "encoder.positions.table"),
    )

    def __init__(self, config: TCMConfig, frontend: Frontend | None = None) -> None:
        positions = SinusoidalPositions(config.width, config.positions)
        super().__init__(config, frontend, positions=positions)

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """Depth, width, heads, kernel and positions."""
        return super(XLSRConformer, cls).sizes_from_state(state) | tcm_sizes(state)


def tcm_sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Heads, kernel and positions, which do not depend on what is in front of the blocks."""
    block = "encoder.blocks.0."
    return {
        "heads": shape_of(state, f"{block}attention.pos_embed", 3)[1],
        "kernel": shape_of(state, f"{block}convolution.depthwise.weight", 3)[2],
        "positions": shape_of(state, "encoder.positions.table", 3)[1],
    }
