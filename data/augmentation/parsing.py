"""Augmentations as a recipe writes them, in one line of text."""

from __future__ import annotations

import re
from pathlib import Path

from fakemamba.data.augmentation.augmentation import (
    Augmentation,
    AugmentationError,
    InSeries,
    OneOf,
    Sometimes,
)
from fakemamba.data.augmentation.codecs import CODECS, Codec
from fakemamba.data.augmentation.noise import (
    AdditiveNoise,
    Babble,
    NoiseSource,
    RecordedNoise,
    pink,
    white,
)
from fakemamba.data.augmentation.rawboost import ALGORITHMS, RawBoost
from fakemamba.data.augmentation.recordings import Recordings
from fakemamba.data.augmentation.reverberation import DecayingNoise, RecordedRooms, Reverberation

FORMS = (
    f"rawboost:0 to rawboost:{max(ALGORITHMS)}; "
    f"codec:NAME or codec:NAME@BITS_PER_S with {', '.join(CODECS)}; "
    "noise:white, noise:pink, noise:babble=FOLDER or noise:FOLDER, also with @DB or @LOW..HIGH; "
    "reverb, reverb:RT60_S, reverb:LOW..HIGH or reverb:FOLDER"
)


def parse_augmentation(text: str) -> Augmentation:
    """The augmentation that a text says.

    ``A + B`` is one after the other, ``A | B`` one of them by lot, and ``0.3*A`` is A with a
    probability (``0.3*A | B``: one of them with a probability). A is one of ``rawboost:5``,
    ``codec:opus@16000``, ``codec:alaw``, ``noise:white@10..40``, ``noise:pink@20``,
    ``noise:babble=FOLDER@10..20``, ``noise:FOLDER``, ``reverb``, ``reverb:0.2..0.8`` and
    ``reverb:FOLDER``. Spaces around ``+`` and ``|`` tell them from those in a name.

    Raises:
        AugmentationError: it says none; the message names all there are.
    """
    steps = tuple(_step(step.strip()) for step in re.split(r"\s\+\s", text))
    return steps[0] if len(steps) == 1 else InSeries(steps)


def _step(text: str) -> Augmentation:
    probability, star, rest = text.partition("*")
    if star and (number := _number(probability)) is not None:
        return Sometimes(number, _step(rest.strip()))
    choices = tuple(_single(choice.strip()) for choice in re.split(r"\s\|\s", text))
    return choices[0] if len(choices) == 1 else OneOf(choices)


def _single(text: str) -> Augmentation:
    kind, colon, rest = text.partition(":")
    if kind == "rawboost" and rest.isdecimal():
        return RawBoost(int(rest))
    if kind == "codec" and (found := re.fullmatch(r"(\w+)(?:@([0-9]+))?", rest)):
        return Codec(found[1], int(found[2]) if found[2] else None)
    if kind == "noise" and rest:
        source, at, snr_db = rest.rpartition("@")
        if at and (limits := _range(snr_db)):
            return AdditiveNoise(_noise_source(source), limits)
        return AdditiveNoise(_noise_source(rest))
    if kind == "reverb" and not colon:
        return Reverberation()
    if kind == "reverb" and rest:
        if limits := _range(rest):
            return Reverberation(DecayingNoise(limits))
        return Reverberation(RecordedRooms(_recordings(rest)))
    raise AugmentationError(f"{text!r} is no augmentation; there are {FORMS}")


def _noise_source(text: str) -> NoiseSource:
    if text in ("white", "pink"):
        return white if text == "white" else pink
    if text.startswith("babble="):
        return Babble(_recordings(text.removeprefix("babble=")))
    return RecordedNoise(_recordings(text))


def _recordings(text: str) -> Recordings:
    if not Path(text).is_dir():
        raise AugmentationError(f"{text!r} is no folder, nor anything else that there is: {FORMS}")
    return Recordings.in_folder(text)


def _range(text: str) -> tuple[float, float] | None:
    """``10..40`` or ``10`` (which is ``10..10``), or None."""
    low, _, high = text.partition("..")
    limits = _number(low), _number(high or low)
    return None if limits[0] is None or limits[1] is None else (limits[0], limits[1])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
