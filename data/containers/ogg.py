"""Ogg: its pages have numbers and checksums, the last one ends the stream and counts its samples.

Streams may follow one another as links of a chain (RFC 3533).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from fakemamba.data.containers.container import Container, cut, read_at
from fakemamba.data.containers.ogg_packets import Stream, stream_of

CAPTURE = b"OggS"
CONTINUED, FIRST, LAST = 1, 2, 4  # flags of a page
HEAD = 27  # bytes
CHECKSUM = slice(22, 26)
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Pages:
    """What was seen of a file's pages."""

    faults: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # of links, bytes
    open_streams: dict[bytes, int] = field(default_factory=dict)  # serial: next page's number
    # By the start of a link: the serial of its first audio stream, and that.
    sounds: dict[int, tuple[bytes, Stream]] = field(default_factory=dict)

    def count(self, page: bytes, segments: bytes) -> None:
        """Take the packets of a page, if they are of the audio that is read."""
        if not self.starts:
            return
        start, serial, content = self.starts[-1], page[14:18], page[HEAD + len(segments) :]
        if page[5] & FIRST and start not in self.sounds and (found := stream_of(content)):
            self.sounds[start] = serial, found
        if self.sounds.get(start, (b"",))[0] != serial:
            return
        position = int.from_bytes(page[6:14], "little", signed=True)
        try:
            self.sounds[start][1].add(
                segments, content, position, is_continued=bool(page[5] & CONTINUED)
            )
        except ValueError:  # which is the decoder's to tell
            del self.sounds[start]


def ogg(file: BinaryIO, size: int) -> Container:
    """Vorbis, Opus, FLAC or Speex in Ogg."""
    seen, at, in_heads = _Pages(), 0, False
    while at < size:
        head = read_at(file, at, HEAD + 255)
        if not head.startswith(CAPTURE) or len(head) < HEAD:
            following = _next_page(file, at + 1, size)
            if following is None and seen.starts and not seen.open_streams:
                break  # tags of players
            seen.faults.append(f"from byte {at:,} on there are no pages")
            if following is None:
                break
            at = following
            continue
        segments = head[HEAD : HEAD + head[26]]
        length = HEAD + head[26] + sum(segments)
        if at + length > size or len(segments) < head[26]:
            seen.faults.append(cut(max(at + length - size, 1)))
            break
        page = read_at(file, at, length)
        if _checksum(page) != page[CHECKSUM]:
            seen.faults.append(f"the checksum of the page at byte {at:,} is wrong")
        serial, number, flags = page[14:18], int.from_bytes(page[18:22], "little"), page[5]
        if flags & FIRST:
            if not in_heads:
                if seen.open_streams:
                    seen.faults.append(f"a stream is not ended before byte {at:,}")
                    seen.open_streams.clear()
                seen.starts.append(at)
            in_heads = True
        else:
            in_heads = False
            if number != seen.open_streams.get(serial, number):
                seen.faults.append(f"pages are missing before byte {at:,}")
        seen.open_streams[serial] = number + 1
        if flags & LAST:
            del seen.open_streams[serial]
        seen.count(page, segments)
        at += length
    if seen.open_streams:
        seen.faults.append("its last page is missing")
    links = tuple(zip(seen.starts, [*seen.starts[1:], size], strict=False))
    stated_s = None
    if not seen.faults and len(seen.sounds) == len(links):
        stated_s = sum(stream.whole_s for _, stream in seen.sounds.values())
        uncounted_s = sum(stream.uncounted_s for _, stream in seen.sounds.values())
        if uncounted_s:
            seen.faults.append(f"its last page does not count {uncounted_s:.3f} s of its packets")
    return Container(
        "Ogg",
        "ogg",
        use_sndfile=True,
        stated_s=stated_s,
        fault=seen.faults[0] if seen.faults else None,
        links=links if len(links) > 1 else (),
    )


def _next_page(file: BinaryIO, at: int, size: int) -> int | None:
    """Where the next page begins; None if there is none."""
    while at < size:
        block = read_at(file, at, 1 << 16)
        found = block.find(CAPTURE)
        if found >= 0:
            return at + found
        at += max(len(block) - len(CAPTURE) + 1, 1)
    return None


def _checksum(page: bytes) -> bytes:
    """CRC-32 with the highest bit first: zlib's, which has the lowest first, in a mirror."""
    blanked = page[: CHECKSUM.start] + bytes(4) + page[CHECKSUM.stop :]
    mirrored = zlib.crc32(blanked.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(MIRRORED)
