"""What is known of an audio file before it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO


class UnknownContentError(ValueError):
    """A file holds no audio that is known; the message says what it is, if it is clear."""


@dataclass(frozen=True)
class Container:
    """The format of a file by its content, and what it says of the audio in it.

    Attributes:
        name: of the format, for people.
        demuxer: FFmpeg's name of it.
        use_sndfile: whether libsndfile is asked first.
        stated_s: the audio's duration that it states, or that what it states implies; None if it
            does not say.
        stated_samples: the same in samples of a channel, where it has to be met exactly.
        fault: what is damaged or missing of it, in words; None if it is whole.
        md5: of FLAC, that of the undamaged samples; None where it is not stated.
        bits: of FLAC, of a sample.
        links: of Ogg, from where to where its parts reach, if there are several.
        raw_rate_hz: of what has no header, the rate that its kind has by convention.
    """

    name: str
    demuxer: str
    use_sndfile: bool = False
    stated_s: float | None = None
    stated_samples: int | None = None
    fault: str | None = None
    md5: bytes | None = None
    bits: int | None = None
    links: tuple[tuple[int, int], ...] = ()
    raw_rate_hz: int | None = None


# Looks at an open file of so many bytes, from its beginning.
Inspector = Callable[[BinaryIO, int], Container]


def read_at(file: BinaryIO, position: int, count: int) -> bytes:
    """``count`` bytes from a position on, fewer at the end of the file."""
    file.seek(position)
    return file.read(count)


def cut(missing: int) -> str:
    """The fault of a file that ends too early."""
    return f"it ends {missing:,} bytes too early"


def is_blank(file: BinaryIO, position: int) -> bool:
    """Whether there are only zeros from a position to the end."""
    file.seek(position)
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            return False
    return True
