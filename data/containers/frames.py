"""Streams of frames without a container around them: MP3, AAC in ADTS, and AMR.

Every frame says how long it is, so that the next one must be where it ends. What is no frame is
damage, but for the tags of players at both ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from fakemamba.data.containers.container import Container, read_at

TAGS = b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI"
CERTAIN = 3  # frames one after the other that are no accident
SEARCHED = 1 << 16  # bytes in which the first frame must begin

MP3_KBIT_PER_S = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES_HZ = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
ADTS_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
AMR_BYTES = (13, 14, 16, 18, 20, 21, 27, 32, 6, 6, 6, 6, 1, 1, 1, 1)
AMR_WB_BYTES = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 6, 6, 6, 6, 1, 1)


class Frame(NamedTuple):
    """Bytes, samples of a channel and their rate, and the kind, which all frames share."""

    size: int
    samples: int
    rate_hz: int
    kind: object = None


Parse = Callable[[bytes, int], Frame | None]


@dataclass(frozen=True)
class Walk:
    """``count`` frames end at byte ``end``; ``fault`` is what is there of other things.

    ``is_followed`` by frames once more.
    """

    count: int
    end: int
    first: Frame
    fault: str | None
    is_followed: bool = False


def mp3_frame(content: bytes, at: int) -> Frame | None:
    """The frame of MPEG audio, layer I to III, whose header is there."""
    return _mp3_frame(content[at : at + 3])


@lru_cache  # a stream has few headers
def _mp3_frame(head: bytes) -> Frame | None:
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    mpeg = 1 if version == 3 else 2
    bits_per_s = 1_000 * MP3_KBIT_PER_S[mpeg, layer][bitrate - 1]
    rate_hz, padding = MP3_RATES_HZ[version][rate], head[2] >> 1 & 1
    if layer == 1:
        return Frame((12 * bits_per_s // rate_hz + padding) * 4, 384, rate_hz, (version, layer))
    samples = 576 if layer == 3 and mpeg == 2 else 1_152
    size = samples // 8 * bits_per_s // rate_hz + padding
    return Frame(size, samples, rate_hz, (version, layer))


def adts_frame(content: bytes, at: int) -> Frame | None:
    """The frame of AAC whose ADTS header is there."""
    head = content[at : at + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate, size = head[2] >> 2 & 15, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= len(ADTS_RATES_HZ) or size < 7:
        return None
    return Frame(size, 1_024 * (1 + (head[6] & 3)), ADTS_RATES_HZ[rate])


def first_frame(content: bytes, parse: Parse, *, raw: bool = False) -> int | None:
    """Where frames begin, after tags and at most 64 KiB of something else; None if nowhere.

    Args:
        content: of the file, or its beginning.
        parse: of one frame.
        raw: anything is possible, so they must begin at once, and be several.
    """
    start = skip_tags(content)
    if _run(content, start, parse, CERTAIN if raw else 1):
        return start
    at = -1 if raw else content.find(b"\xff", start, start + SEARCHED)
    while at >= 0 and not _run(content, at, parse, CERTAIN):
        at = content.find(b"\xff", at + 1, start + SEARCHED)
    return None if at < 0 else at


def skip_tags(content: bytes) -> int:
    """Where the ID3v2 tags at the beginning end."""
    at = 0
    while content[at : at + 3] == b"ID3" and len(content) > at + 10:
        a, b, c, d = content[at + 6 : at + 10]
        footer = 10 if content[at + 5] & 0x10 else 0
        at += 10 + footer + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
    return at


def mp3(file: BinaryIO, size: int) -> Container:
    """MPEG audio: its frames against the number that the header of Xing, LAME or VBRI states."""
    content = read_at(file, 0, size)
    start = first_frame(content, mp3_frame) or 0
    first = mp3_frame(content, start)
    assert first is not None  # which made it MP3
    frames, stated_bytes = _stated_frames(content, start, first)
    walk = walk_frames(content, start, mp3_frame)
    found, fault = walk.count, walk.fault or _before(content, start)
    if frames is not None:
        found -= 1  # the one with the header has no audio
        if found > frames + 1:
            fault = f"its header does not count {found - frames:,} of its frames"
        elif found >= frames and not walk.is_followed:
            fault = _before(content, start)  # what follows is no audio
        elif not stated_bytes or walk.end - start < stated_bytes:
            fault = fault or f"{frames - found:,} frames are missing"
    is_known = frames is not None or fault is None
    stated_s = max(found, frames or 0) * first.samples / first.rate_hz if is_known else None
    # libsndfile's decoder writes about damage to the terminal.
    return Container("MP3", "mp3", use_sndfile=fault is None, stated_s=stated_s, fault=fault)


def adts(file: BinaryIO, size: int) -> Container:
    """AAC in ADTS."""
    content = read_at(file, 0, size)
    start = first_frame(content, adts_frame) or 0
    walk = walk_frames(content, start, adts_frame)
    stated_s = walk.count * walk.first.samples / walk.first.rate_hz
    fault = walk.fault or _before(content, start)
    return Container("AAC", "aac", stated_s=stated_s, fault=fault)


def amr(file: BinaryIO, size: int) -> Container:
    """AMR and AMR-WB, whose frames are 20 ms long."""
    content = read_at(file, 0, size)
    is_wide = content.startswith(b"#!AMR-WB\n")
    sizes, start = (AMR_WB_BYTES, 9) if is_wide else (AMR_BYTES, 6)
    rate_hz = 16_000 if is_wide else 8_000

    def parse(content: bytes, at: int) -> Frame | None:
        head = content[at : at + 1]
        if not head or head[0] & 0x83:
            return None
        return Frame(sizes[head[0] >> 3 & 15], rate_hz // 50, rate_hz)

    walk = walk_frames(content, start, parse)
    return Container("AMR", "amr", stated_s=walk.count / 50, fault=walk.fault)


def walk_frames(content: bytes, start: int, parse: Parse) -> Walk:
    """From frame to frame, as far as they go."""
    at, count, first = start, 0, parse(content, start)
    if first is None:
        return Walk(0, start, Frame(0, 0, 1), "it has no frames")
    while (frame := parse(content, at)) is not None:
        at_s = count * first.samples / first.rate_hz
        if frame.rate_hz != first.rate_hz:
            fault = f"at {at_s:.2f} s its rate changes from {first.rate_hz} to {frame.rate_hz} Hz"
            return Walk(count, at, first, fault)
        if frame.kind != first.kind:
            break
        if at + frame.size > len(content):
            missing = at + frame.size - len(content)
            return Walk(count, at, first, f"its last frame ends {missing:,} bytes too early")
        at, count = at + frame.size, count + 1
    rest = content[at:]
    at_s = count * first.samples / first.rate_hz
    if first_frame(rest, parse, raw=count == 0) is not None:
        return Walk(count, at, first, f"at {at_s:.2f} s another stream follows", is_followed=True)
    is_padding = len(rest) < first.size and not rest.strip(b"\0")
    if rest.startswith(TAGS) or is_padding:
        return Walk(count, at, first, None)
    return Walk(count, at, first, f"at {at_s:.2f} s there is something else than frames")


def _before(content: bytes, start: int) -> str | None:
    """What is wrong before the first frame; zeros are not."""
    if not content[skip_tags(content) : start].strip(b"\0"):
        return None
    return "before its first frame there is something else"


def _run(content: bytes, at: int, parse: Parse, count: int) -> bool:
    """Whether so many frames follow one another, or all that fit until the end of the file."""
    first = None
    for number in range(count):
        frame = parse(content, at)
        if frame is None:
            return number > 1 and at == len(content)
        first = first or frame
        if (frame.kind, frame.rate_hz) != (first.kind, first.rate_hz):
            return False
        at += frame.size
    return True


def _stated_frames(content: bytes, at: int, frame: Frame) -> tuple[int | None, int | None]:
    """The numbers of frames and of bytes that the first frame states; None if it does not."""
    head = content[at : at + frame.size]
    found = max(head.find(b"Xing", 0, 64), head.find(b"Info", 0, 64))
    if found > 0:
        flags = head[found + 7] if len(head) > found + 16 else 0
        place = found + 8
        frames = int.from_bytes(head[place : place + 4]) if flags & 1 else None
        place += 4 * (flags & 1)
        return frames, int.from_bytes(head[place : place + 4]) if flags & 2 else None
    if head[36:40] == b"VBRI" and len(head) > 54:
        return int.from_bytes(head[50:54]), int.from_bytes(head[46:50])
    return None, None
