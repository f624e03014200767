"""Noise that is added: white, pink, recorded, or the babble of several talkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from fakemamba.data.audio import Waveform
from fakemamba.data.augmentation.augmentation import check_range, energy, scale_to_snr
from fakemamba.data.augmentation.draws import standard_normal
from fakemamba.data.augmentation.recordings import Recordings


class NoiseSource(Protocol):
    """Makes noise of any level."""

    def __call__(self, samples: int, rng: np.random.Generator) -> Waveform:
        """Noise (samples,) float32 at 16 kHz."""
        ...


@dataclass(frozen=True, slots=True)
class AdditiveNoise:
    """An augmentation: noise of a source at a signal-to-noise ratio that is drawn uniformly.

    The sum may leave full scale. Silence stays silent, and nothing is added where the noise is
    silent.

    Raises:
        AugmentationError: ``snr_db`` is no range.
    """

    source: NoiseSource
    snr_db: tuple[float, float] = (10.0, 40.0)

    def __post_init__(self) -> None:
        check_range("snr_db", self.snr_db)

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        snr_db = rng.uniform(*self.snr_db)
        noise = self.source(len(waveform), rng)
        if energy(noise) == 0:
            return waveform
        return waveform + np.float32(scale_to_snr(waveform, noise, snr_db)) * noise


def white(samples: int, rng: np.random.Generator) -> Waveform:
    """Noise with the same power in every hertz."""
    return standard_normal(rng, samples)


def pink(samples: int, rng: np.random.Generator) -> Waveform:
    """Noise with the same power in every octave and no mean."""
    size = next_fast_len(samples, real=True)
    spectrum = rfft(white(size, rng))
    spectrum[0] = 0.0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum), dtype=np.float32))
    return irfft(spectrum, size)[:samples]


@dataclass(frozen=True, slots=True)
class RecordedNoise:
    """Excerpts of recordings of noise."""

    recordings: Recordings

    def __call__(self, samples: int, rng: np.random.Generator) -> Waveform:
        """See `NoiseSource`."""
        return self.recordings.excerpt(samples, rng)


@dataclass(frozen=True, slots=True)
class Babble:
    """Several people at once, equally loud, from recordings of one each.

    Three to seven by default, as in Snyder et al. 2018, "X-vectors: Robust DNN Embeddings for
    Speaker Recognition".

    Raises:
        AugmentationError: ``talkers`` is no range of counts.
    """

    recordings: Recordings
    talkers: tuple[int, int] = (3, 7)

    def __post_init__(self) -> None:
        check_range("talkers", self.talkers, 1, 1_000)

    def __call__(self, samples: int, rng: np.random.Generator) -> Waveform:
        """See `NoiseSource`."""
        babble = np.zeros(samples, np.float32)
        for _ in range(rng.integers(*self.talkers, endpoint=True)):
            talker = self.recordings.excerpt(samples, rng)
            level = np.sqrt(energy(talker) / samples)
            if level > 0:
                babble += talker / np.float32(level)
        return babble
