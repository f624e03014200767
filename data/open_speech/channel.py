"""The one channel that every recording of the open corpus goes through, bona fide or spoof.

The human prompts come from a studio through a codec, with pauses that are never digital silence;
synthesizers give clean samples at their own rate, level and band. What of this is left in a corpus
tells its classes apart without a look at the voice: leading silence alone gives 15 % EER on
ASVspoof 2019 LA (Müller et al. 2021, "Speech is Silver, Silence is Golden"). So everything is cut
to its speech, limited to one band and one crest, brought to a level, set between silences and over
a noise floor, and sent through the same G.722 pass. What is drawn is drawn once for a human
recording and all that is forged of it, so that even in a small corpus it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import firwin, get_window, oaconvolve, welch

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.coding import coded

FRAME = 160  # samples, 10 ms
ACTIVE_DB = 40.0  # a frame is speech if it is no further below the loudest one
BAND_HZ = (80.0, 7_000.0)
BAND_TAPS = 641
LEVEL_DBFS = (-26.0, 2.0)  # mean and deviation of active speech
SILENCE_S = (0.1, 0.4)  # before and after the speech
FLOOR_DBFS = (-78.0, -70.0)
FADE = 80  # samples, 5 ms
CREST_DB = 10.0  # of the loudest sample over the active level
LIMITER = 161  # samples, 10 ms
LIMITER_ROUNDS = 4
SPECTRUM = 512  # samples
SMOOTHING = 9  # bins, 280 Hz
GAINS = (0.1, 10.0)


class SilenceError(ValueError):
    """There is no speech."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the channel adds: level, samples of silence at both ends, and noise floor."""

    level_dbfs: float
    lead: int
    trail: int
    floor_dbfs: float


def draw_conditions(rng: np.random.Generator) -> Conditions:
    """Conditions by lot."""
    lead, trail = (int(rng.uniform(*SILENCE_S) * SAMPLE_RATE_HZ) for _ in range(2))
    return Conditions(
        level_dbfs=float(np.clip(rng.normal(*LEVEL_DBFS), -32.0, -20.0)),
        lead=lead,
        trail=trail,
        floor_dbfs=float(rng.uniform(*FLOOR_DBFS)),
    )


def transmit(speech: Waveform, conditions: Conditions, rng: np.random.Generator) -> Waveform:
    """Speech (samples,) as it leaves the channel, (lead + samples + trail,) float32 at 16 kHz.

    Sample ``i`` of the speech is sample ``lead + i`` of the result. ``rng`` draws the noise.
    """
    limited = limited_in_crest(band_limited(speech))
    limited *= 10 ** (conditions.level_dbfs / 20) / active_rms(limited)
    ramp = np.linspace(0.0, 1.0, FADE)
    limited[:FADE] *= ramp
    limited[-FADE:] *= ramp[::-1]
    silent = (conditions.lead, conditions.trail)
    noise = rng.standard_normal(len(speech) + sum(silent))
    floor = 10 ** (conditions.floor_dbfs / 20) * noise
    sent = g722((np.pad(limited, silent) + floor).astype(np.float32))
    return band_limited(sent - sent.mean()).astype(np.float32)  # G.722 makes an offset of peaks


def cut_to_speech(waveform: Waveform) -> Waveform:
    """The waveform from its first to its last frame of speech.

    Raises:
        SilenceError: nothing but digital silence.
    """
    limited = band_limited(waveform)
    power = frame_power(limited)
    if not power.any():
        raise SilenceError("nothing but silence")
    active = np.flatnonzero(power >= power.max() * 10 ** (-ACTIVE_DB / 10))
    return waveform[active[0] * FRAME : (active[-1] + 1) * FRAME]


def band_limited(waveform: Waveform) -> np.ndarray:
    """The waveform without what is below 80 Hz and above 7 kHz, not delayed; float64."""
    taps = firwin(BAND_TAPS, BAND_HZ, pass_zero=False, fs=SAMPLE_RATE_HZ)
    return oaconvolve(waveform.astype(np.float64), taps, mode="same")


def limited_in_crest(waveform: np.ndarray) -> np.ndarray:
    """The waveform with its peaks turned down to 10 dB above its active level, as by a limiter."""
    for _ in range(LIMITER_ROUNDS):  # as the level falls with the peaks
        ceiling = active_rms(waveform) * 10 ** (CREST_DB / 20)
        needed = np.minimum(1.0, ceiling / np.maximum(np.abs(waveform), ceiling))
        held = minimum_filter1d(needed, LIMITER)  # so that the average of what is held fits
        waveform = waveform * uniform_filter1d(held, LIMITER)
    return waveform


def with_spectrum_of(waveform: Waveform, other: Waveform) -> Waveform:
    """The waveform (samples,) with the other's long-term spectrum: its microphone and its studio.

    By at most 20 dB, in bands of a few hundred hertz; the phase stays as it is.
    """
    powers = [welch(one, SAMPLE_RATE_HZ, nperseg=SPECTRUM)[1] for one in (waveform, other)]
    smooth = [uniform_filter1d(power, SMOOTHING) + 1e-12 for power in powers]  # (bins,)
    gain = np.clip(np.sqrt(smooth[1] / smooth[0]), *GAINS)
    taps = np.fft.fftshift(np.fft.irfft(gain)) * get_window("hann", SPECTRUM)
    return oaconvolve(waveform, taps, mode="same").astype(np.float32)


def frame_power(waveform: np.ndarray) -> np.ndarray:
    """Mean square of each whole frame of 10 ms (frames,)."""
    whole = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return np.mean(whole**2, axis=1)


def active_rms(waveform: np.ndarray) -> float:
    """Root mean square of the frames at most 40 dB below the loudest one."""
    power = frame_power(waveform)
    return float(np.sqrt(power[power >= power.max() * 10 ** (-ACTIVE_DB / 10)].mean()))


def g722(waveform: Waveform) -> Waveform:
    """The waveform after one pass through G.722 at 64 kbit/s, as long as it was."""
    return coded(waveform, "g722", "g722", 64_000)
