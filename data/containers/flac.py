"""FLAC: STREAMINFO counts the samples and has the MD5 of all of them (RFC 9639)."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fakemamba.data.containers.container import Container, read_at
from fakemamba.data.containers.frames import skip_tags

MAX_BLOCKS = 10_000  # of metadata
FRAME_RATES_HZ = dict(
    enumerate(
        (
            *(88_200, 176_400, 192_000, 8_000, 16_000, 22_050),
            *(24_000, 32_000, 44_100, 48_000, 96_000),
        ),
        start=1,
    )
)


def flac(file: BinaryIO, size: int) -> Container:
    """Native FLAC; a count or an MD5 of zero is unknown."""
    start = skip_tags(read_at(file, 0, min(size, 1 << 24)))
    info = read_at(file, start + 8, 34)
    if len(info) < 34:
        return Container("FLAC", "flac", use_sndfile=True, fault="it ends in its header")
    packed = int.from_bytes(info[10:18])
    fault = None
    rate_hz, bits, count = packed >> 44, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    has_md5 = any(info[18:34])
    frames_hz = _frames_rate_hz(file, start + 4)
    if frames_hz not in (None, rate_hz):
        fault = f"its rate is {rate_hz} Hz, but that of its frames {frames_hz} Hz"
    return Container(
        "FLAC",
        "flac",
        use_sndfile=has_md5 or not count,  # without it, libsndfile may stop before the end
        fault=fault,
        stated_s=count / rate_hz if count and rate_hz else None,
        stated_samples=count or None,
        md5=info[18:34] if has_md5 else None,
        bits=bits,
    )


def _frames_rate_hz(file: BinaryIO, at: int) -> int | None:
    """The rate by the first frame, as STREAMINFO has no checksum; None if it does not say."""
    for _ in range(MAX_BLOCKS):
        head = read_at(file, at, 4)
        at += 4 + int.from_bytes(head[1:])
        if not head or head[0] & 0x80:
            break
    head = read_at(file, at, 16)
    if len(head) < 16 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 15
    after = 4 + max(1, 8 - (~head[4] & 0xFF).bit_length())  # the frame's number, as UTF-8 has it
    after += {6: 1, 7: 2}.get(block_code, 0)
    if rate_code == 12:
        return 1_000 * head[after]
    if rate_code in (13, 14):
        return (1 if rate_code == 13 else 10) * int.from_bytes(head[after : after + 2])
    return FRAME_RATES_HZ.get(rate_code)


def add_samples(digest: hashlib._Hash, samples: npt.NDArray[Any], bits: int) -> None:
    """Add integers (samples, channels), whose highest bits are those of FLAC, to its MD5."""
    width, used = samples.dtype.itemsize, -(-bits // 8)
    if bits < 8 * used:
        samples = samples >> (8 * used - bits)
    low_first = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<"))
    if used < width:  # the highest of its bytes
        low_first = np.ndarray(samples.size, f"V{used}", low_first, width - used, (width,))
    digest.update(low_first.tobytes())
