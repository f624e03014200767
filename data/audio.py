"""Audio files to what every detector takes: 16 kHz mono float32 in [-1, 1], not normalised.

A recording is read whole, or it is an error: what was decoded is compared with what the file says
that it holds. Only who allows damage gets what is left, and is told what is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from fakemamba.data.containers import Container, UnknownContentError, container_of
from fakemamba.data.decoding import Decoded, DecodingError, NothingDecodedError, decode
from fakemamba.files import require_file

SAMPLE_RATE_HZ = 16_000
MIN_SAMPLES = 400  # a frame of XLS-R's; a detector that needs more says so itself

log = logging.getLogger(__name__)

Waveform = npt.NDArray[np.float32]


class AudioError(ValueError):
    """A recording cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What was read of a file.

    Attributes:
        waveform: (samples,) at 16 kHz.
        duration_s: of the samples as they are in the file.
        damage: what is damaged or missing, with the seconds that are there; None if it is whole.
    """

    waveform: Waveform
    duration_s: float
    damage: str | None = None


def read_audio(path: str | Path) -> Waveform:
    """A whole recording as (samples,) float32 at 16 kHz; see `read_recording`.

    Raises:
        AudioError: see there.
    """
    return read_recording(path).waveform


def read_recording(path: str | Path, *, allow_damaged: bool = False) -> Recording:
    """Read a recording at 16 kHz: mean of channels, resampled by soxr HQ.

    libsndfile reads what it can (WAV, FLAC, OGG, MP3); FFmpeg reads the rest (G.722, M4A, ...).

    Args:
        path: of the file; its content says what it is.
        allow_damaged: take what is left of a damaged recording.

    Raises:
        AudioError: missing, no file, empty or undecodable; damaged, if that is not allowed; fewer
            than 400 samples at 16 kHz; samples that are not numbers; more than memory holds.
    """
    path = Path(path)
    with told_of(path):
        return _read(path, allow_damaged)


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Errors of reading a file as `AudioError`."""
    require_file(path, AudioError, "name a recording")
    try:
        yield
    except DecodingError as error:
        raise AudioError(f"{path}: {error}") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise AudioError(f"{path}: memory is too small for it; cut it") from error


def looked_into(path: Path) -> Container:
    """What a file is.

    Raises:
        AudioError: empty, or of a kind that nobody knows.
    """
    size = path.stat().st_size
    if size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); fetch or export it again")
    with path.open("rb") as file:
        try:
            container = container_of(path, file, size)
        except UnknownContentError as error:
            raise _undecodable(path, f"it is {error}") from error
    if container.raw_rate_hz is not None:
        log.info(
            "%s: no header; read as %s at %d Hz, as its name's ending says",
            *(path, container.demuxer, container.raw_rate_hz),
        )
    return container


def _read(path: Path, allow_damaged: bool) -> Recording:
    container = looked_into(path)
    try:
        decoded = decode(path, container)
    except NothingDecodedError as error:
        raise undecodable(path, container, error) from error
    damage = checked_damage(path, container, decoded, allow_damaged=allow_damaged)
    mono = decoded.samples()
    if decoded.rate_hz != SAMPLE_RATE_HZ:
        log.info("%s: resampled from %d Hz to %d Hz", path, decoded.rate_hz, SAMPLE_RATE_HZ)
        mono = soxr.resample(mono, decoded.rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if len(mono) < MIN_SAMPLES:
        raise AudioError(
            f"{path}: {len(mono)} samples at 16 kHz, but a detector needs at least {MIN_SAMPLES} "
            "(25 ms); leave the file out"
        )
    waveform = np.ascontiguousarray(mono, dtype=np.float32)
    return Recording(waveform, decoded.duration_s, damage)


def cut_or_tile(waveform: Waveform, num_samples: int) -> Waveform:
    """The first ``num_samples`` samples, of the clip repeated as often as that needs."""
    repeats = -(-num_samples // len(waveform))
    return np.tile(waveform, repeats)[:num_samples]


def checked_damage(
    path: Path, container: Container, decoded: Decoded, *, allow_damaged: bool
) -> str | None:
    """What is damaged of a recording, with what there is and what there should be.

    Raises:
        AudioError: anything is, and that is not allowed.
    """
    if not (faults := [container.fault] * (container.fault is not None) + decoded.faults):
        return None
    expected = "an unknown number" if decoded.stated_s is None else f"{decoded.stated_s:.3f} s"
    damage = f"{faults[0]}; {decoded.duration_s:.3f} s of {expected} are there"
    if not allow_damaged:
        raise AudioError(
            f"{path}: damaged: {damage}; fetch or export it again, or read what is left with "
            "--allow-damaged"
        )
    log.warning("%s: damaged, and read as far as it goes: %s", path, damage)
    return damage


def undecodable(path: Path, container: Container, error: Exception) -> AudioError:
    """An error for a file that no decoder has samples of."""
    reason = str(error) if container.fault is None else f"{container.fault}; {error}"
    return _undecodable(path, reason)


def _undecodable(path: Path, reason: str) -> AudioError:
    return AudioError(
        f"{path}: neither libsndfile nor FFmpeg can decode it ({reason}); the file is corrupt or "
        "holds no audio: convert it to WAV or FLAC, or leave it out"
    )
