"""How many samples the packets of Vorbis and Opus decode to, by their first bits alone.

Vorbis: a packet is a short or a long block, as the mode that it names says; modes are at the end of
the setup header. Two blocks overlap by half of each (Vorbis I, 4.3.8). Opus: the first byte has the
length of a frame, and how many there are (RFC 6716, 3.1).
"""

from __future__ import annotations

from typing import Protocol

OPUS_RATE_HZ = 48_000
# Samples of a frame, by configuration: three of SILK, two of SILK and CELT, four of CELT.
OPUS_FRAMES = 3 * (480, 960, 1_920, 2_880) + 2 * (480, 960) + 4 * (120, 240, 480, 960)
MODE_BITS = 41  # of a mode: is it long, window and transform, which are 0, and mapping
MAX_MODES = 64


class Packets(Protocol):
    """Attributes are known after so many ``headers``.

    Attributes:
        headers: packets that have no audio.
        rate_hz: of the samples.
        skipped: first samples that are counted, but never played.
    """

    headers: int
    rate_hz: int
    skipped: int

    def head(self, packet: bytes) -> None:
        """Take a header.

        Raises:
            ValueError: it is none that is known.
        """

    def samples(self, packet: bytes) -> int:
        """Of a channel, that one more packet completes."""


class Vorbis:
    """See `Packets`."""

    headers, skipped = 3, 0

    def __init__(self) -> None:
        self.rate_hz = 0
        self._blocks: tuple[int, int] = (0, 0)  # samples of a short and a long one
        self._modes: list[int] = []  # what they are long of
        self._before: int | None = None

    def head(self, packet: bytes) -> None:
        """See `Packets`."""
        if packet[:1] == b"\1" and len(packet) >= 30:
            self.rate_hz = int.from_bytes(packet[12:16], "little")
            self._blocks = 1 << (packet[28] & 15), 1 << (packet[28] >> 4)
        elif packet[:1] == b"\5":
            self._modes = [self._blocks[is_long] for is_long in _vorbis_modes(packet)]
        if not self.rate_hz:
            raise ValueError("no rate")

    def samples(self, packet: bytes) -> int:
        """See `Packets`."""
        if not packet or packet[0] & 1:
            return 0
        mode = packet[0] >> 1 & (1 << (len(self._modes) - 1).bit_length()) - 1
        if mode >= len(self._modes):
            return 0
        before, self._before = self._before, self._modes[mode]
        return 0 if before is None else before // 4 + self._before // 4


class Opus:
    """See `Packets`."""

    headers, rate_hz = 2, OPUS_RATE_HZ

    def __init__(self) -> None:
        self.skipped = 0

    def head(self, packet: bytes) -> None:
        """See `Packets`."""
        if packet[:8] == b"OpusHead":
            self.skipped = int.from_bytes(packet[10:12], "little")

    def samples(self, packet: bytes) -> int:
        """See `Packets`."""
        if not packet:
            return 0
        frames = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[packet[0] & 3]
        return frames * OPUS_FRAMES[packet[0] >> 3]


class Stream:
    """The audio of a link, page by page, against the positions that the pages state.

    A page's position counts the samples up to the end of the last packet that ends on it. The first
    may count others before the link; the last may take away of its last packet what only fills it
    up. No encoder is known to fill up more than the longest packet, and what Opus should not
    (RFC 7845, 4.4), Vorbis' reference decoder does not follow.
    """

    def __init__(self, packets: Packets) -> None:
        self._packets = packets
        self._heads = self._pages = self._samples = self._longest = 0
        self._before = self._position = 0  # samples before the link, and at its end
        self._part: bytes | None = None  # of a packet that goes on with the next page

    def add(self, segments: bytes, content: bytes, position: int, *, is_continued: bool) -> None:
        """Take a page: its segments' sizes, their content, its position.

        Raises:
            ValueError: a header is none that is known.
        """
        part = self._part if is_continued else b""
        at = ended = 0
        for size in segments:
            part = None if part is None else part + content[at : at + size]
            at += size
            if size < 255:
                ended += self._end_packet(part)
                part = b""
        self._part = part
        if position < 0 or not (ended or self._pages):  # no packet ends, or none of audio yet
            return
        if not self._pages:
            self._before = position - self._samples
        self._pages += 1
        self._position = position

    def _end_packet(self, packet: bytes | None) -> bool:
        """Whether it is of audio; None is one whose beginning is lost."""
        if packet is None:
            return False
        if self._heads < self._packets.headers:
            self._packets.head(packet)
            self._heads += 1
            return False
        samples = self._packets.samples(packet)
        self._samples += samples
        self._longest = max(self._longest, samples)
        return True

    @property
    def uncounted_s(self) -> float:
        """What its pages do not count of what its packets hold, 0 if that may be."""
        # With one page, what it does not count is not at its beginning.
        before = self._before if self._pages > 1 else 0
        uncounted = self._samples + before - self._position
        return uncounted / self._packets.rate_hz if uncounted > self._longest else 0.0

    @property
    def whole_s(self) -> float:
        """What its packets hold, but for what is not played at the beginning."""
        early = self._before if self._pages > 1 else 0
        return (self._samples + min(early, 0) - self._packets.skipped) / self._packets.rate_hz


def stream_of(first_packet: bytes) -> Stream | None:
    """A stream by its first header; None where its packets need not be counted.

    All of FLAC and Speex is decoded, whatever its pages count.
    """
    if first_packet.startswith(b"\1vorbis"):
        return Stream(Vorbis())
    if first_packet.startswith(b"OpusHead"):
        return Stream(Opus())
    return None


def _vorbis_modes(setup: bytes) -> list[int]:
    """Whether each mode of a setup header is of long blocks.

    They are found from the end, as the codebooks, floors and residues before them have no lengths:
    there are as many as have zeros where modes have them, and their number before them.

    Raises:
        ValueError: they cannot be told.
    """
    bits = int.from_bytes(setup, "little")  # bit 0 is the first
    at = bits.bit_length() - 1  # of the framing bit, which is the last that is set
    found: list[int] = []
    modes: list[int] = []
    while len(modes) < MAX_MODES and (at := at - MODE_BITS) >= 6:
        if bits >> (at + 1) & 0xFFFFFFFF or bits >> (at + 33) & 0xFF >= MAX_MODES:
            break
        modes.insert(0, bits >> at & 1)
        if (bits >> (at - 6) & 63) + 1 == len(modes):
            found = modes.copy()
    if not found:
        raise ValueError("no modes")
    return found
