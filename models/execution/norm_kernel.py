"""LayerNorm as a Triton kernel, with the sum in front of it and the GELU behind it.

A program has one row, which stays in registers: what would be up to five passes over memory (bias,
residual sum, norm, GELU, rounding to half precision) is one.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def norm_rows(
    x_ptr,
    shift_ptr,
    residual_ptr,
    weight_ptr,
    bias_ptr,
    sum_ptr,
    normed_ptr,
    columns,
    eps,
    SHIFTED: tl.constexpr,
    SUMMED: tl.constexpr,
    GELU: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One row of (rows, columns): normed = norm(x + shift + residual), and that sum in fp32."""
    first = tl.program_id(0).to(tl.int64) * columns
    c = tl.arange(0, BLOCK)
    inside = c < columns
    total = tl.load(x_ptr + first + c, mask=inside, other=0.0).to(tl.float32)
    if SHIFTED:
        total += tl.load(shift_ptr + c, mask=inside, other=0.0).to(tl.float32)
    if SUMMED:
        total += tl.load(residual_ptr + first + c, mask=inside, other=0.0).to(tl.float32)
        tl.store(sum_ptr + first + c, total, mask=inside)
    mean = tl.sum(total, 0) / columns
    centred = tl.where(inside, total - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, 0) / columns + eps)
    weight = tl.load(weight_ptr + c, mask=inside, other=0.0)
    normed = centred * scale * weight + tl.load(bias_ptr + c, mask=inside, other=0.0)
    if GELU:
        normed = 0.5 * normed * (1.0 + tl.erf(normed * 0.7071067811865476))
    tl.store(normed_ptr + first + c, normed.to(normed_ptr.dtype.element_ty), mask=inside)
