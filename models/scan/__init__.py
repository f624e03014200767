"""The scans of Mamba-1 (selective) and Mamba-2 (SSD), each in one or more directions, by backends.

A backend is a module with ``scan``, which takes `ScanInputs`, and ``unavailable()``, which says why
it cannot run here, or None; and a function of `SSDInputs`. Adding one is a file beside this one and
a line in ``BACKENDS`` and in ``SSD_SCANS``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from fakemamba.models.device import without_autocast
from fakemamba.models.scan import (
    chunked,
    cpu,
    official,
    reference,
    ssd_chunked,
    triton_scan,
    triton_ssd,
)
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs
from fakemamba.models.trust import is_trusted

BACKENDS: dict[str, ModuleType] = {
    "reference": reference,
    "torch": chunked,
    "cpu": cpu,
    "triton": triton_scan,
    "mamba-ssm": official,
}
SSD_SCANS: dict[str, Callable[[SSDInputs], Tensor]] = {
    "reference": reference.ssd_scan,
    "torch": ssd_chunked.scan,
    "cpu": cpu.ssd_scan,
    "triton": triton_ssd.scan,
    "mamba-ssm": official.ssd_scan,
}


class BackendUnavailableError(ValueError):
    """A scan backend cannot run on this machine; the message says why."""


def unavailable_backends() -> dict[str, str]:
    """The backends that cannot run here, each with the reason."""
    reasons = {name: module.unavailable() for name, module in BACKENDS.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def check_backend(name: str) -> str:
    """The name itself, if it is ``auto`` or a backend that can run here.

    Raises:
        ValueError: no backend has this name.
        BackendUnavailableError: it has one, but not on this machine.
    """
    if name != "auto" and name not in BACKENDS:
        raise ValueError(f"unknown scan backend {name!r}; there are auto, {', '.join(BACKENDS)}")
    reason = None if name == "auto" else BACKENDS[name].unavailable()
    if reason is not None:
        raise BackendUnavailableError(f"scan backend {name!r} cannot run here: {reason}")
    return name


def resolve_backend(
    name: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    *,
    scan: str = "selective-scan",
) -> str:
    """The backend that will run: ``auto`` is the fastest that there is for a device and dtype.

    ``scan`` is ``selective-scan`` or ``ssd-scan``.

    Kernels for GPUs are compared with torch before ``auto`` first uses them there, see
    `fakemamba.models.trust`.

    Raises: see `check_backend`.
    """
    if check_backend(name) != "auto":
        return name
    if device.type == "cuda" and dtype != torch.float64 and triton_scan.unavailable() is None:
        return "triton" if is_trusted(scan, device) else "torch"
    if device.type == "cpu" and dtype != torch.float64 and cpu.unavailable() is None:
        return "cpu"
    return "torch"


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    *,
    reverse: bool = False,
    lengths: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Mamba-1's recurrence over time (Gu and Dao 2023, algorithm 2), gated.

    With step sizes Δ = softplus(delta + delta_bias) and h = 0 before the first frame, for each
    channel e and state n::

        h_t = exp(Δ_t A) h_{t-1} + Δ_t B_t u_t
        y_t = Σ_n C_t h_t + D u_t,      returned as y_t · SiLU(z_t) where z is given

    Args:
        u: inputs (batch, time, channels).
        delta: step sizes before bias and softplus (batch, time, channels).
        A: continuous-time decay (channels, states), negative.
        B: input projection (batch, time, states), shared by all channels.
        C: output projection (batch, time, states).
        D: skip (channels,).
        z: gate before SiLU (batch, time, channels).
        delta_bias: (channels,).
        reverse: run from each utterance's last frame to its first.
        lengths: frames of each utterance (batch,); outputs beyond them are zero.
        backend: ``auto`` or one of ``BACKENDS``.

    Returns:
        (batch, time, channels) in the dtype of ``u``; the scan itself runs in fp32 or wider.
    """
    y = directional_scan(
        u[None],
        delta[None],
        A[None],
        B[None],
        C[None],
        None if D is None else D[None],
        None if z is None else z[None],
        None if delta_bias is None else delta_bias[None],
        reverse=(reverse,),
        lengths=lengths,
        backend=backend,
    )
    return y[0]


def directional_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    *,
    reverse: tuple[bool, ...] = (False, True),
    lengths: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Several scans at once, by default one in each direction, without flipping anything.

    Every argument of `selective_scan` gets a leading dimension, one entry a direction; directions
    that share an argument may be given an expanded view. All frames stay in their original order.

    A ``TorchFunctionMode`` sees this function as one operation, whatever computes it.

    Returns:
        (directions, batch, time, channels).
    """
    tensors = (u, delta, A, B, C, D, z, delta_bias)
    if has_torch_function(tensors):
        return handle_torch_function(
            directional_scan, tensors, *tensors, reverse=reverse, lengths=lengths, backend=backend
        )
    name = resolve_backend(backend, u.device, u.dtype)
    inputs = ScanInputs(u, delta, A, B, C, D, z, delta_bias, reverse, lengths)
    with without_autocast(u.device):
        y: Tensor = BACKENDS[name].scan(inputs)
    return y


def ssd_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    delta_bias: Tensor | None = None,
    *,
    reverse: tuple[bool, ...] = (False, True),
    exclusive: bool = False,
    lengths: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """Mamba-2's recurrence over time (Dao and Gu 2024), several scans at once.

    A head's channels share one step size and one decay. With Δ = softplus(delta + delta_bias) and
    h = 0 before the first frame, for each head, channel p and state n::

        h_t = exp(Δ_t A) h_{t-1} + Δ_t x_t B_t          y_t = Σ_n C_t h_t

    As in `directional_scan`, nothing is flipped, directions that share an argument may be given an
    expanded view, and a ``TorchFunctionMode`` sees this function as one operation.

    Args:
        x: inputs (directions, batch, time, heads, channels).
        delta: step sizes before bias and softplus (directions, batch, time, heads).
        A: continuous-time decay (directions, heads), negative.
        B: input projection (directions, batch, time, states), shared by all heads.
        C: output projection (directions, batch, time, states).
        delta_bias: (directions, heads).
        reverse: for each direction, whether it runs from each utterance's last frame to its first.
        exclusive: outputs come one frame later in their direction: y_{t-1} in place of y_t, and
            zero at the first frame, so that no frame sees itself (Hydra, Hwang et al. 2024).
        lengths: frames of each utterance (batch,); outputs beyond them are zero.
        backend: ``auto`` or one of ``BACKENDS``.

    Returns:
        (directions, batch, time, heads, channels) in the dtype of ``x``; the scan itself runs in
        fp32 or wider.
    """
    tensors = (x, delta, A, B, C, delta_bias)
    if has_torch_function(tensors):
        return handle_torch_function(
            ssd_scan,
            tensors,
            *tensors,
            reverse=reverse,
            exclusive=exclusive,
            lengths=lengths,
            backend=backend,
        )
    name = resolve_backend(backend, x.device, x.dtype, scan="ssd-scan")
    inputs = SSDInputs(x, delta, A, B, C, delta_bias, reverse, exclusive, lengths)
    with without_autocast(x.device):
        return SSD_SCANS[name](inputs)
