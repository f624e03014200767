"""Audio that comes bit by bit: raw PCM and recordings to blocks at 16 kHz, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import av
import numpy as np
import soxr

from fakemamba.data.audio import (
    SAMPLE_RATE_HZ,
    Waveform,
    checked_damage,
    looked_into,
    told_of,
    undecodable,
)
from fakemamba.data.decoding import (
    LEAST_RATE_HZ,
    MOST_RATE_HZ,
    Decoded,
    NothingDecodedError,
    decode_as_it_goes,
)

Encoding = Literal["s16", "f32", "mulaw", "alaw"]
# FFmpeg's name of each, and bytes a sample; of more than one byte the lowest comes first.
ENCODINGS: Final = {
    "s16": ("pcm_s16le", 2),
    "f32": ("pcm_f32le", 4),
    "mulaw": ("pcm_mulaw", 1),
    "alaw": ("pcm_alaw", 1),
}


class StreamError(ValueError):
    """A stream cannot be used; the message says where it stands and what to do."""


class Resampler:
    """Blocks of samples to blocks at 16 kHz, together what soxr HQ makes of the whole.

    Some 0.1 s are held back until more comes, or the end.

    Raises:
        StreamError: no rate of audio.
    """

    def __init__(self, rate_hz: int) -> None:
        if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
            raise StreamError(
                f"a rate of {rate_hz} Hz: {LEAST_RATE_HZ:,} to {MOST_RATE_HZ:,} Hz are taken, and "
                "telephones have 8000 or 16000"
            )
        self._soxr = None
        if rate_hz != SAMPLE_RATE_HZ:
            self._soxr = soxr.ResampleStream(
                rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ"
            )

    def feed(self, samples: Waveform, *, is_last: bool = False) -> Waveform:
        """Samples (n,) at the rate, to those at 16 kHz that they complete."""
        if self._soxr is None:
            return samples
        resampled: Waveform = self._soxr.resample_chunk(samples, last=is_last)
        return resampled


class PcmStream:
    """Bytes of raw mono PCM to samples at 16 kHz, in [-1, 1].

    Args:
        encoding: a key of `ENCODINGS`.
        rate_hz: of the samples.

    Raises:
        StreamError: no rate of audio.
    """

    def __init__(self, encoding: Encoding, rate_hz: int) -> None:
        self._resampler = Resampler(rate_hz)
        self._encoding = encoding
        name, self._sample_bytes = ENCODINGS[encoding]
        decoder = av.CodecContext.create(name, "r")
        assert isinstance(decoder, av.AudioCodecContext)
        decoder.sample_rate, decoder.layout = rate_hz, "mono"
        self._decoder = decoder
        self._left = b""
        self._count = 0

    def feed(self, content: bytes) -> Waveform:
        """Bytes, of any number, to the samples (n,) at 16 kHz that they complete.

        Raises:
            StreamError: a sample that is no finite number.
        """
        content = self._left + content
        whole = len(content) - len(content) % self._sample_bytes
        self._left = content[whole:]
        samples = self._decoded(content[:whole]) if whole else np.zeros(0, np.float32)
        if not np.isfinite(samples).all():
            bad = self._count + int(np.argmax(~np.isfinite(samples)))
            raise StreamError(
                f"sample {bad:,} of the stream is not a finite number: is it {self._encoding}, "
                "lowest byte first, and from its first byte on?"
            )
        self._count += len(samples)
        return self._resampler.feed(samples)

    def close(self) -> tuple[Waveform, str | None]:
        """The samples that were held back, and what is wrong with the end, if anything is."""
        fault = None
        if self._left:
            fault = (
                f"the stream ended within a sample: {len(self._left)} byte(s) of "
                f"{self._sample_bytes}; either it was cut, or it is not {self._encoding}"
            )
        return self._resampler.feed(np.zeros(0, np.float32), is_last=True), fault

    def _decoded(self, content: bytes) -> Waveform:
        frames = self._decoder.decode(av.Packet(content))
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        if samples.dtype.kind == "i":
            return samples.astype(np.float32) / np.float32(2 ** (8 * samples.dtype.itemsize - 1))
        return samples.astype(np.float32, copy=False)


def stream_recording(path: Path, *, allow_damaged: bool = False) -> Iterator[Waveform]:
    """A recording as blocks (n,) at 16 kHz, which together are what `read_recording` gives.

    A damaged one is told of at its end, when what is before the damage has been given.

    Raises:
        AudioError: see `read_recording`; a recording too short for a detector is not refused.
    """
    with told_of(path):
        container = looked_into(path)
        decoded = Decoded(container)
        resampler: Resampler | None = None
        try:
            for block in decode_as_it_goes(path, container, decoded):
                resampler = resampler or Resampler(decoded.rate_hz)
                yield resampler.feed(block)
        except NothingDecodedError as error:
            raise undecodable(path, container, error) from error
        if resampler is not None:
            yield resampler.feed(np.zeros(0, np.float32), is_last=True)
        checked_damage(path, container, decoded, allow_damaged=allow_damaged)
