"""Adapter to mamba-ssm's own CUDA scan, where that is installed and built."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from fakemamba.models.masking import frame_mask
from fakemamba.models.scan.inputs import ScanInputs
from fakemamba.models.scan.reference import orient


@cache
def _load() -> tuple[Callable[..., Tensor] | None, str | None]:
    """mamba-ssm's selective_scan_fn, or why there is none."""
    if not torch.cuda.is_available():
        return None, "mamba-ssm's kernels need a CUDA GPU"
    try:
        import selective_scan_cuda  # type: ignore[import-not-found]  # noqa: F401
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError as error:
        return None, (
            f"{error}; build it with MAMBA_KEEP_CUDA_BUILD=TRUE MAMBA_FORCE_BUILD=TRUE pip install "
            "--no-build-isolation 'fakemamba[mamba]' (needs nvcc)"
        )
    return selective_scan_fn, None


def unavailable() -> str | None:
    """Why this backend cannot run here, or None."""
    return _load()[1]


def scan(inputs: ScanInputs) -> Tensor:
    """See `fakemamba.models.scan.directional_scan`: one call a direction, reversed by flipping."""
    u, delta, A, B, C, D, z, delta_bias, reverse, lengths = inputs
    kernel, _ = _load()
    assert kernel is not None
    ordered = [orient(x, reverse, lengths) for x in (u, delta, B, C)]
    gate = None if z is None else orient(z, reverse, lengths)
    outputs = [
        kernel(
            *(ordered[k][g].transpose(1, 2).contiguous() for k in (0, 1)),
            A[g].float(),
            *(ordered[k][g].transpose(1, 2).contiguous() for k in (2, 3)),
            None if D is None else D[g].float(),
            None if gate is None else gate[g].transpose(1, 2).contiguous(),
            None if delta_bias is None else delta_bias[g].float(),
            delta_softplus=True,
        ).transpose(1, 2)
        for g in range(len(reverse))
    ]
    y = orient(torch.stack(outputs), reverse, lengths)
    if lengths is not None:
        y = y.masked_fill(~frame_mask(lengths, y.shape[2])[..., None], 0.0)
    return y
