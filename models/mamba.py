"""The Mamba-1 mixer, with the official parameter names, and its bidirectional variants.

Directions never flip anything: one in-projection, a causal convolution and a scan each way, and
outputs in the original order. A reverse scan starts at each utterance's own last frame. As the
projections act on single frames, a Mamba shared by both directions projects only once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.layers import check_choice
from fakemamba.models.scan import directional_scan, official
from fakemamba.models.scan.convolution import causal_conv_silu
from fakemamba.models.scan.mixer import ScanMixer

STEP_MIN, STEP_MAX, STEP_FLOOR = 1e-3, 1e-1, 1e-4  # seconds of the continuous-time model


def initial_step_bias(shape: torch.Size) -> Tensor:
    """Biases before softplus that give step sizes log-uniform in [1e-3, 1e-1]."""
    log_min, log_max = math.log(STEP_MIN), math.log(STEP_MAX)
    step = torch.rand(shape) * (log_max - log_min) + log_min
    step = step.exp().clamp(min=STEP_FLOOR)
    return step + torch.log(-torch.expm1(-step))  # inverse of softplus


class Mamba(ScanMixer):
    """Mamba-1 (Gu and Dao 2023): state dicts are those of ``mamba_ssm.Mamba`` without bias."""

    def __init__(
        self, width: int, *, num_states: int = 16, conv_kernel: int = 4, expand: int = 2
    ) -> None:
        super().__init__()
        channels = expand * width
        self.step_rank = math.ceil(width / 16)
        self.num_states = num_states
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
        """A = -(1..N) in every channel, D = 1, and step sizes by `initial_step_bias`."""
        states = torch.arange(1, self.num_states + 1, dtype=torch.float32)
        self.A_log.copy_(states.log().expand_as(self.A_log))
        self.D.fill_(1.0)
        bound = self.step_rank**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        self.dt_proj.bias.copy_(initial_step_bias(self.D.shape))

    def forward(
        self, frames: Tensor, lengths: Tensor | None = None, *, reverse: bool = False
    ) -> Tensor:
        """Mix frames (B, T, width) along time; ``reverse`` runs from each utterance's end."""
        return mix([self], (reverse,), frames[None], lengths)[0]


def mix(
    mambas: Sequence[Mamba],
    reverse: tuple[bool, ...],
    frames: Tensor,
    lengths: Tensor | None,
) -> Tensor:
    """Mambas along time, in several directions at once.

    Args:
        mambas: one a direction, or a single one that all directions share; then outputs are added:
            W·y₁ + W·y₂ = W·(y₁ + y₂), so that the output projection runs once.
        reverse: for each direction, whether it runs backwards.
        frames: (directions, batch, time, width), or (1, ...) that all directions share.
        lengths: frames of each utterance (batch,).

    Returns:
        (mambas, batch, time, width), frames in the original order.
    """
    if mambas[0].scan_backend == "mamba-ssm" and official.has_fused_mixer():
        outputs = official.mix_fused(mambas, reverse, frames, lengths)
        return outputs if len(mambas) > 1 else outputs.sum(0, keepdim=True)
    gated = _scan_gated(mambas, reverse, frames, lengths)
    if len(mambas) == 1:
        gated = gated.sum(0, keepdim=True)
    return _project([mamba.out_proj for mamba in mambas], gated)


def _scan_gated(
    mambas: Sequence[Mamba],
    reverse: tuple[bool, ...],
    frames: Tensor,
    lengths: Tensor | None,
) -> Tensor:
    """Everything of a Mamba but its output projection: (directions, batch, time, channels)."""
    first, directions = mambas[0], len(reverse)

    def each(parameters: list[Tensor]) -> Tensor:
        """A parameter of every direction (directions, ...), not copied where it is shared."""
        if len(mambas) == 1:
            return parameters[0][None].expand(directions, *(-1,) * parameters[0].ndim)
        return torch.stack(parameters)

    x, z = _project([mamba.in_proj for mamba in mambas], frames).chunk(2, dim=-1)
    x = causal_conv_silu(
        x,
        each([mamba.conv1d.weight[:, 0] for mamba in mambas]),
        each([_bias(mamba.conv1d) for mamba in mambas]),
        reverse=reverse,
        lengths=lengths,
        backend=first.scan_backend,
    )  # (directions, B, T, E)
    step, B, C = _project([mamba.x_proj for mamba in mambas], x).split(
        [first.step_rank, first.num_states, first.num_states], dim=-1
    )
    # The bias of the step sizes joins in fp32, inside the scan; a layer in int8 adds it by itself.
    is_plain = all(type(mamba.dt_proj) is nn.Linear for mamba in mambas)
    step_layers = [_without_bias(mamba.dt_proj) if is_plain else mamba.dt_proj for mamba in mambas]
    return directional_scan(
        x,
        _project(step_layers, step),
        each([-torch.exp(mamba.A_log.float()) for mamba in mambas]),
        B,
        C,
        each([mamba.D for mamba in mambas]),
        z.expand(directions, -1, -1, -1),
        each([_bias(mamba.dt_proj) for mamba in mambas]) if is_plain else None,
        reverse=reverse,
        lengths=lengths,
        backend=first.scan_backend,
    )


class SharedBiMamba(nn.Module):
    """One Mamba for both directions, outputs added (PN-BiMamba)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mamba = Mamba(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        return mix([self.mamba], (False, True), frames[None], lengths)[0]


class SeparateBiMamba(nn.Module):
    """Two Mambas, outputs concatenated and projected (ExtBiMamba, Zhang et al. 2024)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.forward_mamba = Mamba(width)
        self.backward_mamba = Mamba(width)
        self.output_proj = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        mambas = [self.forward_mamba, self.backward_mamba]
        ahead, back = mix(mambas, (False, True), frames[None], lengths)
        return self.output_proj(torch.cat([ahead, back], dim=-1))


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
    check_choice("directions", directions, MIXERS)
    return MIXERS[directions](width)


def _project(layers: Sequence[Callable[[Tensor], Tensor]], frames: Tensor) -> Tensor:
    """Linear layers: one for all directions of frames (d, B, T, x), or one for each."""
    if len(layers) == 1:
        return layers[0](frames)
    frames = frames.expand(len(layers), -1, -1, -1)
    return torch.stack([layer(x) for x, layer in zip(frames, layers, strict=True)])


def _without_bias(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    return lambda frames: F.linear(frames, layer.weight)


def _bias(layer: nn.Conv1d | nn.Linear) -> Tensor:
    assert layer.bias is not None
    return layer.bias
