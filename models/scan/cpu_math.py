"""exp2, softplus and sigmoid in fp32 that LLVM can vectorise, for kernels compiled by numba.

numba's own exp calls the C library once for each element. These are branch-free polynomials, right
to a few units in the last place, so that a loop over channels becomes vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LOG2_E = np.float32(math.log2(math.e))
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
EXP2_MIN, EXP2_MAX = np.float32(-126), np.float32(127)  # normal numbers on both ends
EXPONENT_BIAS, MANTISSA_BITS = np.int32(127), np.int32(23)

# Taylor: 2^f for |f| <= 1/2 (error 5e-9), and atanh(s)/s for s <= 1/3 (error 2e-8).
E1, E2, E3, E4, E5, E6, E7 = (np.float32(math.log(2) ** k / math.factorial(k)) for k in range(1, 8))
L3, L5, L7, L9, L11, L13 = (np.float32(1 / k) for k in (3, 5, 7, 9, 11, 13))

# All but "no NaN, no infinity": a broken input has to stay visible in the output.
FAST = {"contract", "reassoc", "nsz", "arcp"}


@intrinsic
def _bits_as_float(typing_context, bits):
    def code(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), code


@njit(inline="always", fastmath=FAST)
def exp2(x):
    """2^x, held within 2^-126 and 2^127."""
    x = min(max(x, EXP2_MIN), EXP2_MAX)
    whole = np.floor(x + HALF)
    f = x - whole
    power = E7
    power = power * f + E6
    power = power * f + E5
    power = power * f + E4
    power = power * f + E3
    power = power * f + E2
    power = power * f + E1
    power = power * f + ONE
    return power * _bits_as_float((np.int32(whole) + EXPONENT_BIAS) << MANTISSA_BITS)


@njit(inline="always", fastmath=FAST)
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return ONE / (ONE + exp2(-x * LOG2_E))


@njit(inline="always", fastmath=FAST)
def softplus(x):
    """log(1 + e^x), right in relative terms also where it is tiny."""
    small = exp2(-abs(x) * LOG2_E)
    s = small / (TWO + small)
    q = s * s
    series = L13
    series = series * q + L11
    series = series * q + L9
    series = series * q + L7
    series = series * q + L5
    series = series * q + L3
    series = series * q + ONE
    return max(x, ZERO) + TWO * s * series
