"""Adapter to mamba-ssm's own kernels, where they are installed and built.

There are three: either scan alone, and, where causal-conv1d is built too, the whole mixer of
Mamba-1 in one function, which is what ``mamba_ssm.Mamba`` runs. All know one direction and equal
lengths, so a reversed direction is flipped, each utterance by its own length, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fakemamba.models.masking import flip_frames, zero_padding
from fakemamba.models.scan.inputs import ScanInputs, SSDInputs
from fakemamba.models.scan.reference import delayed, orient, zero_beyond

SSD_CHUNK_FRAMES = 64


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


@cache
def _load_fused() -> Callable[..., Tensor] | None:
    """mamba-ssm's mamba_inner_fn, where the convolution that it needs is built."""
    if unavailable() is not None:
        return None
    try:
        import causal_conv1d_cuda  # type: ignore[import-not-found]  # noqa: F401
        from mamba_ssm.ops.selective_scan_interface import mamba_inner_fn
    except ImportError:
        return None
    return mamba_inner_fn


@cache
def _load_ssd() -> Callable[..., Tensor]:
    """mamba-ssm's mamba_chunk_scan_combined, which is written in Triton."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    combined: Callable[..., Tensor] = mamba_chunk_scan_combined
    return combined


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
    return zero_beyond(orient(torch.stack(outputs), reverse, lengths), lengths)


def ssd_scan(inputs: SSDInputs) -> Tensor:
    """See `fakemamba.models.scan.ssd_scan`: one call a direction, reversed by flipping."""
    x, delta, A, B, C, delta_bias, reverse, exclusive, lengths = inputs
    kernel = _load_ssd()
    heads = x.shape[3:]
    # Frames are padded to whole chunks by the kernel, but not those of another's length.
    ordered = [
        orient(zero_beyond(frames, lengths), reverse, lengths)
        for frames in (x.flatten(3), delta, B, C)
    ]
    outputs = [
        kernel(
            ordered[0][g].unflatten(2, heads),
            ordered[1][g],
            A[g].float(),
            *(ordered[k][g][:, :, None] for k in (2, 3)),  # one group of states
            chunk_size=SSD_CHUNK_FRAMES,
            dt_bias=None if delta_bias is None else delta_bias[g].float(),
            dt_softplus=True,
        ).flatten(2)
        for g in range(len(reverse))
    ]
    y = torch.stack(outputs)
    y = orient(delayed(y) if exclusive else y, reverse, lengths)
    return zero_beyond(y, lengths).unflatten(3, heads)


def has_fused_mixer() -> bool:
    """Whether `mix_fused` can run here."""
    return _load_fused() is not None


def mix_fused(
    mambas: Sequence[Any], reverse: tuple[bool, ...], frames: Tensor, lengths: Tensor | None
) -> Tensor:
    """Convolution, projections, scan and gate in mamba-ssm's one function, a call a direction.

    See `fakemamba.models.mamba.mix`; (directions, batch, time, width), not added.
    """
    kernel = _load_fused()
    assert kernel is not None
    outputs = []
    for g, is_reversed in enumerate(reverse):
        mamba, given = mambas[g % len(mambas)], frames[g % len(frames)]
        given = flip_frames(given, lengths) if is_reversed else given
        xz = mamba.in_proj(given).transpose(1, 2)  # (B, 2 channels, T)
        y = kernel(
            xz,
            mamba.conv1d.weight,
            mamba.conv1d.bias,
            mamba.x_proj.weight,
            mamba.dt_proj.weight,
            mamba.out_proj.weight,
            None,
            -torch.exp(mamba.A_log.float()),
            None,
            None,
            mamba.D.float(),
            delta_bias=mamba.dt_proj.bias.float(),
            delta_softplus=True,
        )  # (B, T, width)
        outputs.append(zero_padding(flip_frames(y, lengths) if is_reversed else y, lengths))
    return torch.stack(outputs)
