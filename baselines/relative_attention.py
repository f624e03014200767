"""Self-attention with Shaw's relative positions, as in the PyPI package ``conformer``.

One table of 2·512 + 1 position vectors is shared by all heads; distances beyond 512 frames share
the outermost vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fakemamba.models.layers import check_choice
from fakemamba.models.masking import frame_mask

MAX_DISTANCE = 512
POSITION_METHODS = ("published", "gathered")


class RelativeAttention(nn.Module):
    """LayerNorm and multi-head attention over frames, quadratic in their number.

    ``positions`` picks how the position logits are computed, with the same values: ``published``
    builds every pair's vector, (T, T, head width); ``gathered`` multiplies with the table once and
    picks from (B, heads, T, 1025), which is what memory allows for long audio.
    """

    def __init__(self, width: int, heads: int, head_width: int, positions: str) -> None:
        super().__init__()
        check_choice("relative positions", positions, POSITION_METHODS)
        inner = heads * head_width
        self.heads = heads
        self.scale = head_width**-0.5
        self.positions = positions
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width)
        self.rel_pos_emb = nn.Embedding(2 * MAX_DISTANCE + 1, head_width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        normed = self.norm(frames)
        qkv = (self.to_q(normed), *self.to_kv(normed).chunk(2, dim=-1))
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in qkv)  # (B, H, T, d)
        logits = (q @ k.transpose(-1, -2) + self._position_logits(q)) * self.scale  # (B, H, T, T)
        if lengths is not None:
            valid = frame_mask(lengths, frames.shape[1])
            logits = logits.masked_fill(~valid[:, None, None], float("-inf"))
        mixed = logits.softmax(dim=-1) @ v
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def _position_logits(self, q: Tensor) -> Tensor:
        position = torch.arange(q.shape[2], device=q.device)
        distance = (position[:, None] - position).clamp(-MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE
        if self.positions == "published":
            table = self.rel_pos_emb(distance).to(q.dtype)  # (T, T, d)
            return torch.einsum("bhnd,nrd->bhnr", q, table)
        by_distance = q @ self.rel_pos_emb.weight.to(q.dtype).T  # (B, H, T, 1025)
        return by_distance.gather(-1, distance.expand(*by_distance.shape[:2], -1, -1))
