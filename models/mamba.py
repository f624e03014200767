"""The Mamba-1 mixer, with the official parameter names, and its bidirectional variants.

Any reverse direction starts at each utterance's own last frame and gives its outputs in the
original order, so callers never flip.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from fakemamba.models.masking import flip_frames
from fakemamba.models.scan import selective_scan
from torch import Tensor, nn

STEP_MIN, STEP_MAX, STEP_FLOOR = 1e-3, 1e-1, 1e-4  # seconds of the continuous-time model


class Mamba(nn.Module):
    """Mamba-1 (Gu and Dao 2023): state dicts are those of ``mamba_ssm.Mamba`` without bias."""

    def __init__(
        self, width: int, *, num_states: int = 16, conv_kernel: int = 4, expand: int = 2
    ) -> None:
        super().__init__()
        channels = expand * width
        self.step_rank = math.ceil(width / 16)
        self.num_states = num_states
        self.scan_backend = "auto"
        self.in_proj = nn.Linear(width, 2 * channels, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, conv_kernel, groups=channels)
        self.x_proj = nn.Linear(channels, self.step_rank + 2 * num_states, bias=False)
        self.dt_proj = nn.Linear(self.step_rank, channels)
        self.A_log = nn.Parameter(torch.empty(channels, num_states))
        self.D = nn.Parameter(torch.empty(channels))
        self.out_proj = nn.Linear(channels, width, bias=False)
        self._reset_state_space()

    @torch.no_grad()
    def _reset_state_space(self) -> None:
        """A = -(1..N) in every channel, D = 1, and step sizes log-uniform in [1e-3, 1e-1]."""
        states = torch.arange(1, self.num_states + 1, dtype=torch.float32)
        self.A_log.copy_(states.log().expand_as(self.A_log))
        self.D.fill_(1.0)
        bound = self.step_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        log_min, log_max = math.log(STEP_MIN), math.log(STEP_MAX)
        step = torch.rand(self.D.shape) * (log_max - log_min) + log_min
        step = step.exp().clamp(min=STEP_FLOOR)
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # inverse of softplus

    def forward(
        self, frames: Tensor, lengths: Tensor | None = None, *, reverse: bool = False
    ) -> Tensor:
        """Mix frames (B, T, width) along time; ``reverse`` runs from each utterance's end.

        The causal form needs no mask, as padding comes after the utterance; reversed, padding is
        kept behind it.
        """
        if reverse:
            return flip_frames(self(flip_frames(frames, lengths), lengths), lengths)
        x, z = self.in_proj(frames).chunk(2, dim=-1)  # (B, T, E) each
        kernel = self.conv1d.kernel_size[0]
        x = F.silu(self.conv1d(F.pad(x.transpose(1, 2), (kernel - 1, 0)))).transpose(1, 2)
        step, B, C = self.x_proj(x).split(
            [self.step_rank, self.num_states, self.num_states], dim=-1
        )
        y = selective_scan(
            x,
            F.linear(step, self.dt_proj.weight),  # the bias joins in fp32, inside the scan
            -torch.exp(self.A_log.float()),
            B,
            C,
            self.D,
            z,
            self.dt_proj.bias,
            backend=self.scan_backend,
        )
        return self.out_proj(y)


class SharedBiMamba(nn.Module):
    """One Mamba for both directions, outputs added (PN-BiMamba)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mamba = Mamba(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        return self.mamba(frames, lengths) + self.mamba(frames, lengths, reverse=True)


class SeparateBiMamba(nn.Module):
    """Two Mambas, outputs concatenated and projected (ExtBiMamba, Zhang et al. 2024)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.forward_mamba = Mamba(width)
        self.backward_mamba = Mamba(width)
        self.output_proj = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        both = [
            self.forward_mamba(frames, lengths),
            self.backward_mamba(frames, lengths, reverse=True),
        ]
        return self.output_proj(torch.cat(both, dim=-1))


class ForwardMamba(nn.Module):
    """One Mamba in one direction, the ablation of the other two."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mamba = Mamba(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        return self.mamba(frames, lengths)


MIXERS: dict[str, type[nn.Module]] = {
    "shared": SharedBiMamba,
    "separate": SeparateBiMamba,
    "forward": ForwardMamba,
}


def make_mixer(directions: str, width: int) -> nn.Module:
    """A mixer by its ``directions``: shared, separate or forward.

    Raises:
        ValueError: no such kind.
    """
    if directions not in MIXERS:
        raise ValueError(f"directions {directions!r} is not one of {', '.join(MIXERS)}")
    return MIXERS[directions](width)


def set_scan_backend(module: nn.Module, backend: str) -> None:
    """Let every Mamba below ``module`` scan with ``backend`` (see `selective_scan`)."""
    for child in module.modules():
        if isinstance(child, Mamba):
            child.scan_backend = backend
