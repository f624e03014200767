"""The Hydra mixer (Hwang et al. 2024): Mamba-2 in both directions as one quasiseparable matrix.

Each direction scans with decays, inputs and outputs of its own and comes one frame late, so that a
frame sees those before it from one side, those after it from the other, and itself only through a
diagonal that it decides itself.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.mamba import initial_step_bias
from fakemamba.models.masking import zero_padding
from fakemamba.models.scan import ssd_scan
from fakemamba.models.scan.mixer import ScanMixer

NORM_EPS = 1e-5


class RMSNorm(nn.RMSNorm):
    """torch's, with the published eps, and in the weight's precision where autocast is lower."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return super().forward(x.to(self.weight.dtype))


class Hydra(ScanMixer):
    """Hydra with one group of states: state dicts are those of the authors' class."""

    scan: ClassVar[str] = "ssd-scan"

    def __init__(
        self,
        width: int,
        *,
        num_states: int = 64,
        head_channels: int = 64,
        conv_kernel: int = 7,
        expand: int = 2,
    ) -> None:
        super().__init__()
        channels = expand * width
        if channels % head_channels:
            raise ValueError(
                f"{channels} channels cannot be split into heads of {head_channels} each"
            )
        heads = channels // head_channels
        mixed = channels + 4 * num_states  # x, and B and C of both directions
        self.sizes = (channels, mixed, 2 * heads)
        self.num_states = num_states
        self.head_channels = head_channels
        self.dt_bias = nn.Parameter(initial_step_bias(torch.Size([heads])))
        self.A_log = nn.Parameter(torch.zeros(heads))
        self.D = nn.Parameter(torch.ones(heads))
        self.in_proj = nn.Linear(width, sum(self.sizes), bias=False)
        self.conv1d = nn.Conv1d(
            mixed, mixed, conv_kernel, padding=(conv_kernel - 1) // 2, groups=mixed
        )
        self.fc_D = nn.Linear(channels, heads, bias=False)
        self.norm = RMSNorm(channels)
        self.out_proj = nn.Linear(channels, width, bias=False)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Mix frames (B, T, width) along time."""
        z, mixed, step = self.in_proj(frames).split(self.sizes, dim=-1)
        mixed = zero_padding(mixed, lengths).transpose(1, 2)
        # Channels lie side by side from here on: all that follows reads them so.
        mixed = F.silu(self.conv1d(mixed)).transpose(1, 2).contiguous()
        x, states = mixed.split([self.sizes[0], 4 * self.num_states], dim=-1)
        # Forward B, C, then backward B, C: (directions, B, T, B or C, states).
        states = states.unflatten(-1, (2, 2, self.num_states)).movedim(2, 0)
        by_head = x.unflatten(-1, (-1, self.head_channels))  # (B, T, heads, P)
        A = -torch.exp(self.A_log.float())
        past, future = ssd_scan(
            by_head.expand(2, *by_head.shape),
            torch.stack(step.chunk(2, dim=-1)),  # torch.compile has no gradient of it as a view
            A.expand(2, -1),
            states[..., 0, :],
            states[..., 1, :],
            self.dt_bias.expand(2, -1),
            reverse=(False, True),
            exclusive=True,
            lengths=lengths,
            backend=self.scan_backend,
        )
        itself = by_head * (self.fc_D(x) + self.D)[..., None]
        y = (past + future + itself).flatten(2)
        return self.out_proj(self.norm(y) * F.silu(z))
