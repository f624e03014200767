"""Statistical parametric synthesis: the Clustergen voices of flite."""

from __future__ import annotations

import numpy as np

from fakemamba.data.audio import Waveform
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice, at_duration
from fakemamba.data.open_speech.attacks.programs import spoken

LICENCE = "LicenseRef-CMU-flite"


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    assert voice is not None

    def say(rate: float) -> Waveform:
        stretch = f"duration_stretch={1 / rate:.4f}"
        options = ["-voice", voice.name, "--setf", stretch, "-f", "{input}", "-o", "{output}"]
        return spoken(["flite", *options], original.text.encode())

    return at_duration(say, len(original.speech))


ATTACK = Attack(
    name="flite",
    kind="statistical parametric synthesis (Clustergen)",
    vocoder="mlsa",
    unseen=True,
    forge=_forge,
    voices={
        "en": tuple(Voice(name, f"cmu-{name}", "flite", LICENCE) for name in ("slt", "rms", "awb"))
    },
    debian=("flite",),
)
