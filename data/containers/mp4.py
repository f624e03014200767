"""MP4, M4A, 3GP and QuickTime: boxes, and media data whose samples tables list (ISO/IEC 14496-12).

Media data that no table of any track lists is audio that nobody reads, unless it is blank or boxes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from fakemamba.data.containers.container import Container, cut, read_at

MAX_BOXES = 100_000
MAX_TABLES = 1 << 28  # bytes of all tables
PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex"}
# What else media data may hold: a recording in fragments is wrapped in it when it is done.
INNER = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx", b"uuid"}

Spans = npt.NDArray[np.int64]  # (count, 2): where bytes begin and end


@dataclass
class _Tables:
    """What the boxes of a file list."""

    media: list[tuple[int, int]] = field(default_factory=list)  # content of the mdat boxes
    spans: list[Spans] = field(default_factory=list)  # bytes of samples
    track: dict[bytes, bytes] = field(default_factory=dict)  # content of boxes of the last one
    defaults: dict[bytes, int] = field(default_factory=dict)  # of a fragment's track, sample bytes
    fragment_at: int = 0
    is_known: bool = False  # whether there is any table
    audio_s: float = 0.0
    audio_bytes: int = 0


def mp4(file: BinaryIO, size: int) -> Container:
    """MP4, M4A, 3GP and QuickTime."""
    tables, fault = _Tables(), None
    for name, start, end in _boxes(file, 0, size):
        if end > size and name in (b"mdat", b"moov", b"moof"):
            fault = cut(end - size)
        elif name == b"mdat":
            tables.media.append((start, end))
        elif name in (b"moov", b"moof") and end - start < MAX_TABLES:
            tables.fragment_at = start - 8
            _walk(file, start, end, tables)
            _end_track(tables)
    if fault is not None or not tables.is_known:
        return Container("MP4", "mov", fault=fault)
    unlisted = sum(end - start for start, end in _gaps(tables) if not _is_filling(file, start, end))
    if not unlisted:
        return Container("MP4", "mov")
    share = unlisted / tables.audio_bytes if tables.audio_bytes else 0.0
    return Container(
        "MP4",
        "mov",
        stated_s=tables.audio_s * (1 + share) or None,
        fault=f"its tables do not list {unlisted:,} bytes of its media data",
    )


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The names of boxes, and where their content begins and ends."""
    for _ in range(MAX_BOXES):
        head = read_at(file, at, min(16, end - at)) if at < end else b""
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head[:8])
        start = at + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            start += 8
        length = length or end - at  # 0: to the end
        if length < start - at or not re.fullmatch(rb"[\w \xa9-]{4}", name):
            return
        yield name, start, at + length
        at += length


def _walk(file: BinaryIO, start: int, end: int, tables: _Tables) -> None:
    for name, inner, inner_end in _boxes(file, start, end):
        if name in (b"trak", b"traf"):
            _end_track(tables)
        if name in PARENTS:
            _walk(file, inner, min(inner_end, end), tables)
            continue
        if name not in (
            *(b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"stsd", b"mdhd", b"hdlr", b"stts"),
            *(b"trex", b"tfhd", b"trun"),
        ):
            continue
        content = read_at(file, inner, min(inner_end, end) - inner)
        if name == b"trex" and len(content) >= 24:
            tables.defaults[content[4:8]] = int.from_bytes(content[16:20])
        elif name == b"trun":
            _add_run(content, tables)
        else:
            tables.track[name] = content


def _end_track(tables: _Tables) -> None:
    """Take the samples of the track whose boxes were read."""
    track, tables.track = tables.track, {}
    offsets = _numbers(track.get(b"stco", b""), 8, ">u4")
    if b"co64" in track:
        offsets = _numbers(track[b"co64"], 8, ">u8")
    if b"stsc" not in track:
        return
    tables.is_known = True
    runs = _numbers(track[b"stsc"], 8, ">u4")
    runs = runs[: len(runs) // 3 * 3].reshape(-1, 3)
    sizes = _sizes(track)
    chunks = np.arange(1, len(offsets) + 1)
    if not len(offsets) or not len(runs) or sizes is None:
        return
    which = np.clip(np.searchsorted(runs[:, 0], chunks, side="right") - 1, 0, None)
    size, count = struct.unpack(">II", track.get(b"stsz", b"")[4:12].ljust(8, b"\0"))
    ends = np.minimum(np.cumsum(runs[which, 1]), count if size else len(sizes))
    counts = np.diff(ends, prepend=0)
    before = np.concatenate([[0], np.cumsum(sizes)])  # empty where all have one size
    lengths = counts * size if size else np.diff(before[ends], prepend=0)
    lengths = np.maximum(lengths, counts * _frame_bytes(track.get(b"stsd", b"")))
    tables.spans.append(np.stack([offsets, offsets + lengths], axis=1))
    if track.get(b"hdlr", b"")[8:12] == b"soun" and not tables.audio_bytes:
        tables.audio_bytes, tables.audio_s = int(lengths.sum()), _duration_s(track)


def _sizes(track: dict[bytes, bytes]) -> npt.NDArray[np.int64] | None:
    """Bytes of each sample; none where all have one size."""
    if len(content := track.get(b"stsz", b"")) >= 12:
        size, count = struct.unpack(">II", content[4:12])
        if size:
            return np.zeros(0, np.int64)
        return _numbers(content, 12, ">u4")[:count]
    if len(content := track.get(b"stz2", b"")) >= 12:
        count = int.from_bytes(content[8:12])
        if content[7] == 4:
            pairs = np.frombuffer(content[12:], np.uint8).astype(np.int64)
            return np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)[:count]
        return _numbers(content, 12, f">u{content[7] // 8 or 1}")[:count]
    return None


def _frame_bytes(descriptions: bytes) -> int:
    """QuickTime's sizes may be 1, whatever the bytes of a frame of PCM; 0 where it does not say."""
    entry = descriptions[8:]
    if len(entry) < 36 or entry[4:8] == b"mp4a":
        return 0
    version, channels, bits = (int.from_bytes(entry[at : at + 2]) for at in (16, 24, 26))
    if version == 1 and len(entry) >= 48:
        per_packet, frame = int.from_bytes(entry[36:40]), int.from_bytes(entry[44:48])
        return frame // per_packet if per_packet else 0
    is_pcm = entry[4:8] in (b"raw ", b"twos", b"sowt", b"NONE")
    return channels * bits // 8 if version == 0 and is_pcm else 0


def _duration_s(track: dict[bytes, bytes]) -> float:
    """By the numbers of ticks of the samples, not by the header, which may be of the whole."""
    ticks = _numbers(track.get(b"stts", b""), 8, ">u4")
    ticks = ticks[: len(ticks) // 2 * 2].reshape(-1, 2)
    head = track.get(b"mdhd", b"").ljust(24, b"\0")
    at = 20 if head[0] == 1 else 12
    scale = int.from_bytes(head[at : at + 4])
    return float(ticks.prod(axis=1).sum()) / scale if scale else 0.0


def _add_run(content: bytes, tables: _Tables) -> None:
    """Samples of a fragment (trun), which follow one another."""
    head = tables.track.get(b"tfhd", b"").ljust(32, b"\0")
    flags, at = int.from_bytes(head[1:4]), 8
    base, size = tables.fragment_at, tables.defaults.get(head[4:8], 0)
    tables.is_known = True
    if flags & 1:
        base, at = int.from_bytes(head[at : at + 8]), at + 8
    at += 4 * bool(flags & 2) + 4 * bool(flags & 8)
    if flags & 16:
        size = int.from_bytes(head[at : at + 4])
    run, count = int.from_bytes(content[1:4]), int.from_bytes(content[4:8])
    at = 8
    if not run & 1 and tables.spans and tables.track.get(b"trun"):
        base = int(tables.spans[-1][-1, 1])  # behind the run before
    if run & 1:
        base, at = base + int.from_bytes(content[at : at + 4], signed=True), at + 4
    at += 4 * bool(run & 4)
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if run & bit]
    total = count * size
    if run & 0x200:
        rows = _numbers(content, at, ">u4")[: count * len(fields)]
        rows = rows[: len(rows) // len(fields) * len(fields)].reshape(-1, len(fields))
        total = int(rows[:, fields.index(0x200)].sum())
    tables.track[b"trun"] = b"read"
    base = min(base, 1 << 61)  # of damaged headers
    tables.spans.append(np.clip([[base, base + total]], 0, 1 << 62).astype(np.int64))


def _numbers(content: bytes, at: int, kind: str) -> npt.NDArray[np.int64]:
    """Numbers of a table that begins at a byte."""
    width = np.dtype(kind).itemsize
    content = content[at:]
    return np.frombuffer(content[: len(content) // width * width], kind).astype(np.int64)


def _gaps(tables: _Tables) -> Iterator[tuple[int, int]]:
    """Where the media data is that no table lists."""
    spans = np.concatenate([np.zeros((0, 2), np.int64), *tables.spans])
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    ends = np.maximum.accumulate(spans[:, 1]) if len(spans) else spans[:, 1]
    for start, end in tables.media:
        inside = (spans[:, 0] < end) & (ends > start)
        begins = np.append(np.clip(spans[inside, 0], start, end), end)
        befores = np.insert(np.clip(ends[inside], start, end), 0, start)
        for at in np.flatnonzero(begins > befores).tolist():
            yield int(befores[at]), int(begins[at])


def _is_filling(file: BinaryIO, start: int, end: int) -> bool:
    """Whether there are zeros, or boxes, of media data their heads alone."""
    if not read_at(file, start, end - start).strip(b"\0"):
        return True
    while start < end:
        box = next(_boxes(file, start, 1 << 62), None)
        if box is None or box[0] not in INNER:
            return False
        start = box[1] if box[0] == b"mdat" else box[2]
    return start == end
