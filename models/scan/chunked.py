"""The scan in vectorised torch: time is cut into chunks that all advance together.

Inside a chunk the recurrence starts from zero, so the k-th step of every chunk is one set of tensor
operations; a second, short loop carries each chunk's last state to the next, and the carried states
are added to the outputs through their decay. With chunks of √T steps both loops are √T long instead
of T. Exponents are never positive (A < 0), so nothing overflows. Long inputs go through in
segments, which bounds the extra memory; every operation is differentiable.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.scan.inputs import ScanInputs
from fakemamba.models.scan.reference import finish, orient, step_sizes

SEGMENT_FRAMES = 1024


def unavailable() -> None:
    """It runs everywhere."""


def scan(inputs: ScanInputs) -> Tensor:
    """See `fakemamba.models.scan.directional_scan`."""
    u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
    step = step_sizes(delta, delta_bias)
    drive = step * u.to(step.dtype)  # (directions, batch, time, channels)
    step, drive, B, C = (orient(x.to(step.dtype), reverse, lengths) for x in (step, drive, B, C))
    A = A[:, None, None].to(step.dtype)  # (directions, 1, 1, channels, states)
    state = step.new_zeros(*u.shape[:2], *A.shape[3:])  # (directions, batch, channels, states)
    outputs = []
    for start in range(0, u.shape[2], SEGMENT_FRAMES):
        span = slice(start, start + SEGMENT_FRAMES)
        y, state = _scan_segment(
            step[:, :, span], drive[:, :, span], A, B[:, :, span], C[:, :, span], state
        )
        outputs.append(y)
    y = orient(torch.cat(outputs, dim=2), reverse, lengths)
    return finish(y, u, D, z, lengths)


def _scan_segment(
    step: Tensor, drive: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Scan (directions, batch, time, channels) from ``state``; outputs and the state at the end."""
    num_frames = step.shape[2]
    chunk = max(1, math.isqrt(num_frames))
    num_chunks = -(-num_frames // chunk)
    # Padding with Δ = 0 leaves the state as it is: exp(0) = 1 and nothing is driven.
    padding = num_chunks * chunk - num_frames

    def split(frames: Tensor) -> tuple[Tensor, ...]:
        """(..., time, x) to chunk-many (..., chunks, x), one for each step in a chunk."""
        padded = F.pad(frames, (0, 0, 0, padding))
        return padded.unflatten(2, (num_chunks, chunk)).unbind(3)

    steps, drives, Bs, Cs = split(step), split(drive), split(B), split(C)

    # Every chunk from a zero state: local is (directions, batch, chunks, channels, states).
    local = step.new_zeros(*step.shape[:2], num_chunks, *A.shape[3:])
    local_outputs, elapsed = [], [torch.zeros_like(steps[0])]
    for k in range(chunk):
        decay = torch.exp(steps[k][..., None] * A)
        local = torch.addcmul(drives[k][..., None] * Bs[k][..., None, :], decay, local)
        local_outputs.append(_project(local, Cs[k]))
        elapsed.append(elapsed[-1] + steps[k])

    # From chunk to chunk: the state that each one starts with.
    chunk_decay = torch.exp(elapsed[-1][..., None] * A).unbind(2)
    carried = []
    for index, ending in enumerate(local.unbind(2)):
        carried.append(state)
        state = torch.addcmul(ending, chunk_decay[index], state)
    carry = torch.stack(carried, dim=2)  # (directions, batch, chunks, channels, states)

    outputs = [
        local_outputs[k] + _project(torch.exp(elapsed[k + 1][..., None] * A) * carry, Cs[k])
        for k in range(chunk)
    ]
    y = torch.stack(outputs, dim=3).flatten(2, 3)[:, :, :num_frames]
    return y, state


def _project(states: Tensor, C: Tensor) -> Tensor:
    """Σ_n of states (..., channels, states) times C (..., states)."""
    return torch.einsum("...en,...n->...e", states, C)
