"""The Triton kernels that `auto` uses, each with small cases of what it computes, by torch too.

A kernel is a line in ``KERNELS``. Its cases have ragged rows, both directions, and sizes that leave
the last tile and the last block of channels partly empty, with what is compiled in as detectors
have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fakemamba.models.execution import fused_norm
from fakemamba.models.masking import frame_mask
from fakemamba.models.scan import directional_scan, ssd_scan, triton_scan, triton_ssd
from fakemamba.models.scan.convolution import causal_conv_silu

NUM_STATES, TAPS = 16, 4
SSD_CHANNELS, SSD_STATES = 64, 64
# Largest ‖kernel - torch‖ / ‖torch‖; rounding alone gives less than a third of it.
BOUNDS = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 1e-2}


@dataclass(frozen=True)
class Case:
    """One call of a kernel, and what it has to give.

    Attributes:
        what: it is, for people.
        inputs: on the CPU, by name.
        by_kernel: takes the inputs on the device, and gives outputs.
        by_torch: takes them on the CPU in float64, and gives as many.
        has_gradients: those of the inputs are compared, too.
    """

    what: str
    inputs: dict[str, Tensor]
    by_kernel: Callable[..., Sequence[Tensor]]
    by_torch: Callable[..., Sequence[Tensor]]
    has_gradients: bool = False


@dataclass(frozen=True)
class Kernel:
    """What `auto` may use instead of torch.

    Attributes:
        cases: of a floating dtype.
        sources: files below ``models/`` that it is in; when one changes, it is checked again.
        bounds: of the relative difference, by dtype.
    """

    cases: Callable[[torch.dtype], Iterator[Case]]
    sources: tuple[str, ...]
    bounds: dict[torch.dtype, float] = field(default_factory=lambda: BOUNDS)


def _selective_scan(dtype: torch.dtype) -> Iterator[Case]:
    normal = _Draw(dtype)
    frames = triton_scan.TILE_FRAMES * triton_scan.JOINED_TILES + triton_scan.TILE_FRAMES // 2
    channels = triton_scan.BLOCK_CHANNELS + 1
    lengths = torch.tensor([frames, frames // 2 + 1, 1])
    both: dict[str, Any] = {"reverse": (False, True), "lengths": lengths}
    own = frame_mask(lengths, frames)
    size = (2, len(lengths), frames)
    inputs = {
        "u": normal(*size, channels),
        "delta": normal(*size, channels) - 2,
        "A": -8 * torch.sigmoid(normal(2, channels, NUM_STATES).float()),
        "B": normal(*size, NUM_STATES),
        "C": normal(*size, NUM_STATES),
        "D": normal(2, channels).float(),
        "z": normal(*size, channels),
        "delta_bias": normal(2, channels).float(),
    }

    def scan(backend: str, **inputs: Any) -> Sequence[Tensor]:
        return (directional_scan(**inputs, **both, backend=backend),)  # zero in the padding

    def convolution(backend: str, **inputs: Any) -> Sequence[Tensor]:
        y = causal_conv_silu(**inputs, **both, backend=backend)
        return (y[:, own.to(y.device)],)

    yield Case("the scan", inputs, partial(scan, "triton"), partial(scan, "torch"), True)
    inputs = {
        "x": normal(1, *size[1:], channels),
        "weight": normal(2, channels, TAPS),
        "bias": normal(2, channels),
    }
    by_kernel, by_torch = (partial(convolution, backend) for backend in ("triton", "torch"))
    yield Case("the convolution", inputs, by_kernel, by_torch)


def _ssd_scan(dtype: torch.dtype) -> Iterator[Case]:
    normal = _Draw(dtype)
    frames = 2 * triton_ssd.CHUNK_FRAMES + triton_ssd.CHUNK_FRAMES // 2
    lengths = torch.tensor([frames, frames // 2 + 1, 1])
    size = (2, len(lengths), frames)
    inputs = {
        "x": normal(*size, 2, SSD_CHANNELS),
        "delta": normal(*size, 2) - 2,
        "A": -8 * torch.sigmoid(normal(2, 2).float()),
        "B": normal(*size, SSD_STATES),
        "C": normal(*size, SSD_STATES),
        "delta_bias": normal(2, 2).float(),
    }

    def scan(backend: str, exclusive: bool, **inputs: Any) -> Sequence[Tensor]:
        own = lengths.to(inputs["x"].device)
        return (ssd_scan(**inputs, exclusive=exclusive, lengths=own, backend=backend),)

    for what, exclusive in (("the SSD scan", False), ("the SSD scan, one frame late", True)):
        by_kernel, by_torch = (partial(scan, name, exclusive) for name in ("triton", "torch"))
        yield Case(what, inputs, by_kernel, by_torch, has_gradients=True)


def _fused_norm(dtype: torch.dtype) -> Iterator[Case]:
    normal = _Draw(dtype)
    # Of a front-end's convolutions; of XLS-R's blocks with 300 million parameters, with 1 billion.
    for columns, is_first in ((512, True), (1024, False), (1280, False)):
        inputs = {
            "x": 3 * normal(2, 3, columns) + 1,
            **({} if is_first else {"residual": normal(2, 3, columns).float()}),
            "shift": normal(columns).float(),
            "weight": normal(columns).float(),
            "bias": normal(columns).float(),
        }
        how: dict[str, Any] = {"eps": 1e-5, "gelu": is_first}
        by_kernel = partial(_norm, fused_norm.by_kernel, dtype=dtype, **how)
        by_torch = partial(_norm, fused_norm.norm_of_sum, dtype=torch.float32, **how)
        yield Case(f"the norm of {columns} columns", inputs, by_kernel, by_torch)


def _norm(function: Callable[..., tuple[Tensor, Tensor]], **given: Any) -> Sequence[Tensor]:
    """Outputs of a norm, which computes in fp32 in torch too; the sum only where there is one."""
    if given["x"].dtype == torch.float64:
        given = {k: v.float() if isinstance(v, Tensor) else v for k, v in given.items()}
    total, normed = function(**{"residual": None} | given)
    return (normed,) if "residual" not in given else (total, normed)


class _Draw:
    """The same normal numbers of a dtype in every process."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._generator, self._dtype = torch.Generator().manual_seed(0), dtype

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator).to(self._dtype)


KERNELS = {
    "selective-scan": Kernel(
        _selective_scan,
        ("scan/triton_kernels.py", "scan/triton_scan.py", "scan/convolution.py"),
    ),
    "ssd-scan": Kernel(
        _ssd_scan,
        (
            *("scan/triton_ssd_kernels.py", "scan/triton_ssd.py", "scan/triton_kernels.py"),
            *("scan/triton_scan.py", "scan/ssd_chunked.py"),
        ),
    ),
    "fused-norm": Kernel(_fused_norm, ("execution/norm_kernel.py", "execution/fused_norm.py")),
}
