"""The recurrences as they are written, one time step after the other: twins that others match."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.masking import flip_frames, frame_mask
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs


def unavailable() -> None:
    """It runs everywhere."""


def step_sizes(delta: Tensor, delta_bias: Tensor | None) -> Tensor:
    """Δ = softplus(delta + bias) of (directions, batch, time, channels), in fp32 or wider."""
    delta = delta.to(torch.promote_types(delta.dtype, torch.float32))
    if delta_bias is not None:
        delta = delta + delta_bias[:, None, None].to(delta.dtype)
    return F.softplus(delta)


def orient(frames: Tensor, reverse: tuple[bool, ...], lengths: Tensor | None) -> Tensor:
    """Put (directions, batch, time, x) into each direction's own order; its own inverse."""
    if not any(reverse):
        return frames
    ordered = [
        flip_frames(one, lengths) if flipped else one
        for one, flipped in zip(frames, reverse, strict=True)
    ]
    return torch.stack(ordered)


def zero_beyond(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Frames (directions, batch, time, x) with those beyond each utterance's end set to zero."""
    if lengths is None:
        return frames
    return frames.masked_fill(~frame_mask(lengths, frames.shape[2])[..., None], 0.0)


def finish(
    y: Tensor, u: Tensor, D: Tensor | None, z: Tensor | None, lengths: Tensor | None
) -> Tensor:
    """The end of a scan in torch: y + D·u, times SiLU(z), zero in the padding, dtype of ``u``."""
    if D is not None:
        y = y + u.to(y.dtype) * D[:, None, None].to(y.dtype)
    if z is not None:
        y = y * F.silu(z.to(y.dtype))
    return zero_beyond(y, lengths).to(u.dtype)


def scan(inputs: ScanInputs) -> Tensor:
    """See `fakemamba.models.scan.directional_scan`."""
    u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
    step = step_sizes(delta, delta_bias)
    step, x, B, C = (orient(frames.to(step.dtype), reverse, lengths) for frames in (step, u, B, C))
    A = A[:, None].to(step.dtype)  # (directions, 1, channels, states)
    state = x.new_zeros(*u.shape[:2], *A.shape[2:])  # (directions, batch, channels, states)
    outputs = []
    for t in range(u.shape[2]):
        decay = torch.exp(step[:, :, t, :, None] * A)
        drive = (step[:, :, t] * x[:, :, t])[..., None] * B[:, :, t, None, :]
        state = decay * state + drive
        outputs.append((state * C[:, :, t, None, :]).sum(-1))
    y = orient(torch.stack(outputs, dim=2), reverse, lengths)
    return finish(y, u, D, z, lengths)


def ssd_scan(inputs: SSDInputs) -> Tensor:
    """See `fakemamba.models.scan.ssd_scan`: a selective scan whose heads share one Δ and one A."""
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    channels, states = x.shape[4], B.shape[3]

    def of_channels(of_heads: Tensor) -> Tensor:
        return of_heads.repeat_interleave(channels, dim=-1)

    y = scan(
        ScanInputs(
            x.flatten(3),
            of_channels(delta),
            of_channels(A)[..., None].expand(-1, -1, states),
            B,
            C,
            D=None,
            z=None,
            delta_bias=None if delta_bias is None else of_channels(delta_bias),
            reverse=reverse,
            lengths=lengths,
        )
    )
    if exclusive:
        y = orient(delayed(orient(y, reverse, lengths)), reverse, lengths)
    return zero_beyond(y, lengths).unflatten(3, x.shape[3:])


def delayed(frames: Tensor) -> Tensor:
    """Frames (directions, batch, time, x) one later, the first of them zero."""
    return F.pad(frames, (0, 0, 1, -1))
