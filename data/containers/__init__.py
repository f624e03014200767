"""What a file is by its content, and what its container says of the audio in it.

Nothing is decoded here. What is no audio by its content is refused, whatever its name: FFmpeg takes
scripts and playlists, too, and they make it open other files.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from fakemamba.data.containers.chunks import aiff, asf, au, caf, nist, w64, wav
from fakemamba.data.containers.container import (
    Container,
    Inspector,
    UnknownContentError,
    read_at,
)
from fakemamba.data.containers.flac import flac
from fakemamba.data.containers.frames import (
    adts,
    adts_frame,
    amr,
    first_frame,
    mp3,
    mp3_frame,
    skip_tags,
)
from fakemamba.data.containers.matroska import matroska
from fakemamba.data.containers.mp4 import mp4
from fakemamba.data.containers.ogg import ogg

__all__ = ["RAW_STREAMS", "Container", "UnknownContentError", "container_of"]

# What has no header is told by the name's ending alone: FFmpeg's name, and the rate by convention.
RAW_STREAMS = {
    ".al": ("alaw", 8_000),
    ".alaw": ("alaw", 8_000),
    ".ul": ("mulaw", 8_000),
    ".ulaw": ("mulaw", 8_000),
    ".g722": ("g722", 16_000),
}
BEGINNING = 1 << 18  # bytes that tell what a file is


def _decoded_by_ffmpeg(name: str, demuxer: str) -> Inspector:
    return lambda _file, _size: Container(name, demuxer)


# The first bytes of a file, from which on, and who knows more.
BEGINNINGS: tuple[tuple[int, bytes, Inspector], ...] = (
    (0, b"fLaC", flac),
    (0, b"OggS", ogg),
    (0, b"riff\x2e\x91\xcf\x11", w64),
    (8, b"AIFF", aiff),
    (8, b"AIFC", aiff),
    (0, b"caff", caf),
    (0, b".snd", au),
    (0, b"dns.", au),
    (0, b"NIST_1A\n", nist),
    *((4, name, mp4) for name in (b"ftyp", b"moov", b"mdat", b"styp", b"wide")),
    (0, b"\x1a\x45\xdf\xa3", matroska),
    (0, b"#!AMR\n", amr),
    (0, b"#!AMR-WB\n", amr),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", asf),
    (0, b"wvpk", _decoded_by_ffmpeg("WavPack", "wv")),
    (0, b"TTA1", _decoded_by_ffmpeg("TTA", "tta")),
    (0, b"MAC ", _decoded_by_ffmpeg("Monkey's Audio", "ape")),
)
RIFFS = b"RIFF", b"RIFX", b"RF64", b"BW64"
NO_AUDIO = (
    (b"PK\x03\x04", "an archive"),
    (b"\x1f\x8b", "an archive"),
    (b"7z\xbc\xaf", "an archive"),
    (b"Rar!", "an archive"),
    (b"%PDF", "a document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)


def container_of(path: Path, file: BinaryIO, size: int) -> Container:
    """What a file of so many bytes holds, by its content, and by its name only where it has to be.

    Raises:
        UnknownContentError: no audio, or of a format that is not known.
    """
    beginning = read_at(file, 0, BEGINNING)
    after_tags = skip_tags(beginning)
    tagless = beginning[after_tags:]
    if beginning[:4] in RIFFS and beginning[8:12] in (b"WAVE", b"AVI "):
        return wav(file, size)
    for place, words, inspect in BEGINNINGS:
        if tagless[place:].startswith(words) and (not after_tags or inspect is flac):
            return inspect(file, size)
    raw = RAW_STREAMS.get(path.suffix.lower())
    if after_tags >= len(beginning) > 0 and after_tags < size:  # a picture in the tag is larger
        beginning = read_at(file, 0, after_tags + BEGINNING)
    for parse, inspect in ((mp3_frame, mp3), (adts_frame, adts)):
        if first_frame(beginning, parse, raw=raw is not None) is not None:
            return inspect(file, size)
    if found := _no_audio(beginning):
        raise UnknownContentError(found)
    if raw is None:
        raise UnknownContentError("of a format that is not known")
    demuxer, rate_hz = raw
    return Container(path.suffix, demuxer, raw_rate_hz=rate_hz)


def _no_audio(beginning: bytes) -> str | None:
    """What a file without audio is, in words."""
    for words, kind in NO_AUDIO:
        if beginning.startswith(words):
            return kind
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(beginning) - 3:
            return None
        text = beginning[: error.start].decode("utf-8")
    is_text = all(char.isprintable() or char.isspace() for char in text)
    return "text, a playlist or a script" if text and is_text else None
