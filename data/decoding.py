"""Encoded audio to samples, block by block, and what is damaged of it.

libsndfile decodes what it can and stops where it is damaged; FFmpeg decodes the rest, and what is
left of the damaged: packets that it would conceal are left out, and told.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from fakemamba.data.containers import Container
from fakemamba.data.containers.flac import add_samples

BLOCK = 1 << 16  # samples of a channel
# From half of a telephone's to the highest that converters have: other rates are those of damaged
# headers, and resampling them would take for ever.
LEAST_RATE_HZ, MOST_RATE_HZ = 4_000, 768_000
LONGEST_S = 24 * 3600.0
# What containers count, but decoders leave out: delay and padding of the coder, of MP3 up to 1105
# and 1728 samples, of Opus up to a packet of 120 ms.
CODER_SAMPLES, CODER_S = 3_000, 0.13
# FFmpeg's names of what counts its samples exactly, and of what says how long it is about.
EXACT, DURATIONS = {"wv", "tta", "ape"}, {"mov", "avi"}
# Where the size of the samples is looked at, and the last packet is smaller than others.
SIZED = {"wav", "w64", "au", "aiff", "caf"}
STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}

log = logging.getLogger(__name__)


class DecodingError(ValueError):
    """No samples can be had; the message says why."""


class NothingDecodedError(DecodingError):
    """A decoder has no samples, but another one may."""


class _EndError(DecodingError):
    """No more samples can be had, but those before can be used."""


class Decoded:
    """What a decoder gives, mixed down to one channel.

    Attributes:
        rate_hz: of the samples; 0 as long as there are none.
        faults: what is damaged, in words.
        stated_s: duration that the file states, if it does.
    """

    def __init__(self, container: Container) -> None:
        self.rate_hz = 0
        self.faults: list[str] = []
        self.stated_s = container.stated_s
        self._stated_samples = container.stated_samples
        self._md5, self._bits = container.md5, container.bits
        self._digest = hashlib.md5(usedforsecurity=False)
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._count = 0

    @property
    def duration_s(self) -> float:
        """Of all samples."""
        return self._count / self.rate_hz if self.rate_hz else 0.0

    def samples(self) -> npt.NDArray[np.float32]:
        """The mean of the channels (count,), but for what was taken."""
        return np.concatenate([np.zeros(0, np.float32), *self._blocks])

    def take(self) -> npt.NDArray[np.float32]:
        """The samples that have come since the last call; they are not kept any longer."""
        taken = self.samples()
        self._blocks.clear()
        return taken

    def add(self, block: npt.NDArray[Any], rate_hz: int) -> None:
        """Take samples (count, channels), integers or floats.

        Raises:
            DecodingError: no rate of audio, a sample that is no number, or more than a day.
        """
        if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
            raise DecodingError(
                f"its rate is {rate_hz} Hz, but {LEAST_RATE_HZ} to {MOST_RATE_HZ} Hz are read; "
                "export the file again"
            )
        if self.rate_hz not in (0, rate_hz):
            raise _EndError(
                f"at {self.duration_s:.2f} s its rate changes from {self.rate_hz} to {rate_hz} Hz"
            )
        if block.dtype.kind == "f" and not np.isfinite(block).all():
            bad = self._count + int(np.argmax(~np.isfinite(block).all(axis=1)))
            raise DecodingError(
                f"sample {bad} is not a finite number; export the file again, as integer PCM"
            )
        if self._md5 is not None and self._bits is not None and block.dtype.kind == "i":
            add_samples(self._digest, block, self._bits)
        self.rate_hz = rate_hz
        floats = _floats(block)
        is_mono = block.shape[1] == 1
        self._blocks.append(floats[:, 0] if is_mono else floats.mean(axis=1, dtype=np.float32))
        self._count += len(block)
        if self.duration_s > LONGEST_S:
            raise DecodingError("it is longer than 24 hours; cut it")

    def state(self, *, samples: int | None = None, duration_s: float | None = None) -> None:
        """What a decoder found stated, where the container was not looked into."""
        self._stated_samples = self._stated_samples or samples
        self.stated_s = self.stated_s or duration_s

    def compare(self) -> None:
        """Add to the faults where samples are not those that are stated.

        Raises:
            NothingDecodedError: there are none.
        """
        if not self._count:
            raise NothingDecodedError(self.faults[0] if self.faults else "there is no audio in it")
        is_short = self.stated_s is not None and (
            self.duration_s < self.stated_s - max(CODER_SAMPLES / self.rate_hz, CODER_S)
        )
        if self._stated_samples not in (None, self._count):
            self.faults.append(f"{self._count:,} of {self._stated_samples:,} samples are there")
        elif self._md5 is not None and self._digest.digest() != self._md5:
            self.faults.append("its samples are not those that its checksum is of")
        elif self._md5 is not None:
            self.faults.clear()  # proven whole, whatever a decoder stumbled over
        elif is_short and not self.faults:
            self.faults.append("samples are missing")


def decode(path: Path, container: Container) -> Decoded:
    """All samples of a file that there are, and what is damaged of them.

    Raises:
        DecodingError: there are none, or they are no audio.
    """
    best: Decoded | None = None
    errors: list[str] = []
    reasons: list[str] = []
    for read in (_by_sndfile, _by_ffmpeg) if container.use_sndfile else (_by_ffmpeg,):
        decoded = Decoded(container)
        decoded.faults += errors
        try:
            for source in _links(path, container):
                for _ in read(source, container, decoded):
                    pass
        except _EndError as error:
            decoded.faults.append(str(error))
        except NothingDecodedError as error:
            log.debug("%s: %s", path, error)
            decoded.faults += [str(error)] * bool(decoded.duration_s)
            reasons.append(str(error))
        errors = decoded.faults.copy()
        try:
            decoded.compare()
        except NothingDecodedError as error:
            reasons += [str(error)] * (not reasons)
            continue
        if not decoded.faults:
            return decoded
        if best is None or decoded.duration_s > best.duration_s:
            best = decoded
    if best is None:
        raise NothingDecodedError("; ".join(reasons))
    return best


def decode_as_it_goes(
    path: Path, container: Container, decoded: Decoded
) -> Iterator[npt.NDArray[np.float32]]:
    """The samples of a file block by block, the mean of the channels (count,), kept by nobody.

    A damaged file ends where the first decoder that has samples of it stumbles; `Decoded.faults`
    then tells why.

    Args:
        path: the file.
        container: what it is.
        decoded: a new one, which takes note of rate and faults.

    Raises:
        DecodingError: no samples, or they are no audio.
    """
    for read in (_by_sndfile, _by_ffmpeg) if container.use_sndfile else (_by_ffmpeg,):
        try:
            for source in _links(path, container):
                for _ in read(source, container, decoded):
                    yield decoded.take()
            break
        except _EndError as error:
            decoded.faults.append(str(error))
            break
        except NothingDecodedError as error:
            decoded.faults.append(str(error))
            if decoded.duration_s:
                break
    decoded.compare()


def _links(path: Path, container: Container) -> Iterator[Path | BytesIO]:
    """The file, or one by one the streams that are chained in it."""
    if not container.links:
        yield path
        return
    with path.open("rb") as file:
        for start, end in container.links:
            file.seek(start)
            yield BytesIO(file.read(end - start))


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """A file that is read from its beginning to its end: seeks between blocks cost and can fail."""

    def seekable(self) -> bool:
        return False


def _by_sndfile(source: Path | BytesIO, container: Container, decoded: Decoded) -> Iterator[None]:
    """Decode block by block into ``decoded``; so do the others."""
    try:
        file = _Forward(source)
    except soundfile.LibsndfileError as error:
        raise NothingDecodedError(f"libsndfile says: {_words(error)}") from error
    with file:
        dtype = "float32"
        if container.md5 is not None:
            dtype = "int16" if container.bits is not None and container.bits <= 16 else "int32"
        while True:
            try:
                block = file.read(BLOCK, dtype=dtype, always_2d=True)
            except soundfile.LibsndfileError as error:
                decoded.faults.append(f"it cannot be decoded ({_words(error)})")
                return
            if not len(block):
                return
            decoded.add(block, file.samplerate)
            yield


def _by_ffmpeg(source: Path | BytesIO, container: Container, decoded: Decoded) -> Iterator[None]:
    raw = {} if container.raw_rate_hz is None else {"sample_rate": str(container.raw_rate_hz)}
    try:
        opened = av.open(
            # With a protocol in front, nothing in the name is taken for one.
            source if isinstance(source, BytesIO) else f"file:{source}",
            format=container.demuxer,
            container_options={"protocol_whitelist": "file"} | raw,
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as error:
        raise NothingDecodedError(f"FFmpeg says: {_words(error)}") from error
    with opened:
        assert isinstance(opened, av.container.InputContainer)
        if not opened.streams.audio:
            raise NothingDecodedError("there is no audio in it")
        stream = opened.streams.audio[0]
        if not stream.codec_context:
            raise NothingDecodedError("FFmpeg has no decoder for it")
        if stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
            if container.demuxer in EXACT:
                decoded.state(samples=round(duration_s * (stream.rate or 0)))
            if container.demuxer in DURATIONS | EXACT:
                decoded.state(duration_s=duration_s)
        stream.codec_context.options = STRICT
        yield from _each_packet(opened, stream, decoded)


def _each_packet(
    opened: av.container.InputContainer, stream: av.AudioStream, decoded: Decoded
) -> Iterator[None]:
    packets = opened.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except av.FFmpegError as error:
            at_s = decoded.duration_s
            decoded.faults.append(f"at {at_s:.2f} s it cannot be decoded ({_words(error)})")
            if isinstance(error, av.EOFError):
                return
            continue
        if packet is None:
            return
        if packet.is_corrupt and opened.format.name not in SIZED:
            decoded.faults.append(f"at {decoded.duration_s:.2f} s it is cut")
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray()
            if not frame.format.is_planar:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            decoded.add(samples.T, frame.sample_rate)
            yield


def _floats(samples: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
    """Samples of full scale 1, as libsndfile and FFmpeg both make them of integers."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    floats = samples.astype(np.float32)
    return (floats - half if samples.dtype.kind == "u" else floats) * np.float32(1 / half)


def _words(error: Exception) -> str:
    """What a decoder says, without the file's name."""
    if isinstance(error, soundfile.LibsndfileError):
        return error.error_string.removeprefix("Error : ").rstrip(".")
    return str(getattr(error, "strerror", None) or error)
