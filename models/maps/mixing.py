"""The matrix that a scan multiplies its inputs with, frame by frame: the hidden attention of Mamba.

A scan is linear in its inputs once its step sizes, B and C are known. With P_t the sum of step
sizes up to frame t, channel e of a forward scan is y = M u with::

    M_ts = Σ_n C_tn exp((P_t - P_s) A_en) Δ_s B_sn      for s ≤ t, and 0 for later frames

(Ali, Zimerman and Wolf 2024, "The Hidden Attention of Mamba Models", arXiv 2403.01590), without
skip D and gate z, which mix no frames. A backward scan has the same in the other order. Between
two stretches of frames the exponential is a product of one factor a frame, so that M is made of
products of thin matrices; of a few channels at a time, as M of all of them would fill any memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fakemamba.models.scan.inputs import ScanInputs, SSDInputs
from fakemamba.models.scan.reference import step_sizes, zero_beyond

MOST_NUMBERS = 1 << 23  # that are in memory of channels' blocks at once


@dataclass(frozen=True, eq=False)
class ScanMixing:
    """What mixes frames in a scan.

    Attributes:
        steps: Δ (directions, batch, time, channels), after softplus; zero in the padding.
        A: (directions, channels, states), negative.
        B: (directions, batch, time, states).
        C: as ``B``.
        reverse: for each direction, whether it runs backwards.
        exclusive: outputs come one frame later, see `fakemamba.models.scan.ssd_scan`.
    """

    steps: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    reverse: tuple[bool, ...]
    exclusive: bool = False

    @classmethod
    def of_scan(cls, inputs: ScanInputs) -> ScanMixing:
        """Of a selective scan."""
        steps = zero_beyond(step_sizes(inputs.delta, inputs.delta_bias), inputs.lengths)
        C = zero_beyond(inputs.C, inputs.lengths)
        return cls(steps, inputs.A, inputs.B, C, inputs.reverse)

    @classmethod
    def of_ssd(cls, inputs: SSDInputs) -> ScanMixing:
        """Of an SSD scan; the channels of a head share a matrix, so that here a head is one."""
        steps = zero_beyond(step_sizes(inputs.delta, inputs.delta_bias), inputs.lengths)
        A = inputs.A[..., None].expand(-1, -1, inputs.B.shape[-1])
        C = zero_beyond(inputs.C, inputs.lengths)
        return cls(steps, A, inputs.B, C, inputs.reverse, inputs.exclusive)

    @property
    def size(self) -> int:
        """Frames."""
        return self.steps.shape[2]

    def matrices(self) -> Tensor:
        """The mean of |M| over channels (directions, batch, time, time)."""
        found = [self._mean_of_absolute(direction) for direction in range(len(self.reverse))]
        return self._in_time(torch.stack(found))

    def channel_matrices(self) -> Tensor:
        """M of each channel (directions, batch, channels, time, time): for short inputs alone."""
        found = []
        for direction in range(len(self.reverse)):
            ordered = _Ordered.of(self, direction)
            matrices = ordered.diagonal().diag_embed()
            for level, some, blocks in ordered.blocks():
                level.view_of(matrices)[:, some] = blocks
            found.append(matrices[..., : self.size, : self.size])
        return self._in_time(torch.stack(found))

    def _mean_of_absolute(self, direction: int) -> Tensor:
        ordered = _Ordered.of(self, direction)
        total = ordered.diagonal().abs().sum(1).diag_embed()  # (batch, time, time)
        for level, _, blocks in ordered.blocks():
            level.view_of(total).add_(blocks.abs_().sum(1))
        return total[..., : self.size, : self.size] / self.steps.shape[3]

    def _in_time(self, matrices: Tensor) -> Tensor:
        """Matrices (directions, ..., time, time) of a direction's own order, in that of time."""
        if self.exclusive:
            matrices = F.pad(matrices, (0, 0, 1, -1))  # a frame takes what the one before it would
        ordered = [
            one.flip(-1, -2) if flipped else one
            for one, flipped in zip(matrices, self.reverse, strict=True)
        ]
        return torch.stack(ordered)


@dataclass(frozen=True)
class _Level:
    """Blocks of M below its diagonal: of ``pairs`` of stretches, what the later takes of the other.

    With stretches of 1, 2, 4, ... frames, these and the diagonal are all of M.
    """

    half: int  # frames of a stretch
    pairs: int
    rows: int  # frames of the later stretch that there are, if it is the only pair

    @classmethod
    def of(cls, half: int, time: int) -> _Level:
        pairs = -(-(time - half) // (2 * half))
        return cls(half, pairs, half if pairs > 1 else min(half, time - half))

    def halves(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Earlier and later stretches of (..., time, x), both (..., pairs, frames, x)."""
        paired = frames[..., : 2 * self.half * self.pairs, :].unflatten(-2, (self.pairs, -1))
        earlier, later = paired.split(self.half, dim=-2)
        return earlier, later[..., : self.rows, :]

    def view_of(self, matrices: Tensor) -> Tensor:
        """Its blocks (..., pairs, rows, half) in matrices (..., time, time)."""
        end, shape = 2 * self.half * self.pairs, (self.pairs, 2 * self.half)
        parts = matrices[..., :end, :end].unflatten(-1, shape).unflatten(-3, shape)
        own = parts.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)  # (..., pairs, 2 half, 2 half)
        return own[..., self.half : self.half + self.rows, : self.half]


@dataclass(frozen=True, eq=False)
class _Ordered:
    """One direction in its own order, with time filled up by zeros to a power of two.

    ``sums`` of step sizes are in float64, as their differences need the digits.
    """

    sums: Tensor  # (batch, channels, time, 1)
    A: Tensor  # (channels, 1, 1, states)
    driven: Tensor  # Δ B (batch, channels, time, states)
    C: Tensor  # (batch, 1, time, states)
    time: int  # before it was filled up

    @classmethod
    def of(cls, mixing: ScanMixing, direction: int) -> _Ordered:
        fill = (0, 0, 0, (1 << (mixing.size - 1).bit_length()) - mixing.size)
        steps, B, C = (
            F.pad(one.flip(1) if mixing.reverse[direction] else one, fill)
            for one in (mixing.steps[direction], mixing.B[direction], mixing.C[direction])
        )
        steps = steps.transpose(1, 2)[..., None]
        A = mixing.A[direction][:, None, None].to(steps.dtype)
        return cls(steps.double().cumsum(2), A, steps * B[:, None], C[:, None], mixing.size)

    def diagonal(self) -> Tensor:
        """What frames take of themselves (batch, channels, time)."""
        return (self.driven * self.C).sum(-1)

    def blocks(self) -> Iterator[tuple[_Level, slice, Tensor]]:
        """All of M that is below its diagonal, piece by piece.

        Yields:
            A level, some channels, and their blocks (batch, channels, pairs, rows, half).
        """
        channels, states = self.driven.shape[1], self.driven.shape[3]
        for half in (1 << power for power in range((self.time - 1).bit_length())):
            level = _Level.of(half, self.time)
            each = level.pairs * half * max(level.rows, 2 * states) * len(self.driven)
            count = max(1, MOST_NUMBERS // each)
            late_C = level.halves(self.C)[1]
            for first in range(0, channels, count):
                some = slice(first, first + count)
                early, late = level.halves(self.sums[:, some])
                edge = early[..., -1:, :]
                # No exponent is positive: the edge is between both stretches.
                held = self._decayed(edge - early, some) * level.halves(self.driven[:, some])[0]
                reached = self._decayed(late - edge, some) * late_C
                yield level, some, reached @ held.transpose(-1, -2)

    def _decayed(self, passed: Tensor, some: slice) -> Tensor:
        """exp(passed A) of (batch, channels, pairs, frames, 1), with a last dim of states."""
        return torch.exp(passed.to(self.A.dtype) * self.A[some])
