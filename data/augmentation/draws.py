"""Many random numbers at once: normal ones, and places of which none comes twice.

NumPy draws number by number; here they come from Philox 2x32-10, which makes each from its index
and a key alone (Salmon, Moraes, Dror, Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"),
so that numba makes vector instructions of the loops. A generator of NumPy gives nothing but the
key, of 64 bits. What is drawn depends on that alone, and in its last digits on the kind of CPU.
"""
# mypy: disable-error-code="untyped-decorator"
# numba's decorators have no types; the kernels under them do.

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from fakemamba.data.audio import Waveform

CHUNK = 2048  # numbers at a time: they stay in the cache
MULTIPLIER, STEP = np.uint64(0xD256D193), np.uint64(0x9E3779B9)  # of Philox
LOW_WORD, WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)

# float32 and int32 throughout, as anything wider halves the numbers that fit into a vector.
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
TO_UNIT, TO_SIGNED_UNIT = np.float32(2**-32), np.float32(2**-31)
LN_2, EIGHTH_TURN = np.float32(math.log(2)), np.float32(math.pi / 4)
MANTISSA_BITS, EXPONENT_BIAS, MANTISSA, EXPONENT_OF_ONE = (
    np.int32(x) for x in (23, 127, 0x007FFFFF, 0x3F800000)
)
WITHIN_QUARTER, ODD_QUARTER, NO_BITS = (np.int32(x) for x in (0x3FFFFFFF, 0x40000000, 0))
TO_QUARTER_TURN = np.float32(math.pi / 2 / 2**30)

# Taylor: atanh(s)/s for |s| <= 1/3 (error 2e-8), sine and cosine for |t| <= pi/4 (2e-9, 3e-8).
L3, L5, L7, L9, L11, L13 = (np.float32(1 / k) for k in (3, 5, 7, 9, 11, 13))
S3, S5, S7, S9 = (np.float32((-1) ** (k // 2) / math.factorial(k)) for k in (3, 5, 7, 9))
C4, C6, C8 = (np.float32((-1) ** (k // 2) / math.factorial(k)) for k in (4, 6, 8))


def standard_normal(rng: np.random.Generator, samples: int) -> Waveform:
    """Independent standard normal numbers (samples,) float32, by Box and Muller's method."""
    normal = np.empty(samples, np.float32)
    _fill_normal(_key(rng), normal)
    return normal


def places_and_products(
    rng: np.random.Generator, samples: int, count: int
) -> tuple[npt.NDArray[np.int64], Waveform]:
    """Some of all places, and for each of them the product of two numbers uniform in [-1, 1].

    Args:
        rng: where the key comes from.
        samples: how many places there are.
        count: how many are taken; each set of so many is as likely as any other.

    Returns:
        The places (count,), none of them twice, and the products (count,).
    """
    places, products = np.empty(count, np.int64), np.empty(count, np.float32)
    _fill_places(_key(rng), samples, places, products)
    return places, products


def _key(rng: np.random.Generator) -> np.uint64:
    return rng.integers(2**64, dtype=np.uint64)


@njit(inline="always")
def philox(index: np.uint64, key: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Two random words of 32 bits, each in a uint64, for an index and a key of 64 bits."""
    low, high = index & LOW_WORD, key >> WORD_BITS
    key = key & LOW_WORD
    for _ in range(10):
        product = low * MULTIPLIER
        low = (product >> WORD_BITS) ^ key ^ high
        high = product & LOW_WORD
        key = (key + STEP) & LOW_WORD
    return low, high


# Errors as NumPy has them, as a test for a division by zero would keep the loop from vectors.
@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _fill_normal(key: np.uint64, normal: Waveform) -> None:
    """Each pair of words makes a number in the first half of ``normal`` and one in the second."""
    half = (len(normal) + 1) // 2
    uniform, exponent = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    mantissa, turn = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.int32)
    one, other = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    bits, mantissa_bits = uniform.view(np.int32), mantissa.view(np.int32)
    for first in range(0, half, CHUNK):
        for i in range(CHUNK):
            radius_word, angle_word = philox(np.uint64(first + i), key)
            uniform[i] = (np.float32(radius_word) + HALF) * TO_UNIT  # in (0, 1]
            turn[i] = np.int32(np.uint32(angle_word))
        for i in range(CHUNK):  # mantissa in [1, 2)
            exponent[i] = np.float32((bits[i] >> MANTISSA_BITS) - EXPONENT_BIAS)
            mantissa_bits[i] = (bits[i] & MANTISSA) | EXPONENT_OF_ONE
        for i in range(CHUNK):
            s = (mantissa[i] - ONE) / (mantissa[i] + ONE)
            q = s * s
            series = L13
            series = series * q + L11
            series = series * q + L9
            series = series * q + L7
            series = series * q + L5
            series = series * q + L3
            series = series * q + ONE
            logarithm = exponent[i] * LN_2 + TWO * s * series
            radius = np.sqrt(max(ZERO, -TWO * logarithm))
            # 30 bits are the angle within a quarter turn, and two say which quarter it is.
            t = np.float32(turn[i] & WITHIN_QUARTER) * TO_QUARTER_TURN - EIGHTH_TURN
            w = t * t
            sine = (((S9 * w + S7) * w + S5) * w + S3) * w * t + t
            cosine = ((C8 * w + C6) * w + C4) * w * w - HALF * w + ONE
            odd = (turn[i] & ODD_QUARTER) != NO_BITS
            signed = -radius if turn[i] < NO_BITS else radius
            one[i] = signed * (-sine if odd else cosine)
            other[i] = signed * (cosine if odd else sine)
        count = min(CHUNK, half - first)
        normal[first : first + count] = one[:count]
        count = min(count, len(normal) - half - first)
        normal[half + first : half + first + count] = other[:count]


@njit(cache=True, nogil=True)
def _fill_places(
    key: np.uint64, samples: int, places: npt.NDArray[np.int64], products: Waveform
) -> None:
    """Places by Floyd's method: draw among one more of all at each step; if taken, take the new.

    Bentley and Floyd 1987, "A sample of brilliance". Its time does not depend on how many are left.
    """
    count = len(places)
    for i in range(count):
        word, _ = philox(np.uint64(2 * i), key)
        among = np.uint64(samples - count + i + 1)
        places[i] = np.int64((word * among) >> WORD_BITS)
        word, another = philox(np.uint64(2 * i + 1), key)
        products[i] = (
            np.float32(np.int32(np.uint32(word)))
            * np.float32(np.int32(np.uint32(another)))
            * (TO_SIGNED_UNIT * TO_SIGNED_UNIT)
        )
    taken = np.zeros(samples, np.bool_)
    for i in range(count):
        if taken[places[i]]:
            places[i] = samples - count + i
        taken[places[i]] = True
