"""Speech-like waveforms of any length, for measuring where no recording is at hand.

Pulses of a wandering pitch through three wandering formants, syllables and pauses, fricative noise
and a noise floor: the level, spectrum tilt and modulation of speech, and never zeros. It is no
speech and says nothing about accuracy.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform

FORMANT_RANGES_HZ = ((300, 800), (900, 2300), (2300, 3200))
FORMANT_BANDWIDTHS_HZ = (80, 110, 160)
RMS_LEVEL = 0.05  # -26 dB, a usual active speech level
SYLLABLE_S = 0.2


def speech_like(num_samples: int, seed: int) -> Waveform:
    """A deterministic speech-like waveform (num_samples,) float32 in [-1, 1] at 16 kHz."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    pitch_hz = _wander(rng, time_s, 90, 220)
    phase = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    pulses = np.diff(np.floor(phase), prepend=0.0)
    voiced = lfilter([1.0], [1.0, -0.95], pulses)  # glottal tilt
    voicing = np.clip(_wander(rng, time_s, -0.5, 1.5), 0.0, 1.0)
    source = voicing * voiced + (1 - voicing) * 0.1 * rng.standard_normal(num_samples)
    speech = sum(
        _resonate(source, _wander(rng, time_s, *limits), bandwidth)
        for limits, bandwidth in zip(FORMANT_RANGES_HZ, FORMANT_BANDWIDTHS_HZ, strict=True)
    )
    envelope = np.clip(_wander(rng, time_s, -0.3, 1.0), 0.0, 1.0)
    waveform = speech * envelope
    waveform *= RMS_LEVEL / max(float(np.sqrt(np.mean(waveform**2))), 1e-9)
    waveform += 1e-4 * rng.standard_normal(num_samples)
    return np.clip(waveform, -1.0, 1.0).astype(np.float32)


def _wander(rng: np.random.Generator, time_s: np.ndarray, low: float, high: float) -> np.ndarray:
    """A smooth curve through one random value between ``low`` and ``high`` a syllable."""
    knots = int(time_s[-1] / SYLLABLE_S) + 3
    curve = CubicSpline(np.arange(knots) * SYLLABLE_S, rng.uniform(low, high, knots))
    return np.clip(curve(time_s), low, high)


def _resonate(source: np.ndarray, centre_hz: np.ndarray, bandwidth_hz: float) -> np.ndarray:
    """A formant whose centre moves: baseband filtering of the source around the moving centre."""
    rotation = np.exp(-2j * np.pi * np.cumsum(centre_hz) / SAMPLE_RATE_HZ)
    pole = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE_HZ)
    baseband = lfilter([1 - pole], [1.0, -pole], source * rotation)
    return np.real(baseband * rotation.conj())
