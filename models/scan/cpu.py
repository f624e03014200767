"""The CPU backend: kernels compiled by numba, as differentiable torch functions.

numba installs without a compiler and compiles at the first call (seconds, cached on disk). Where it
is missing, and for float64, callers use the ``torch`` backend.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fakemamba.models.scan import ssd_chunked
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs

try:
    import numba

    from fakemamba.models.scan import cpu_kernels as kernels

    _MISSING = None
except ImportError as error:
    _MISSING = f"numba cannot be imported ({error}); pip install numba"


def unavailable() -> str | None:
    """Why this backend cannot run here, or None."""
    return _MISSING


def scan(inputs: ScanInputs) -> Tensor:
    """See `fakemamba.models.scan.directional_scan`; fp32 inside, whatever the inputs are.

    Raises:
        ValueError: tensors that are not on a CPU, or float64, which this backend would round.
    """
    _check(inputs.u)
    return _Scan.apply(*inputs)


def ssd_scan(inputs: SSDInputs) -> Tensor:
    """See `fakemamba.models.scan.ssd_scan`, and `scan` for precision; gradients are recomputed."""
    _check(inputs.x)
    return ssd_chunked.recomputed(_ssd_forward, inputs)


def _ssd_forward(inputs: SSDInputs) -> Tensor:
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    y = x.new_empty(x.shape, dtype=torch.float32)
    _use_torch_threads()
    kernels.ssd_forward(
        _frames(_once(x)),
        _frames(delta),
        _frames(A),
        _frames(B),
        _frames(C),
        _frames(torch.zeros_like(A) if delta_bias is None else delta_bias),
        np.array(reverse),
        exclusive,
        _lengths(lengths, x),
        y.numpy(),
    )
    return y.to(x.dtype)


def causal_conv_silu(
    x: Tensor, weight: Tensor, bias: Tensor, reverse: tuple[bool, ...], lengths: Tensor | None
) -> Tensor:
    """See `fakemamba.models.scan.convolution.causal_conv_silu`."""
    _check(x)
    return _Conv.apply(x, weight, bias, reverse, lengths)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        inputs = ScanInputs(*arguments)
        directions, batch, num_frames, channels = inputs.u.shape
        y = inputs.u.new_empty(inputs.u.shape, dtype=torch.float32)
        pieces = -(-num_frames // kernels.CHECKPOINT_FRAMES) if any(ctx.needs_input_grad) else 0
        checkpoints = y.new_empty(directions, batch, pieces, inputs.A.shape[2], channels)
        _use_torch_threads()
        kernels.scan_forward(*_arrays(inputs), y.numpy(), checkpoints.numpy())
        ctx.reverse = inputs.reverse
        ctx.save_for_backward(*inputs[:8], inputs.lengths, checkpoints)
        return y.to(inputs.u.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, lengths, checkpoints = ctx.saved_tensors
        inputs = ScanInputs._make([*tensors, ctx.reverse, lengths])
        u, delta, A, B, C, D, z, delta_bias, _, _ = inputs
        directions, batch, num_frames, channels = u.shape
        states = A.shape[2]
        blocks = -(-channels // kernels.BLOCK_CHANNELS)
        # Padded frames are never visited, so what is filled a frame at a time starts from zero.
        du, ddelta = (checkpoints.new_zeros(u.shape) for _ in range(2))
        dz = checkpoints.new_zeros(u.shape if z is not None else (0, 0, 0, 0))
        dA = checkpoints.new_empty(directions, batch, states, channels)
        dB, dC = (
            checkpoints.new_zeros(blocks, directions, batch, num_frames, states) for _ in range(2)
        )
        dD, dbias = (checkpoints.new_zeros(directions, batch, channels) for _ in range(2))
        gradients = (du, ddelta, dz, dA, dB, dC, dD, dbias)
        _scan_backward(
            directions * batch * blocks,
            _frames(dy),
            *_arrays(inputs),
            checkpoints.numpy(),
            *(gradient.numpy() for gradient in gradients),
        )
        return (
            du.to(u.dtype),
            ddelta.to(delta.dtype),
            dA.sum(1).transpose(1, 2).to(A.dtype),
            dB.sum(0).to(B.dtype),
            dC.sum(0).to(C.dtype),
            None if D is None else dD.sum(1).to(D.dtype),
            None if z is None else dz.to(z.dtype),
            None if delta_bias is None else dbias.sum(1).to(delta_bias.dtype),
            None,
            None,
        )


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        reverse: tuple[bool, ...],
        lengths: Tensor | None,
    ) -> Tensor:
        y = x.new_empty(weight.shape[0], *x.shape[1:], dtype=torch.float32)
        _use_torch_threads()
        kernels.conv_forward(*_conv_arrays(x, weight, bias, reverse, lengths), y.numpy())
        ctx.reverse = reverse
        ctx.save_for_backward(x, weight, bias, lengths)
        return y.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, lengths = ctx.saved_tensors
        directions, batch = dy.shape[:2]
        dx = dy.new_zeros(dy.shape, dtype=torch.float32)
        dweight = dx.new_zeros(directions, batch, weight.shape[2], weight.shape[1])
        dbias = dx.new_zeros(directions, batch, weight.shape[1])
        _use_torch_threads()
        kernels.conv_backward(
            _frames(dy),
            *_conv_arrays(x, weight, bias, ctx.reverse, lengths),
            *(gradient.numpy() for gradient in (dx, dweight, dbias)),
        )
        return (
            (dx if x.shape[0] == directions else dx.sum(0, keepdim=True)).to(x.dtype),
            dweight.sum(1).transpose(1, 2).to(weight.dtype),
            dbias.sum(1).to(bias.dtype),
            None,
            None,
        )


def _scan_backward(num_tasks: int, *arrays: np.ndarray) -> None:
    """Run the backward kernel's tasks in as many threads as torch has."""
    share = max(1, -(-num_tasks // torch.get_num_threads()))
    ranges = [(first, min(first + share, num_tasks)) for first in range(0, num_tasks, share)]
    if len(ranges) == 1:
        kernels.scan_backward(*ranges[0], *arrays)
        return
    with ThreadPoolExecutor(max(1, len(ranges))) as pool:
        list(pool.map(lambda one: kernels.scan_backward(*one, *arrays), ranges))


def _arrays(inputs: ScanInputs) -> tuple[np.ndarray, ...]:
    """The kernels' inputs: fp32, contiguous, states before channels, absent ones made explicit."""
    u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
    absent = torch.zeros(A.shape[0], A.shape[1])
    gate = np.empty((0, 0, 0, 0), np.float32) if z is None else _frames(_once(z))
    return (
        _frames(u),
        _frames(delta),
        _frames(A.transpose(1, 2)),
        _frames(B),
        _frames(C),
        _frames(absent if D is None else D),
        gate,
        _frames(absent if delta_bias is None else delta_bias),
        np.array(reverse),
        _lengths(lengths, u),
    )


def _conv_arrays(
    x: Tensor, weight: Tensor, bias: Tensor, reverse: tuple[bool, ...], lengths: Tensor | None
) -> tuple[np.ndarray, ...]:
    taps_first = _frames(weight.transpose(1, 2))  # (directions, taps, channels)
    return _frames(x), taps_first, _frames(bias), np.array(reverse), _lengths(lengths, x)


def _once(frames: Tensor) -> Tensor:
    """Frames that all directions share as one direction: they are read, not copied."""
    return frames[:1] if frames.stride(0) == 0 else frames


def _frames(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float32).contiguous().numpy()


def _lengths(lengths: Tensor | None, frames: Tensor) -> np.ndarray:
    if lengths is None:
        return np.full(frames.shape[1], frames.shape[2], np.int64)
    return lengths.to(torch.int64).numpy()


def _check(tensor: Tensor) -> None:
    if tensor.device.type != "cpu" or tensor.dtype == torch.float64:
        raise ValueError(
            f"the cpu scan backend takes fp32, bf16 or fp16 on a CPU, not {tensor.dtype} on "
            f"{tensor.device}; use the torch backend"
        )


def _use_torch_threads() -> None:
    count = torch.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    # When numba first starts its threads, it tells OpenMP, and so torch, to use all cores.
    torch.set_num_threads(count)
