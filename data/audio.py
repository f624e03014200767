"""Audio files to what every detector takes: 16 kHz mono float32 in [-1, 1], not normalised."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from fakemamba.data.ffmpeg_filter import filtered
from fakemamba.data.headers import RAW_STREAMS

SAMPLE_RATE_HZ = 16_000
MIN_SAMPLES = 400  # one front-end frame

log = logging.getLogger(__name__)

Waveform = npt.NDArray[np.float32]


class AudioError(ValueError):
    """A recording cannot be used; the message names the file and what to do."""


def read_audio(path: str | Path) -> Waveform:
    """Read a recording as (samples,) float32 at 16 kHz: mean of channels, resampled by soxr HQ.

    libsndfile reads what it can (WAV, FLAC, OGG, MP3); FFmpeg reads the rest (G.722, M4A, ...).

    Raises:
        AudioError: missing, empty or undecodable file; fewer than 400 samples at 16 kHz; samples
            that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); fetch or export it again")
    samples, rate_hz = _decode(path)  # (samples, channels)
    if not np.isfinite(samples).all():
        bad = int(np.argmax(~np.isfinite(samples).all(axis=1)))
        raise AudioError(
            f"{path}: sample {bad} is not a finite number; export the file again, as integer PCM"
        )
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate_hz != SAMPLE_RATE_HZ:
        log.info("%s: resampled from %d Hz to %d Hz", path, rate_hz, SAMPLE_RATE_HZ)
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if len(mono) < MIN_SAMPLES:
        raise AudioError(
            f"{path}: {len(mono)} samples at 16 kHz, but a detector needs at least {MIN_SAMPLES} "
            "(25 ms); leave the file out"
        )
    return np.ascontiguousarray(mono, dtype=np.float32)


def cut_or_tile(waveform: Waveform, num_samples: int) -> Waveform:
    """The first ``num_samples`` samples, of the clip repeated as often as that needs."""
    repeats = -(-num_samples // len(waveform))
    return np.tile(waveform, repeats)[:num_samples]


def _decode(path: Path) -> tuple[Waveform, int]:
    """Samples (samples, channels) and their rate, by whichever library knows the format."""
    if path.suffix.lower() not in RAW_STREAMS:
        try:
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        # ValueError: a header without the number of samples; TypeError: headerless by its name.
        except (soundfile.LibsndfileError, TypeError, ValueError) as error:
            log.debug("%s: libsndfile says %s; trying FFmpeg", path, error)
        else:
            return samples, rate_hz
    try:
        return _decode_with_ffmpeg(path)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise AudioError(
            f"{path}: neither libsndfile nor FFmpeg can decode it ({error}); the file is corrupt "
            "or holds no audio: convert it to WAV or FLAC, or leave it out"
        ) from error


def _decode_with_ffmpeg(path: Path) -> tuple[Waveform, int]:
    with av.open(str(path), format=RAW_STREAMS.get(path.suffix.lower())) as container:
        stream = container.streams.audio[0]
        blocks = list(filtered(container.decode(stream), "anull"))  # (channels, samples) each
        rate_hz = stream.rate
    if not blocks:
        raise ValueError("no audio in it")
    return np.concatenate(blocks, axis=1).T, rate_hz
