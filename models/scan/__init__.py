"""The selective scan of Mamba-1: one function, and the backends that compute it.

A backend is a function with the signature of `reference.scan`; adding one is a file beside this one
and a line in ``BACKENDS``.
"""

from __future__ import annotations

from collections.abc import Callable

from fakemamba.models.scan import chunked, reference
from torch import Tensor

BACKENDS: dict[str, Callable[..., Tensor]] = {
    "reference": reference.scan,
    "torch": chunked.scan,
}


def resolve_backend(name: str) -> str:
    """The backend that ``name`` stands for: ``auto`` is the fastest that runs everywhere.

    Raises:
        ValueError: no backend has this name.
    """
    if name == "auto":
        return "torch"
    if name not in BACKENDS:
        raise ValueError(
            f"unknown scan backend {name!r}; there are auto, {', '.join(sorted(BACKENDS))}"
        )
    return name


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
    backend: str = "auto",
) -> Tensor:
    """Mamba-1's recurrence over time (Gu and Dao 2023, algorithm 2), gated.

    With step sizes Δ = softplus(delta + delta_bias) and h_0 = 0, for each channel e and state n::

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
        backend: ``auto`` or one of ``BACKENDS``.

    Returns:
        (batch, time, channels) in the dtype of ``u``; the scan itself runs in fp32 or wider.
    """
    return BACKENDS[resolve_backend(backend)](u, delta, A, B, C, D, z, delta_bias)
