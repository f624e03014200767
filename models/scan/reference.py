"""The recurrence as it is written, one time step after the other: the twin that others match."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discretise(
    u: Tensor, delta: Tensor, delta_bias: Tensor | None
) -> tuple[Tensor, Tensor, torch.dtype]:
    """Step sizes Δ and inputs in the scan's own dtype: fp32, or wider where the inputs are."""
    dtype = torch.promote_types(u.dtype, torch.float32)
    delta = delta.to(dtype)
    if delta_bias is not None:
        delta = delta + delta_bias.to(dtype)
    return F.softplus(delta), u.to(dtype), dtype


def skip_and_gate(
    y: Tensor, u: Tensor, D: Tensor | None, z: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """The end of every backend: y + D·u, times SiLU(z), in the dtype that came in."""
    if D is not None:
        y = y + u * D.to(u.dtype)
    if z is not None:
        y = y * F.silu(z.to(y.dtype))
    return y.to(dtype)


def scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
) -> Tensor:
    """See `fakemamba.models.scan.selective_scan`."""
    step, inputs, dtype = discretise(u, delta, delta_bias)
    A, B, C = A.to(dtype), B.to(dtype), C.to(dtype)
    state = inputs.new_zeros(u.shape[0], *A.shape)  # (batch, channels, states)
    outputs = []
    for t in range(u.shape[1]):
        decay = torch.exp(step[:, t, :, None] * A)
        drive = (step[:, t] * inputs[:, t])[..., None] * B[:, t, None, :]
        state = decay * state + drive
        outputs.append((state * C[:, t, None, :]).sum(-1))  # (batch, channels)
    y = torch.stack(outputs, dim=1)
    return skip_and_gate(y, inputs, D, z, u.dtype)
