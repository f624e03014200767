"""The Triton backend of the SSD scan: launches of its kernels, with gradients by the torch form."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from fakemamba.models.scan import ssd_chunked, triton_scan
from fakemamba.models.scan.inputs import SSDInputs

with suppress(ImportError):  # `triton_scan` says why there is no Triton
    from fakemamba.models.scan import triton_ssd_kernels as kernels

# So that nothing of 64 channels and states is spilled from registers: docs/scan.md.
CHUNK_FRAMES, OUTPUT_WARPS = 32, 8
BLOCK_STATES = 1024
LEAST_SIDE = 16  # of a matrix that is multiplied
# Three products in tf32 make one in fp32; only NVIDIA's tensor cores have them.
PRECISION = "tf32x3" if torch.version.hip is None else "ieee"


def scan(inputs: SSDInputs) -> Tensor:
    """See `fakemamba.models.scan.ssd_scan`, and `triton_scan.scan` for precision and errors."""
    triton_scan.check(inputs.x)
    return ssd_chunked.recomputed(_forward, inputs)


def _forward(inputs: SSDInputs) -> Tensor:
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    directions, batch, num_frames, heads, channels = x.shape
    states = B.shape[3]
    frames = (x.flatten(3), delta, B, C)
    x_, delta_, B_, C_ = (triton_scan.strided(triton_scan.unit_stride(one)) for one in frames)
    A = A.detach().float().contiguous()
    bias = torch.zeros_like(A) if delta_bias is None else delta_bias.detach().contiguous()
    counts = triton_scan.lengths_of(lengths, x)
    num_chunks = triton_scan.pieces(num_frames, CHUNK_FRAMES)
    flags = triton_scan.mask_of(reverse)
    grid = (directions * batch, num_chunks, heads)
    ends = torch.empty(*grid, channels, states, dtype=torch.float32, device=x.device)
    decays = torch.empty(grid, dtype=torch.float32, device=x.device)
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    sizes = (batch, num_frames, heads, channels, states, flags)
    constants = {
        "CHUNK": CHUNK_FRAMES,
        "CHANNELS": _side(channels),
        "STATES": _side(states),
        "PRECISION": PRECISION,
    }
    kernels.summarise_chunks[grid](
        *(*x_, *delta_, A, *B_, bias, counts, ends, decays, *sizes), **constants
    )
    size = channels * states
    blocks = triton_scan.pieces(size, BLOCK_STATES)
    kernels.join_chunks[(grid[0], heads, blocks)](
        *(ends, decays, batch, heads, size, num_chunks, flags), BLOCK=BLOCK_STATES
    )
    kernels.output_chunks[grid](
        *(*x_, *delta_, A, *B_, *C_, bias, counts, ends, y, *sizes),
        **constants,
        EXCLUSIVE=exclusive,
        num_warps=OUTPUT_WARPS,
    )
    return y


def _side(size: int) -> int:
    """The power of two that holds a side of a matrix."""
    return max(LEAST_SIDE, 1 << (size - 1).bit_length())
