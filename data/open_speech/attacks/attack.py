"""What an attack is: a way to make speech that passes for a person's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.open_speech.channel import cut_to_speech

ROUNDS = 3  # of speaking at another rate until the duration fits
TOLERANCE = 0.02
RATES = (0.5, 2.0)
USUAL_RATES = (0.4, 2.5)  # a synthesizer that needs another one did not say the text


class ForgeryError(ValueError):
    """An attack did not give what was asked of it; the message says what it gave."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A synthesizer's voice: its name there, whose it is, where it is from and its licence.

    ``licence`` is None where the program's does not reach what it says.
    """

    name: str
    speaker: str
    package: str
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The human recording that an attack forges: speech (samples,) at 16 kHz, and its text."""

    speech: Waveform
    text: str
    language: str


Forge = Callable[[Original, Voice | None, np.random.Generator], Waveform]


@dataclass(frozen=True)
class Attack:
    """A way to forge speech.

    ``forge`` gives speech (samples,) at 16 kHz, about as long as the original. ``voices`` are those
    of each language; None stands for the original's own, in any language. An ``unseen`` attack is
    in the test alone. ``debian`` are the system packages and ``modules`` the Python modules that it
    needs.
    """

    name: str
    kind: str
    vocoder: str
    unseen: bool
    forge: Forge
    voices: Mapping[str, tuple[Voice, ...]] | None = None
    debian: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def at_duration(say: Callable[[float], Waveform], samples: int) -> Waveform:
    """Speech as long as ``samples``, by speaking faster or slower; silence at its ends is cut.

    Args:
        say: Gives the speech at a rate, of 1 for the voice's own, 2 for twice as fast.
        samples: How long it is to be, at 16 kHz.

    Raises:
        ForgeryError: the voice's own duration is so far from it that it said something else.
    """
    speech = cut_to_speech(say(1.0))
    needed = rate = len(speech) / samples
    if not USUAL_RATES[0] <= needed <= USUAL_RATES[1]:
        raise ForgeryError(
            f"{len(speech) / SAMPLE_RATE_HZ:.2f} s of speech for {samples / SAMPLE_RATE_HZ:.2f} s"
        )
    for _ in range(ROUNDS):
        if abs(len(speech) / samples - 1) <= TOLERANCE:
            break
        speech = cut_to_speech(say(float(np.clip(rate, *RATES))))
        rate *= len(speech) / samples
    return speech
