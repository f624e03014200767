"""Who looks at whom in self-attention: weights of the products that a network computes anyway."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class AttentionMixing:
    """Weights that were seen, mean over heads.

    Attributes:
        weights: (batch, time, time); a row is of the frame that looks and adds up to one.
    """

    weights: Tensor

    @property
    def size(self) -> int:
        """Frames."""
        return self.weights.shape[-1]

    def matrices(self) -> Tensor:
        """(1, batch, time, time)."""
        return self.weights[None]


@dataclass(frozen=True, eq=False)
class ProductMixing:
    """Fused attention, which shows no weights: they are computed again, a head at a time.

    Attributes:
        queries: (batch, heads, time, width).
        keys: the same.
        mask: which broadcasts to (batch, heads, time, time): True where one may look, or added.
        scale: of the products.
    """

    queries: Tensor
    keys: Tensor
    mask: Tensor | None = None
    scale: float | None = None

    @property
    def size(self) -> int:
        """Frames."""
        return self.keys.shape[2]

    def matrices(self) -> Tensor:
        """(1, batch, time, time), mean over heads."""
        batch, heads, time, width = self.queries.shape
        scale = 1 / math.sqrt(width) if self.scale is None else self.scale
        mask = None if self.mask is None else self.mask.expand(batch, heads, time, time)
        found = self.queries.new_zeros(batch, time, time)
        for head in range(heads):
            logits = self.queries[:, head] @ self.keys[:, head].transpose(-1, -2) * scale
            if mask is not None and mask.dtype == torch.bool:
                logits = logits.masked_fill(~mask[:, head], -torch.inf)
            elif mask is not None:
                logits = logits + mask[:, head]
            found += logits.softmax(-1)
        return found[None] / heads
