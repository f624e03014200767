"""The Triton backend of the selective scan: launches of kernels, as a differentiable function.

Runs on any GPU that Triton supports; with TRITON_INTERPRET=1 also on a CPU, slowly, for tests.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fakemamba.models.scan.inputs import ScanInputs

try:
    from fakemamba.models.scan import triton_kernels as kernels

    _MISSING = None
except ImportError as error:
    _MISSING = f"Triton cannot be imported ({error}); CUDA builds of torch bring it"

TILE_FRAMES = 32
BLOCK_CHANNELS = 32
JOINED_TILES = 64


def unavailable() -> str | None:
    """Why this backend cannot run here, or None."""
    if _MISSING is not None:
        return _MISSING
    if not torch.cuda.is_available() and not _interpreted():
        return "no GPU here; TRITON_INTERPRET=1 runs the kernels on a CPU, for tests"
    return None


def scan(inputs: ScanInputs) -> Tensor:
    """See `fakemamba.models.scan.directional_scan`; states are fp32, whatever the inputs are.

    Raises:
        ValueError: float64 inputs, which this backend would round, or tensors out of its reach.
    """
    check(inputs.u)
    return _Scan.apply(*inputs)


def check(tensor: Tensor) -> None:
    """Refuse what the kernels cannot take; see `scan`."""
    if tensor.dtype == torch.float64 or (tensor.device.type != "cuda" and not _interpreted()):
        raise ValueError(
            f"the triton scan backend takes fp32, bf16 or fp16 on a GPU, not {tensor.dtype} on "
            f"{tensor.device}; use the torch backend"
        )


def causal_conv_silu(
    x: Tensor, weight: Tensor, bias: Tensor, reverse: tuple[bool, ...], lengths: Tensor | None
) -> Tensor:
    """See `fakemamba.models.scan.convolution.causal_conv_silu`; without gradients."""
    directions, channels, taps = weight.shape
    batch, num_frames = x.shape[1:3]
    x = unit_stride(x.expand(directions, -1, -1, -1))
    y = torch.empty(directions, batch, num_frames, channels, dtype=x.dtype, device=x.device)
    grid = (directions * batch, pieces(num_frames, TILE_FRAMES), pieces(channels, BLOCK_CHANNELS))
    kernels.convolve[grid](
        *strided(x),
        weight.transpose(1, 2).contiguous(),
        bias.contiguous(),
        lengths_of(lengths, x),
        y,
        batch,
        num_frames,
        channels,
        mask_of(reverse),
        TAPS=taps,
        TILE=TILE_FRAMES,
        BLOCK=BLOCK_CHANNELS,
    )
    return y


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        inputs = ScanInputs(*arguments)
        job = _Job(inputs)
        starts = job.join(job.summarise(job.u, job.B, adjoint=False), adjoint=False)
        y = torch.empty(inputs.u.shape, dtype=inputs.u.dtype, device=inputs.u.device)
        kernels.output_tiles[job.grid](
            *strided(job.u, job.delta),
            job.A,
            *strided(job.B, job.C),
            job.D,
            job.bias,
            *strided(job.z),
            job.lengths,
            starts,
            y,
            *job.sizes,
            **job.constants,
            GATED=job.gated,
        )
        ctx.reverse = inputs.reverse
        ctx.save_for_backward(*inputs[:8], inputs.lengths, starts)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, lengths, starts = ctx.saved_tensors
        inputs = ScanInputs._make([*tensors, ctx.reverse, lengths])
        u, delta, A, B, C, D, z, delta_bias, _, _ = inputs
        job = _Job(inputs)
        dy = unit_stride(dy)
        adjoints = job.join(job.summarise(dy, job.C, adjoint=True), adjoint=True)
        directions, batch, num_frames, channels = u.shape
        states, blocks = A.shape[2], job.grid[2]

        def empty(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float32, device=u.device)

        du, ddelta = empty(*u.shape), empty(*u.shape)
        dz = empty(*(u.shape if z is not None else (1,)))
        dA = empty(directions, batch, job.num_tiles, states, channels)
        dB, dC = (empty(blocks, directions, batch, num_frames, states) for _ in range(2))
        dD, dbias = (empty(directions, batch, job.num_tiles, channels) for _ in range(2))
        kernels.gradient_tiles[job.grid](
            *strided(dy, job.u, job.delta),
            job.A,
            *strided(job.B, job.C),
            job.D,
            job.bias,
            *strided(job.z),
            job.lengths,
            starts,
            adjoints,
            *(du, ddelta, dz, dA, dB, dC, dD, dbias),
            *job.sizes,
            **job.constants,
            GATED=job.gated,
        )
        return (
            du.to(u.dtype),
            ddelta.to(delta.dtype),
            dA.sum((1, 2)).transpose(1, 2).to(A.dtype),
            dB.sum(0).to(B.dtype),
            dC.sum(0).to(C.dtype),
            None if D is None else dD.sum((1, 2)).to(D.dtype),
            None if z is None else dz.to(z.dtype),
            None if delta_bias is None else dbias.sum((1, 2)).to(delta_bias.dtype),
            None,
            None,
        )


class _Job:
    """Inputs as the kernels take them, and the two launches that forward and backward share."""

    def __init__(self, inputs: ScanInputs) -> None:
        u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
        directions, batch, num_frames, channels = u.shape
        self.u, self.delta, self.B, self.C = (unit_stride(x) for x in (u, delta, B, C))
        self.gated = z is not None
        self.z = self.u if z is None else unit_stride(z)
        self.A = A.detach().float().transpose(1, 2).contiguous()  # (directions, states, channels)
        absent = torch.zeros(directions, channels, device=u.device)
        self.D = absent if D is None else D.detach().contiguous()
        self.bias = absent if delta_bias is None else delta_bias.detach().contiguous()
        self.lengths = lengths_of(lengths, u)
        self.num_tiles = pieces(num_frames, TILE_FRAMES)
        blocks = pieces(channels, BLOCK_CHANNELS)
        self.grid = (directions * batch, self.num_tiles, blocks)
        self.sizes = (batch, num_frames, channels, self.num_tiles, mask_of(reverse))
        self.constants = {
            "NUM_STATES": A.shape[2],
            "TILE": TILE_FRAMES,
            "BLOCK": BLOCK_CHANNELS,
        }

    def summarise(self, x: Tensor, V: Tensor, *, adjoint: bool) -> tuple[Tensor, Tensor]:
        """What each tile adds to the state, and Σ Δ of each."""
        shape = (self.grid[0], self.num_tiles)
        channels, states = self.sizes[2], self.constants["NUM_STATES"]
        ends = torch.empty(*shape, states, channels, dtype=torch.float32, device=x.device)
        elapsed = torch.empty(*shape, channels, dtype=torch.float32, device=x.device)
        kernels.summarise_tiles[self.grid](
            *strided(x, self.delta),
            self.A,
            *strided(V),
            self.bias,
            *strided(self.z),
            self.lengths,
            ends,
            elapsed,
            *self.sizes,
            **self.constants,
            ADJOINT=adjoint,
            GATED=self.gated,
        )
        return ends, elapsed

    def join(self, summary: tuple[Tensor, Tensor], *, adjoint: bool) -> Tensor:
        """The state that each tile starts with (rows, tiles, states, channels)."""
        ends, elapsed = summary
        starts = torch.zeros_like(ends)
        batch, _, channels, num_tiles, _ = self.sizes
        states = self.constants["NUM_STATES"]
        kernels.join_tiles[(self.grid[0], states, self.grid[2])](
            *(ends, elapsed, self.A, starts, batch, channels, num_tiles),
            NUM_STATES=states,
            TILES=JOINED_TILES,
            BLOCK=BLOCK_CHANNELS,
            ADJOINT=adjoint,
        )
        return starts


def strided(*tensors: Tensor) -> list[Any]:
    """Each tensor followed by its strides over direction, batch and time."""
    return [argument for tensor in tensors for argument in (tensor, *tensor.stride()[:3])]


def unit_stride(tensor: Tensor) -> Tensor:
    """Frames whose channels lie side by side; expanded and sliced ones are taken as they are."""
    tensor = tensor.detach()
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def lengths_of(lengths: Tensor | None, frames: Tensor) -> Tensor:
    """Frames of each utterance as the kernels take them (batch,)."""
    if lengths is None:
        shape = (frames.shape[1],)
        return torch.full(shape, frames.shape[2], dtype=torch.int64, device=frames.device)
    return lengths.to(device=frames.device, dtype=torch.int64)


def mask_of(reverse: tuple[bool, ...]) -> int:
    """One bit a direction, set where it is reversed."""
    return sum(1 << g for g, flipped in enumerate(reverse) if flipped)


def pieces(size: int, piece: int) -> int:
    """How many pieces there are, the last of them not full."""
    return -(-size // piece)


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"
