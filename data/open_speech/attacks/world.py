"""The WORLD vocoder (Morise et al. 2016): the same speech again, and speech in another voice."""

from __future__ import annotations

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice

PITCH_RATIOS = (0.7, 0.8, 1.25, 1.4)
FORMANTS_FOLLOW = 0.35  # a voice an octave higher has formants 2^0.35 times as high


def _copy(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    return resynthesise(original.speech, 1.0)


def _convert(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    return resynthesise(original.speech, float(rng.choice(PITCH_RATIOS)))


def resynthesise(speech: Waveform, pitch_ratio: float) -> Waveform:
    """Speech (samples,) made again from its pitch, envelope and aperiodicity.

    With a ``pitch_ratio`` other than 1 the pitch is so many times as high, and the formants move
    with it, as from one person to another.
    """
    import pyworld

    samples = speech.astype(np.float64)
    coarse_hz, times_s = pyworld.dio(samples, SAMPLE_RATE_HZ)
    pitch_hz = pyworld.stonemask(samples, coarse_hz, times_s, SAMPLE_RATE_HZ)  # (frames,)
    envelope = pyworld.cheaptrick(samples, pitch_hz, times_s, SAMPLE_RATE_HZ)  # (frames, bins)
    aperiodicity = pyworld.d4c(samples, pitch_hz, times_s, SAMPLE_RATE_HZ)
    if pitch_ratio != 1.0:
        bins = np.arange(envelope.shape[1])
        source = bins / pitch_ratio**FORMANTS_FOLLOW
        envelope = np.exp(np.stack([np.interp(source, bins, row) for row in np.log(envelope)]))
    made = pyworld.synthesize(pitch_hz * pitch_ratio, envelope, aperiodicity, SAMPLE_RATE_HZ)
    return np.pad(made, (0, max(0, len(speech) - len(made))))[: len(speech)].astype(np.float32)


COPY = Attack(
    name="world",
    kind="copy-synthesis (vocoder)",
    vocoder="world",
    unseen=True,
    forge=_copy,
    modules=("pyworld",),
)
CONVERSION = Attack(
    name="world-conversion",
    kind="voice conversion (vocoder)",
    vocoder="world",
    unseen=True,
    forge=_convert,
    modules=("pyworld",),
)
