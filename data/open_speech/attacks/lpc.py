"""Copy-synthesis by linear prediction: pulses or noise through an all-pole filter.

The classical vocoder (Atal and Hanauer 1971, "Speech analysis and synthesis by linear prediction of
the speech wave").
"""

from __future__ import annotations

import numpy as np
from scipy.signal import get_window, lfilter

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice

ORDER = 18
WINDOW, HOP = 480, 240  # samples: 30 ms, of which half overlaps
TAIL = 320  # samples that a frame's filter rings on
PITCH_WINDOW = 800  # 50 ms
PITCH_HZ = (60, 400)
VOICED = 0.45  # of the autocorrelation's height at a pitch period
WHITENING = 1e-5


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    return resynthesise(original.speech, rng)


def resynthesise(speech: Waveform, rng: np.random.Generator) -> Waveform:
    """Speech (samples,) again from 18 coefficients, a gain and a pitch for each 15 ms."""
    samples = speech.astype(np.float64)
    window = get_window("hann", WINDOW)
    frames = _frames(samples, WINDOW) * window  # (frames, 480)
    coefficients, error = levinson(_autocorrelation(frames, ORDER + 1))
    gain = np.sqrt(error / np.sum(window**2))  # of the excitation, (frames,)
    excitation = _excitation(samples, rng)
    made = np.zeros(len(frames) * HOP + WINDOW + TAIL)
    for index, part in enumerate(_frames(excitation, WINDOW) * window):
        ringing = lfilter([gain[index]], coefficients[index], np.pad(part, (0, TAIL)))
        made[index * HOP : index * HOP + WINDOW + TAIL] += ringing
    return made[WINDOW // 2 : WINDOW // 2 + len(speech)].astype(np.float32)


def levinson(autocorrelation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predictors of many frames at once, by the Levinson-Durbin recursion.

    Args:
        autocorrelation: (frames, order + 1).

    Returns:
        Coefficients of the inverse filter (frames, order + 1), the first one 1, and the power of
        what they do not predict (frames,).
    """
    frames, count = autocorrelation.shape
    coefficients = np.zeros((frames, count))
    coefficients[:, 0] = 1.0
    error = autocorrelation[:, 0].copy()
    for order in range(1, count):
        backward = coefficients[:, order - 1 :: -1]
        rest = (coefficients[:, :order] * autocorrelation[:, order:0:-1]).sum(axis=1)
        reflection = -rest / error
        coefficients[:, 1 : order + 1] += reflection[:, None] * backward
        error *= 1 - reflection**2
    return coefficients, error


def _excitation(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pulses where the speech is voiced and noise where it is not, of power one."""
    correlation = _autocorrelation(
        _frames(samples, PITCH_WINDOW), SAMPLE_RATE_HZ // PITCH_HZ[0] + 1
    )
    shortest = SAMPLE_RATE_HZ // PITCH_HZ[1]
    period = shortest + np.argmax(correlation[:, shortest:], axis=1)  # samples, (frames,)
    height = np.take_along_axis(correlation, period[:, None], axis=1)[:, 0] / correlation[:, 0]
    nearest = np.arange(len(samples)) // HOP  # frame of each sample
    voiced = (height > VOICED)[nearest]
    pulses = np.diff(np.floor(np.cumsum(1 / period[nearest])), prepend=0.0)
    noise = rng.standard_normal(len(samples))
    return np.where(voiced, pulses * np.sqrt(period[nearest]), noise)


def _frames(samples: np.ndarray, window: int) -> np.ndarray:
    """Overlapping frames (frames, window), one each 15 ms; ``i * HOP`` is the centre of ``i``."""
    padded = np.pad(samples, (window // 2, window))
    count = len(samples) // HOP + 1
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP][:count]


def _autocorrelation(frames: np.ndarray, lags: int) -> np.ndarray:
    size = 1 << (frames.shape[1] + lags).bit_length()
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    correlation = np.fft.irfft(power)[:, :lags]
    correlation[:, 0] = correlation[:, 0] * (1 + WHITENING) + 1e-9
    return correlation


ATTACK = Attack(
    name="lpc",
    kind="copy-synthesis (linear prediction)",
    vocoder="lpc",
    unseen=False,
    forge=_forge,
)
