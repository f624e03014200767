"""AASIST's graph layers (Jung et al. 2022): attention, heterogeneous attention, pooling of nodes.

Nodes (B, N, D) may be padded; ``valid`` (B, N) is True where a node exists, None where all do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.masking import FrameBatchNorm


def _xavier(width: int) -> nn.Parameter:
    weight = nn.Parameter(torch.empty(width, 1))
    nn.init.xavier_normal_(weight)
    return weight


def _softmax_over_nodes(logits: Tensor, valid: Tensor | None) -> Tensor:
    """Softmax over dim -2, the node attended to: (B, ..., N, 1)."""
    if valid is not None:
        shape = (valid.shape[0], *(1,) * (logits.ndim - 3), valid.shape[1], 1)
        logits = logits.masked_fill(~valid.view(shape), float("-inf"))
    return logits.softmax(dim=-2)


class GraphAttention(nn.Module):
    """Attention between all pairs of nodes, from the products of their features."""

    temperature = 2.0

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.att_proj = nn.Linear(width, out_width)
        self.att_weight = _xavier(out_width)
        self.proj_with_att = nn.Linear(width, out_width)
        self.proj_without_att = nn.Linear(width, out_width)
        self.bn = FrameBatchNorm(out_width)
        self.input_drop = nn.Dropout(0.2)

    def forward(self, nodes: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, N, width) to (B, N, out width)."""
        nodes = self.input_drop(nodes)
        pairs = nodes[:, :, None] * nodes[:, None]  # (B, N, N, width)
        logits = torch.tanh(self.att_proj(pairs)) @ self.att_weight / self.temperature
        attention = _softmax_over_nodes(logits, valid).squeeze(-1)  # (B, N, N)
        mixed = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        return F.selu(self.bn(mixed, valid))


class HeterogeneousGraphAttention(nn.Module):
    """Attention over temporal and spectral nodes together, and a master node that sees them all.

    Both kinds of mixed pair share one weight, and the temperature is 100, as in the published code.
    """

    temperature = 100.0

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.proj_type1 = nn.Linear(width, width)
        self.proj_type2 = nn.Linear(width, width)
        self.att_proj = nn.Linear(width, out_width)
        self.att_projM = nn.Linear(width, out_width)
        self.att_weight11 = _xavier(out_width)
        self.att_weight22 = _xavier(out_width)
        self.att_weight12 = _xavier(out_width)
        self.att_weightM = _xavier(out_width)
        self.proj_with_att = nn.Linear(width, out_width)
        self.proj_without_att = nn.Linear(width, out_width)
        self.proj_with_attM = nn.Linear(width, out_width)
        self.proj_without_attM = nn.Linear(width, out_width)
        self.bn = FrameBatchNorm(out_width)
        self.input_drop = nn.Dropout(0.2)

    def forward(
        self, temporal: Tensor, spectral: Tensor, master: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N1, width), (B, N2, width), (B, 1, width) to the same three with the out width.

        ``valid`` (B, N1) concerns the temporal nodes; spectral nodes always exist.
        """
        num_temporal, num_spectral = temporal.shape[1], spectral.shape[1]
        nodes = torch.cat([self.proj_type1(temporal), self.proj_type2(spectral)], dim=1)
        if valid is not None:
            valid = F.pad(valid, (0, num_spectral), value=True)  # (B, N1 + N2)
        nodes = self.input_drop(nodes)
        attention = _softmax_over_nodes(self._logits(nodes, num_temporal), valid).squeeze(-1)

        master_logits = torch.tanh(self.att_projM(nodes * master)) @ self.att_weightM
        master_attention = _softmax_over_nodes(master_logits / self.temperature, valid)
        seen = master_attention.transpose(1, 2) @ nodes  # (B, 1, width)
        master = self.proj_with_attM(seen) + self.proj_without_attM(master)

        mixed = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        mixed = F.selu(self.bn(mixed, valid))
        temporal, spectral = mixed.split([num_temporal, num_spectral], dim=1)
        return temporal, spectral, master

    def _logits(self, nodes: Tensor, num_temporal: int) -> Tensor:
        """Pairwise logits (B, N, N, 1), with the weight of each pair's kinds."""
        pairs = nodes[:, :, None] * nodes[:, None]
        hidden = torch.tanh(self.att_proj(pairs))  # (B, N, N, out width)
        first, second = hidden.split([num_temporal, nodes.shape[1] - num_temporal], dim=1)
        rows = []
        for block, own, at_start in (
            (first, self.att_weight11, True),
            (second, self.att_weight22, False),
        ):
            left, right = block.split([num_temporal, nodes.shape[1] - num_temporal], dim=2)
            weights = (own, self.att_weight12) if at_start else (self.att_weight12, own)
            rows.append(torch.cat([left @ weights[0], right @ weights[1]], dim=2))
        return torch.cat(rows, dim=1) / self.temperature


class GraphPool(nn.Module):
    """Keep the better half of the nodes, scaled by their scores, best first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 1)
        self.drop = nn.Dropout(0.3)

    def forward(self, nodes: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, N, width) and existing nodes (B,) to (B, max(N // 2, 1), width) and their counts."""
        scores = torch.sigmoid(self.proj(self.drop(nodes)))  # (B, N, 1)
        scaled = nodes * scores
        keep = max(nodes.shape[1] // 2, 1)
        if counts is not None:
            exists = torch.arange(nodes.shape[1], device=nodes.device) < counts[:, None]
            scores = scores.masked_fill(~exists[..., None], -1.0)  # padding sorts last
            counts = (counts // 2).clamp(min=1)
        best = scores.topk(keep, dim=1).indices  # (B, keep, 1)
        return scaled.gather(1, best.expand(-1, -1, nodes.shape[2])), counts
