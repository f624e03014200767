"""Matroska and WebM: elements with sizes, some with checksums, and the duration of the whole."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from fakemamba.data.containers.container import Container, cut, read_at

SEGMENT, CLUSTER, INFO, TRACKS = 0x18538067, 0x1F43B675, 0x1549A966, 0x1654AE6B
CRC_32, TIMESTAMP_SCALE, DURATION = 0xBF, 0x2AD7B1, 0x4489
TOP = {CLUSTER, INFO, TRACKS, 0x114D9B74, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
# What else there is outside of them, and in a cluster.
OTHERS = {0x1A45DFA3, SEGMENT, CRC_32, 0xEC, 0xE7, 0xA3, 0xA0, 0xAB, 0xA7, 0xAF, 0x5854}


def matroska(file: BinaryIO, size: int) -> Container:
    """Audio in Matroska or WebM."""
    at, fault, stated_s = 0, None, None
    while at < size and fault is None:
        head = _element(file, at)
        if head is None or head[0] not in TOP | OTHERS:
            fault = f"from byte {at:,} on it is damaged"
            break
        name, start, length = head
        if length is None or name in (SEGMENT, CLUSTER):
            if length is not None and start + length > size:
                fault = cut(start + length - size)
            elif name == CLUSTER and length is not None:
                fault = _checked(file, start, length)
            at = start  # into it
            continue
        if start + length > size:
            fault = cut(start + length - size)
        elif name == TRACKS:  # what is only told of the audio may be changed, as its title
            fault = _checked(file, start, length)
        elif name == INFO:
            stated_s = _duration_s(file, start, length)
        at = start + length
    return Container("Matroska", "matroska", stated_s=stated_s, fault=fault)


def _element(file: BinaryIO, at: int) -> tuple[int, int, int | None] | None:
    """The name of the element at a byte, where its content begins, and its bytes, if they are told.

    None where there is no element.
    """
    head = read_at(file, at, 12)
    if not head or head[0] < 0x10:
        return None
    name_bytes = 9 - head[0].bit_length()
    if len(head) <= name_bytes or head[name_bytes] == 0:
        return None
    size_bytes = 9 - head[name_bytes].bit_length()
    digits = head[name_bytes : name_bytes + size_bytes]
    if len(digits) < size_bytes:
        return None
    length = int.from_bytes(digits) & (1 << 7 * size_bytes) - 1
    known = length if length != (1 << 7 * size_bytes) - 1 else None
    return int.from_bytes(head[:name_bytes]), at + name_bytes + size_bytes, known


def _checked(file: BinaryIO, start: int, length: int) -> str | None:
    """What is wrong with an element by the checksum that it may begin with."""
    content = read_at(file, start, length)
    if content[:2] != bytes((CRC_32, 0x84)):
        return None
    if zlib.crc32(content[6:]) == int.from_bytes(content[2:6], "little"):
        return None
    return f"the checksum of its element at byte {start:,} is wrong"


def _duration_s(file: BinaryIO, start: int, length: int) -> float | None:
    at, scale_ns, duration = start, 1_000_000, None
    while at < start + length:
        head = _element(file, at)
        if head is None or head[2] is None:
            break
        name, content_at, size = head[0], head[1], head[2] or 0
        content = read_at(file, content_at, min(size, 8))
        if name == TIMESTAMP_SCALE:
            scale_ns = int.from_bytes(content)
        elif name == DURATION and len(content) in (4, 8):
            (duration,) = struct.unpack(">f" if len(content) == 4 else ">d", content)
        at = content_at + size
    return None if duration is None else duration * scale_ns / 1e9
