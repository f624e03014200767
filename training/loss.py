"""The class-weighted cross-entropy, whole or as the share that some clips of a batch have in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Σ w·ce / Σ w over a batch, as torch's weighted mean.

    Attributes:
        class_weights: of the logits' classes, spoof and bona fide.
    """

    class_weights: tuple[float, float]

    def share(self, logits: Tensor, labels: Tensor, total_weight: float) -> Tensor:
        """What clips with logits (b, 2) and labels (b,) add to a batch's loss.

        The shares of a batch's micro-batches, on however many devices, add up to its loss, and
        their gradients to its gradient; `total_weight` is that of the whole batch.
        """
        weights = torch.tensor(self.class_weights, device=logits.device)
        losses = F.cross_entropy(logits.float(), labels, weights, reduction="sum")
        return losses / total_weight

    def total_weight(self, labels: Sequence[int]) -> float:
        """Σ w of a batch's labels."""
        return sum(self.class_weights[label] for label in labels)
