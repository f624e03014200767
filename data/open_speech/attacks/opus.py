"""Copy-synthesis by a low-rate codec: Opus at 10 kbit/s.

At 9 kbit/s and less Opus drops what is above 4 kHz, and bandwidth alone would tell; this is the
lowest rate at which it keeps the band.
"""

from __future__ import annotations

import numpy as np

from fakemamba.data.audio import Waveform
from fakemamba.data.coding import coded
from fakemamba.data.open_speech.attacks.attack import Attack, Original, Voice

BITS_PER_S = 10_000
SPEECH = {"application": "voip", "vbr": "off"}


def _forge(original: Original, voice: Voice | None, rng: np.random.Generator) -> Waveform:
    return coded(original.speech, "libopus", "ogg", BITS_PER_S, SPEECH)


ATTACK = Attack(
    name="opus-10k",
    kind="copy-synthesis (codec)",
    vocoder="opus",
    unseen=True,
    forge=_forge,
)
