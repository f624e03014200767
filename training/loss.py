"""The loss of a batch, whole or as the share that a part of it has: weighted, or focal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FOCUS = 2  # the power of what is lacking in a probability


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Σ w·ce / Σ w over a batch, as torch's weighted mean.

    Attributes:
        class_weights: of the logits' classes, such as spoof and bona fide.
    """

    class_weights: tuple[float, ...]

    def share(self, logits: Tensor, labels: Tensor, total_weight: float) -> Tensor:
        """What clips, or frames, with logits (b, classes) and labels (b,) add to a batch's loss.

        The shares of a batch's micro-batches, on however many devices, add up to its loss, and
        their gradients to its gradient; `total_weight` is that of the whole batch. One of nothing,
        as where no frame has a label, costs nothing.
        """
        return self.losses(logits.float(), labels).sum() / (total_weight or 1.0)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of each of them (b,), by its class weight."""
        weights = torch.tensor(self.class_weights, device=logits.device)
        return F.cross_entropy(logits, labels, weights, reduction="none")

    def total_weight(self, labels: Sequence[int]) -> float:
        """Σ w of a batch's labels."""
        return sum(self.class_weights[label] for label in labels)


class FocalLoss(WeightedCrossEntropy):
    """Σ w·(1 - p)²·ce over a batch, by clips and classes (Lin et al. 2017, as XLSR-MamBo has it).

    p is the probability of a clip's own class. That classes are counted too halves the mean.
    """

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of each of them (b,), by its class weight."""
        lacking = 1 - logits.softmax(-1).gather(1, labels[:, None]).squeeze(1)
        return lacking**FOCUS * super().losses(logits, labels)

    def total_weight(self, labels: Sequence[int]) -> float:
        """Clips times classes."""
        return float(len(labels) * len(self.class_weights))


LOSSES = {"cross-entropy": WeightedCrossEntropy, "focal": FocalLoss}
