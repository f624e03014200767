"""The SSD scan in torch: matrix products within chunks of time, states from chunk to chunk.

As a head has one decay, a chunk's outputs from its own frames are one product with a triangular
matrix, (C Bᵀ) times the decay from one frame to the other; what came before enters through the
state at the chunk's start. So the cost is linear in length (Dao and Gu 2024, section 6). Decays are
exponentials of differences, never positive, of sums of log decays. The sums are float64: in fp32 a
difference would carry the rounding of all that was summed before. Every operation is
differentiable, and the gradients of the fused kernels are this form's as well (`recomputed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from fakemamba.models.device import without_autocast
from fakemamba.models.scan.inputs import SSDInputs
from fakemamba.models.scan.reference import delayed, finish, orient, step_sizes, zero_beyond

CHUNK_FRAMES = 64


def scan(inputs: SSDInputs) -> Tensor:
    """See `fakemamba.models.scan.ssd_scan`."""
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    num_frames, heads = x.shape[2], x.shape[3:]
    chunk = min(CHUNK_FRAMES, num_frames)
    step = step_sizes(delta, delta_bias)  # (directions, batch, time, heads)
    drive = (step[..., None] * x.to(step.dtype)).flatten(3)

    def split(frames: Tensor, *, late: bool = False) -> Tensor:
        """(directions, batch, time, x) to (directions, batch, chunks, chunk, x), in own order.

        Frames of zero that fill the last chunk leave states as they are: Δ = 0, exp(0) = 1.
        """
        frames = orient(zero_beyond(frames.to(step.dtype), lengths), reverse, lengths)
        frames = delayed(frames) if late else frames
        return F.pad(frames, (0, 0, 0, -num_frames % chunk)).unflatten(2, (-1, chunk))

    # What frame t sees is C_t h_t, or, delayed, C_{t-1} h_{t-1}: then all of it is one frame late.
    step, drive, B, C = split(step), split(drive), split(B), split(C, late=exclusive)
    log_decay = step * A[:, None, None, None].to(step.dtype)
    through = log_decay.double().cumsum(3)  # from the chunk's start through a frame
    seen = through - log_decay if exclusive else through

    # From the chunk's own frames, s to t: (directions, batch, chunks, heads, t, s).
    visible = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril(-int(exclusive))
    between = seen.transpose(3, 4)[..., :, None] - through.transpose(3, 4)[..., None, :]
    weights = between.to(step.dtype).masked_fill(~visible, float("-inf")).exp()
    weights = weights * (C @ B.transpose(3, 4))[:, :, :, None]
    y = (weights @ drive.unflatten(4, heads).transpose(3, 4)).transpose(3, 4)

    # From all chunks before: states are (directions, batch, chunks, heads, head channels, states).
    left = (through[:, :, :, -1:] - through).to(step.dtype).exp()[..., None]
    ends = (left * drive.unflatten(4, heads)).flatten(4).transpose(3, 4) @ B
    starts = _pass_on(ends.unflatten(3, heads), through[:, :, :, -1].to(step.dtype).exp())
    carried = (C @ starts.flatten(3, 4).transpose(3, 4)).unflatten(4, heads)
    y = y + seen.to(step.dtype).exp()[..., None] * carried

    y = orient(y.flatten(2, 3)[:, :, :num_frames].flatten(3), reverse, lengths)
    return finish(y, x, None, None, lengths).unflatten(3, heads)


def _pass_on(ends: Tensor, decays: Tensor) -> Tensor:
    """The state that each chunk starts with, from what each adds to it and its whole decay."""
    state, starts = torch.zeros_like(ends[:, :, 0]), []
    for end, decay in zip(ends.unbind(2), decays[..., None, None].unbind(2), strict=True):
        starts.append(state)
        state = torch.addcmul(end, decay, state)
    return torch.stack(starts, dim=2)


def recomputed(kernel: Callable[[SSDInputs], Tensor], inputs: SSDInputs) -> Tensor:
    """A kernel's outputs, whose gradients are those of this form, run again in the backward pass.

    They are exact, and linear in length like the scan itself.
    """
    return _Recomputed.apply(kernel, *inputs)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernel: Callable[[SSDInputs], Tensor], *arguments: Any) -> Tensor:
        inputs = SSDInputs(*arguments)
        ctx.options = inputs.reverse, inputs.exclusive
        ctx.save_for_backward(*inputs[:6], inputs.lengths)
        return kernel(inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, lengths = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:7]
        given = [
            None if tensor is None else tensor.detach().requires_grad_(wanted)
            for tensor, wanted in zip(tensors, needed, strict=True)
        ]
        with torch.enable_grad(), without_autocast(dy.device):
            y = scan(SSDInputs._make([*given, *ctx.options, lengths]))
        wanted = [tensor for tensor in given if tensor is not None and tensor.requires_grad]
        found = iter(torch.autograd.grad(y, wanted, dy))
        gradients = [next(found) if needs else None for needs in needed]
        return None, *gradients, None, None, None
