"""Containers of chunks that say how many bytes they have: WAV, W64, AIFF, CAF, AU, NIST, WMA.

A chunk that is longer than the file was cut. Samples behind the last chunk are those that a header
does not count.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fakemamba.data.containers.container import (
    Container,
    UnknownContentError,
    cut,
    is_blank,
    read_at,
)

UNKNOWN_32 = 0xFFFFFFFF
# What writers to a pipe put for a length that they do not know, besides 0: the largest number
# (FFmpeg), or the largest positive one less some room for headers (SoX, eSpeak, GStreamer).
PIPED_SIZES = range(0x7FFF0000, 0x80000000), range(0xFFFF0000, 0x100000000)
METADATA = (
    *(b"LIST", b"INFO", b"id3 ", b"ID3 ", b"cue ", b"smpl", b"inst", b"plst", b"labl", b"adtl"),
    *(b"bext", b"iXML", b"axml", b"chna", b"cart", b"_PMX", b"PEAK", b"fact", b"JUNK", b"junk"),
    *(b"PAD ", b"FLLR", b"afsp", b"DISP", b"acid", b"strc", b"levl", b"umid", b"SAUR", b"minf"),
    *(b"elm1", b"regn", b"MARK", b"COMT", b"NAME", b"AUTH", b"ANNO", b"(c) ", b"APPL", b"MIDI"),
)
TAGS = b"TAG", b"ID3", b"APETAGEX"
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MAX_CHUNKS = 100_000
PCM, EXTENSIBLE = {1, 3, 6, 7}, 0xFFFE  # of WAV: integers, floats, A-law and mu-law


@dataclass(frozen=True)
class Chunk:
    """``start`` and ``size`` are of the content, in bytes."""

    name: bytes
    start: int
    size: int


def wav(file: BinaryIO, size: int) -> Container:
    """RIFF, RIFX or RF64; also an AVI, whose lists are chunks."""
    head = read_at(file, 0, 12)
    if head[8:12] == b"AVI ":
        first = next(_chunks(file, 0, size, "<"))
        fault = cut(first.start + first.size - size) if first.start + first.size > size else None
        return Container("AVI", "avi", fault=fault)
    order = ">" if head[:4] == b"RIFX" else "<"
    bytes_a_second, is_pcm, large_size, data, rate_fault = 0, False, None, None, None
    for chunk in _chunks(file, 12, size, order):
        content = read_at(file, chunk.start, 28)
        if chunk.name == b"fmt " and len(content) >= 16:
            tag, channels, rate_hz, bytes_a_second, _, bits = struct.unpack(
                f"{order}HHIIHH", content[:16]
            )
            is_pcm = tag in PCM or (tag == EXTENSIBLE and content[24:26] in (b"\1\0", b"\3\0"))
            if is_pcm:  # not all writers have its bytes right
                told, bytes_a_second = bytes_a_second, rate_hz * channels * -(-bits // 8)
                if told not in (0, bytes_a_second) and rate_hz % 100 and rate_hz % 11_025:
                    rate_fault = f"its rate of {rate_hz} Hz is not that of its bytes a second"
        elif chunk.name == b"ds64" and len(content) >= 16:
            (large_size,) = struct.unpack("<Q", content[8:16])
        elif chunk.name == b"data":
            data = chunk
            break
    if data is None:
        return Container("WAV", "wav", use_sndfile=True, fault="it has no chunk of samples")
    stated = data.size
    if stated == UNKNOWN_32 and large_size is not None:
        stated = large_size
    left = size - data.start
    rest_is_known = _is_metadata(file, data.start + stated, size, order, stated % 2)
    if _is_unknown(stated, left) and not (stated == 0 and rest_is_known):
        # libsndfile takes 0 at its word.
        return Container("WAV", "wav", use_sndfile=stated != 0)
    if stated == 0:
        raise UnknownContentError("a WAV without samples")
    fault = rate_fault
    if stated > left:
        fault = cut(stated - left)
    elif not rest_is_known:
        fault = f"its header does not count its last {left - stated:,} bytes"
        stated = left
    stated_s = stated / bytes_a_second if bytes_a_second and (is_pcm or fault) else None
    return Container("WAV", "wav", use_sndfile=True, stated_s=stated_s, fault=fault)


def w64(file: BinaryIO, size: int) -> Container:
    """Sony's Wave64: names of 16 bytes, and sizes of 8 that count the chunk's head."""
    position, bytes_a_second = 40, 0
    for _ in range(MAX_CHUNKS):
        head = read_at(file, position, 24)
        if len(head) < 24:
            break
        (whole,) = struct.unpack("<Q", head[16:])
        if head[:4] == b"fmt ":
            (bytes_a_second,) = struct.unpack("<I", read_at(file, position + 32, 4))
        if head[:4] == b"data":
            end = position + whole
            fault = cut(end - size) if end > size else None
            (counted,) = struct.unpack("<Q", read_at(file, 16, 8))
            if fault is None and counted < size:
                fault = f"its header does not count its last {size - counted:,} bytes"
            stated_s = (whole - 24) / bytes_a_second if bytes_a_second else None
            return Container("W64", "w64", use_sndfile=True, stated_s=stated_s, fault=fault)
        position += max(-(-whole // 8) * 8, 24)
    return Container("W64", "w64", use_sndfile=True, fault="it has no chunk of samples")


def aiff(file: BinaryIO, size: int) -> Container:
    """AIFF and AIFF-C."""
    frames, rate_hz, sound = 0, 0.0, None
    for chunk in _chunks(file, 12, size, ">"):
        if chunk.name == b"COMM":
            content = read_at(file, chunk.start, 18).ljust(18, b"\0")
            (frames,) = struct.unpack(">I", content[2:6])
            exponent, mantissa = struct.unpack(">HQ", content[8:18])
            rate_hz = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
        elif chunk.name == b"SSND":
            sound = chunk
    if sound is None:
        return Container("AIFF", "aiff", use_sndfile=True, fault="it has no chunk of samples")
    end = sound.start + sound.size
    fault = cut(end - size) if end > size else None
    if fault is None and not _is_metadata(file, end, size, ">", sound.size % 2):
        fault = f"its header does not count its last {size - end:,} bytes"
    stated_s = frames / rate_hz if rate_hz else None
    return Container("AIFF", "aiff", use_sndfile=True, stated_s=stated_s, fault=fault)


def caf(file: BinaryIO, size: int) -> Container:
    """Apple's Core Audio Format; a size of -1 is unknown."""
    position, count = 8, None
    fault: str | None = "it has no chunk of samples"
    for _ in range(MAX_CHUNKS):
        head = read_at(file, position, 12)
        if len(head) < 12:
            break
        (length,) = struct.unpack(">q", head[4:])
        if head[:4] == b"data":
            end = position + 12 + length
            fault = cut(end - size) if end > size else None
        elif head[:4] == b"pakt":
            (count,) = struct.unpack(">q", read_at(file, position + 20, 8).ljust(8, b"\0"))
        position += 12 + max(length, 0)
    return Container("CAF", "caf", use_sndfile=True, stated_samples=count, fault=fault)


def au(file: BinaryIO, size: int) -> Container:
    """Sun's and NeXT's ``.snd``, which has one chunk."""
    head = read_at(file, 0, 12).ljust(12, b"\0")
    start, stated = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:])
    left = size - start
    if _is_unknown(stated, left):
        return Container("AU", "au", use_sndfile=stated != 0)
    fault = cut(stated - left) if stated > left else None
    if stated < left and not is_blank(file, start + stated):
        fault = f"its header does not count its last {left - stated:,} bytes"
    return Container("AU", "au", use_sndfile=True, fault=fault)


def nist(file: BinaryIO, size: int) -> Container:
    """NIST SPHERE, whose header is text."""
    head = read_at(file, 0, 1 << 16).split(b"end_head")[0]
    numbers = {name: int(value) for name, value in re.findall(rb"(\w+) -i (\d{1,15})\n", head)}
    try:
        start = int(head[8:16])
        count, rate_hz = numbers[b"sample_count"], numbers[b"sample_rate"]
        frame = numbers.get(b"channel_count", 1) * numbers.get(b"sample_n_bytes", 2)
    except (KeyError, ValueError):
        return Container("SPHERE", "nistsphere", use_sndfile=True)
    is_plain = b"shorten" not in head and b"wavpack" not in head
    end = start + count * frame if is_plain else size
    stated_s = count / rate_hz if rate_hz else None
    fault = cut(end - size) if end > size else None
    if end < size:  # which libsndfile would read
        fault = f"its header does not count its last {size - end:,} bytes"
    return Container("SPHERE", "nistsphere", use_sndfile=True, stated_s=stated_s, fault=fault)


def asf(file: BinaryIO, size: int) -> Container:
    """WMA: its file properties have the size of the whole file, unless it was a broadcast."""
    head = read_at(file, 0, 1 << 16)
    at = head.find(ASF_FILE_PROPERTIES)
    properties = head[at + 40 : at + 92]
    if at < 0 or len(properties) < 52:
        return Container("WMA", "asf")
    whole, _, _, play, _, preroll_ms, flags = struct.unpack("<6QI", properties)
    if flags & 1:
        return Container("WMA", "asf")
    fault = cut(whole - size) if whole > size else None
    return Container("WMA", "asf", stated_s=max(play / 1e7 - preroll_ms / 1e3, 0), fault=fault)


def _chunks(file: BinaryIO, position: int, end: int, order: str) -> Iterator[Chunk]:
    for _ in range(MAX_CHUNKS):
        head = read_at(file, position, 8)
        if len(head) < 8 or position >= end:
            return
        name, size = struct.unpack(f"{order}4sI", head)
        yield Chunk(name, position + 8, size)
        position += 8 + size + size % 2


def _is_unknown(stated: int, left: int) -> bool:
    """Whether a size is one that writers give who do not know it."""
    return stated == 0 or (stated > left and any(stated in sizes for sizes in PIPED_SIZES))


def _is_metadata(file: BinaryIO, position: int, end: int, order: str, pad: int) -> bool:
    """Whether what follows the samples is none: chunks, tags of players, zeros or nothing."""
    for start in {position, position + pad}:
        if start >= end or read_at(file, start, 8).startswith(TAGS) or is_blank(file, start):
            return True
        last = None
        for last in _chunks(file, start, end, order):
            if not re.fullmatch(rb"[ -~]{4}", last.name):
                last = None
                break
        if last and (last.name in METADATA or 0 <= end - last.start - last.size <= 1):
            return True
    return False
