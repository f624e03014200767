"""Scans as `torch.export` can follow them, with any number of frames.

Kernels are nothing that it sees into, and a Python loop over time has no number of steps there. So
the recurrence is torch's ``scan``, or, for an ONNX graph, one node; step sizes, order and padding
are around it in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan
from torch.overrides import TorchFunctionMode

from fakemamba.models.scan import directional_scan, ssd_scan
from fakemamba.models.scan.convolution import causal_conv_silu
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs
from fakemamba.models.scan.reference import delayed, finish, orient, step_sizes, zero_beyond

RECURRENCE = "fakemamba::Recurrence"


Recurrence = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


class TracedScans(TorchFunctionMode):
    """While it is entered, scans can be traced, whatever backend they are for.

    Args:
        recurrence: what computes it, `by_scan` or `as_node`.
    """

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self._recurrence = recurrence

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """See torch."""
        kwargs = dict(kwargs or {})
        if func is causal_conv_silu:
            kwargs["backend"] = "torch"
        if func not in (directional_scan, ssd_scan):
            return func(*args, **kwargs)
        del kwargs["backend"]
        if func is directional_scan:
            return _selective(ScanInputs(*args, **kwargs), self._recurrence)
        return _ssd(SSDInputs(*args, **kwargs), self._recurrence)


def by_scan(
    state: Tensor, A: Tensor, steps: Tensor, drives: Tensor, B: Tensor, C: Tensor
) -> Tensor:
    """h ← exp(step · A) · h + drive · B and y = h · C, step by step.

    Args:
        state: h before the first step (..., channels, states).
        A: decays, broadcast to the state.
        steps: Δ (time, ..., 1), broadcast to the state.
        drives: (time, ..., channels, 1).
        B: (time, ..., 1, states).
        C: (time, ..., states, 1).

    Returns:
        y (time, ..., channels, 1).
    """

    def step(h: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        size, drive, b, c = given
        h = torch.exp(size * A) * h + drive * b
        return h, h @ c

    y: Tensor = scan(step, state, (steps, drives, B, C), dim=0)[1]
    return y


def as_node(
    state: Tensor, A: Tensor, steps: Tensor, drives: Tensor, B: Tensor, C: Tensor
) -> Tensor:
    """`by_scan` as a node that ONNX does not have, to be replaced; outputs are no numbers."""
    y: Tensor = torch.onnx.ops.symbolic(
        RECURRENCE, (state, A, steps, drives, B, C), dtype=drives.dtype, shape=drives.shape
    )
    return y


def _selective(inputs: ScanInputs, recurrence: Recurrence) -> Tensor:
    u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
    step = step_sizes(delta, delta_bias)  # (directions, batch, time, channels)
    ordered = (orient(one, reverse, lengths) for one in (step, step * u, B, C))
    step, drive, B, C = (one.movedim(2, 0) for one in ordered)  # time in front
    y = recurrence(
        u.new_zeros(*u.shape[:2], *A.shape[1:]),  # (directions, batch, channels, states)
        A[:, None],
        step[..., None],
        drive[..., None],
        B[..., None, :],
        C[..., None],
    )
    y = orient(y[..., 0].movedim(0, 2), reverse, lengths)
    return finish(y, u, D, z, lengths)


def _ssd(inputs: SSDInputs, recurrence: Recurrence) -> Tensor:
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    step = step_sizes(delta, delta_bias)  # (directions, batch, time, heads)
    drive = (step[..., None] * x).flatten(3)
    ordered = (orient(one, reverse, lengths) for one in (step, drive, B, C))
    step, drive, B, C = (one.movedim(2, 0) for one in ordered)
    y = recurrence(
        x.new_zeros(*x.shape[:2], *x.shape[3:], B.shape[-1]),  # (..., heads, channels, states)
        A[:, None, :, None, None],
        step[..., None, None],
        drive.unflatten(3, x.shape[3:])[..., None],
        B[..., None, None, :],
        C[..., None, :, None],
    )
    y = y[..., 0].flatten(3).movedim(0, 2)
    y = orient(delayed(y) if exclusive else y, reverse, lengths)
    return zero_beyond(y, lengths).unflatten(3, x.shape[3:])
