"""Copy-synthesis from a mel spectrogram, its phase found by iteration (Griffin and Lim 1984).

The iteration has the momentum of Perraudin et al. 2013, "A fast Griffin-Lim algorithm".
"""

from __future__ import annotations

import numpy as np
from scipy.signal import ShortTimeFFT, get_window
from scipy.sparse import csr_array

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice

WINDOW, HOP = 1_024, 256  # samples
MEL_BANDS = 80
ITERATIONS = 32
MOMENTUM = 0.99


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    return resynthesise(original.speech, rng)


def resynthesise(speech: Waveform, rng: np.random.Generator) -> Waveform:
    """Speech (samples,) again from its magnitudes in 80 mel bands and a phase that is made up."""
    window = get_window("hann", WINDOW)
    transform = ShortTimeFFT(window, HOP, SAMPLE_RATE_HZ)
    samples = np.pad(speech.astype(np.float64), (WINDOW, WINDOW))
    bands = mel_bands(transform.f)  # (bands, bins)
    weights = bands.sum(axis=1)[:, None]
    mel = (bands @ np.abs(transform.stft(samples))) / weights  # (bands, frames)
    magnitude = (bands.T @ mel) / np.maximum(bands.sum(axis=0)[:, None], 1e-9)  # (bins, frames)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    previous = np.zeros_like(phase)
    for _ in range(ITERATIONS):
        made = transform.istft(magnitude * phase, k1=len(samples))
        consistent = transform.stft(made)
        ahead = consistent + MOMENTUM * (consistent - previous)
        phase = ahead / np.maximum(np.abs(ahead), 1e-12)
        previous = consistent
    made = transform.istft(magnitude * phase, k1=len(samples))
    return made[WINDOW : WINDOW + len(speech)].astype(np.float32)


def mel_bands(frequencies_hz: np.ndarray) -> csr_array:
    """Triangles of equal width on the mel scale, (bands, bins), each of height one."""
    top = 2_595 * np.log10(1 + frequencies_hz[-1] / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top, MEL_BANDS + 2) / 2_595) - 1)
    low, centre, high = (corners_hz[i : MEL_BANDS + i, None] for i in range(3))
    step_hz = frequencies_hz[1]
    # No triangle is narrower than a bin on either side, so that none of them is empty.
    rising = 1 + (frequencies_hz - centre) / np.maximum(centre - low, step_hz)
    falling = 1 - (frequencies_hz - centre) / np.maximum(high - centre, step_hz)
    return csr_array(np.maximum(0.0, np.minimum(rising, falling)))


ATTACK = Attack(
    name="griffin-lim",
    kind="copy-synthesis (mel spectrogram)",
    vocoder="griffin-lim",
    unseen=False,
    forge=_forge,
)
