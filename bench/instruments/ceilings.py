"""What a device can do at best, measured on the spot: memory bandwidth and matrix products.

Data sheets give neither for the clock, power limit and number of cores that a machine really has.
Both are medians of a few repeats.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from fakemamba.bench.instruments.clock import time_once
from fakemamba.models.execution.modes import check_setting, quantised, running_in

REPEATS = 5
# Source and target together are some times larger than any last-level cache of their kind.
COPY_BYTES = {"cpu": 1 << 28, "cuda": 1 << 30}
SMALLEST_PRODUCT = 256
LARGEST_PRODUCT = {"cpu": 2048, "cuda": 8192}
LONG_ENOUGH_S = 0.05  # by then a product is at full speed, and starting threads is forgotten
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,  # of activations, before they are quantised
}


@dataclass(frozen=True)
class Ceilings:
    """The best that a device gave: bytes read and written by a copy, flops of a matrix product."""

    copy_bytes_per_s: float
    matmul_flops_per_s: float
    precision: str
    device: str


def measure_ceilings(device: torch.device, precision: str) -> Ceilings:
    """Copy much and multiply large matrices, the way that cells in this precision do.

    Args:
        device: a CPU, where it takes a second or two, or a GPU.
        precision: fp32, tf32, bf16, fp16 or int8 (see `fakemamba.models.execution.modes`).

    Raises:
        UnsupportedSettingError: the device has no such precision.
    """
    check_setting(device, precision, "eager")
    with torch.inference_mode(), running_in(device, precision, "sdpa"):
        return Ceilings(
            copy_bytes_per_s=_measure_copy(device),
            matmul_flops_per_s=_measure_matmul(device, precision),
            precision=precision,
            device=str(device),
        )


def _measure_copy(device: torch.device) -> float:
    source = torch.ones(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)  # touched, or its pages would be made while it is timed
    target.copy_(source)
    return 2 * source.nbytes / _median_s(lambda: target.copy_(source), device)


def _measure_matmul(device: torch.device, precision: str) -> float:
    """Products of doubled size until one is long enough: fp16 on a CPU can be 1000 times slower."""
    size = SMALLEST_PRODUCT
    while True:
        multiply = _product(size, device, precision)
        multiply()
        latency_s = time_once(multiply, device)
        if latency_s >= LONG_ENOUGH_S or size >= LARGEST_PRODUCT[device.type]:
            return 2 * size**3 / _median_s(multiply, device)
        size *= 2


def _product(size: int, device: torch.device, precision: str) -> Callable[[], object]:
    left, right = torch.randn(2, size, size, dtype=DTYPES[precision], device=device)
    if precision == "int8":
        layer = quantised(nn.Sequential(nn.Linear(size, size, bias=False)))
        return lambda: layer(left)
    return lambda: left @ right


def _median_s(call: Callable[[], object], device: torch.device) -> float:
    return statistics.median(time_once(call, device) for _ in range(REPEATS))
