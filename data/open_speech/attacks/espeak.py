"""Formant synthesis by rule: espeak-ng."""

from __future__ import annotations

import numpy as np

from fakemamba.data.audio import Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice, at_duration
from fakemamba.data.open_speech.attacks.programs import spoken

OWN_RATE = 160  # words a minute
VARIANTS = ("m1", "m3", "m7", "f1", "f2", "f4")


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    assert voice is not None

    def say(rate: float) -> Waveform:
        words_per_minute = str(max(80, round(OWN_RATE * rate)))  # 80 is its slowest
        options = ["-v", voice.name, "-s", words_per_minute, "-f", "{input}", "-w", "{output}"]
        return spoken(["espeak-ng", *options], original.text.encode())

    return at_duration(say, len(original.speech))


ATTACK = Attack(
    name="espeak-ng",
    kind="formant synthesis",
    vocoder="formant",
    unseen=False,
    forge=_forge,
    voices={
        language: tuple(
            Voice(f"{language}+{variant}", f"espeak-ng-{variant}", "espeak-ng")
            for variant in VARIANTS
        )
        for language in ("fr", "it", "ru")
    },
    debian=("espeak-ng",),
)
