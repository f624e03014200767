"""What recordings go through before a detector is trained on them: RawBoost, codecs, noise, rooms.

An augmentation is called with a waveform and a generator of random numbers, which `utterance_rng`
makes, and `parse_augmentation` reads one from a line of a recipe, such as
``rawboost:5 + 0.5*codec:opus@16000``.
"""

from fakemamba.data.augmentation.augmentation import (
    Augmentation,
    AugmentationError,
    InSeries,
    OneOf,
    Sometimes,
    utterance_rng,
)
from fakemamba.data.augmentation.parsing import parse_augmentation
from fakemamba.data.augmentation.rawboost import RawBoost

__all__ = [
    "Augmentation",
    "AugmentationError",
    "InSeries",
    "OneOf",
    "RawBoost",
    "Sometimes",
    "parse_augmentation",
    "utterance_rng",
]
