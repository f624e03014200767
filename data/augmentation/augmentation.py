"""What an augmentation is, how several make one, and where an utterance's random numbers are from.

Nothing here or in the augmentations keeps a state, so what becomes of an utterance does not depend
on how many workers there are, nor on what they did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np

from fakemamba.data.audio import Waveform


class AugmentationError(ValueError):
    """An augmentation that there is not, or that cannot be done; the message says what to do."""


class Augmentation(Protocol):
    """Changes a waveform and leaves its length."""

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """A waveform (samples,) float32 at 16 kHz to another; the first one stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class InSeries:
    """One augmentation after the other."""

    steps: tuple[Augmentation, ...]

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        for step in self.steps:
            waveform = step(waveform, rng)
        return waveform


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some augmentations, each with the same chance."""

    choices: tuple[Augmentation, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise AugmentationError("there is no augmentation to choose from")

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        return self.choices[rng.integers(len(self.choices))](waveform, rng)


@dataclass(frozen=True, slots=True)
class Sometimes:
    """An augmentation with a probability; else the waveform stays as it is."""

    probability: float
    augmentation: Augmentation

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise AugmentationError(f"a probability is from 0 to 1, not {self.probability}")

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        return self.augmentation(waveform, rng) if rng.random() < self.probability else waveform


def utterance_rng(seed: int, epoch: int, trial_id: str) -> np.random.Generator:
    """Random numbers that depend on these three alone.

    They are the same in every process and on every machine (with the same version of NumPy).
    """
    # A digest of it all, as Python's own hash of a text differs from process to process.
    digest = blake2b(f"{seed}/{epoch}/{trial_id}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def check_range(
    name: str, limits: Sequence[float], lowest: float = -np.inf, highest: float = np.inf
) -> None:
    """Refuse what is no range of numbers, smaller one first, within the given bounds.

    Raises:
        AugmentationError: it is none; the message has the name.
    """
    within = len(limits) == 2 and lowest <= limits[0] <= limits[1] <= highest
    if not within or not np.isfinite(limits).all():
        bounds = f" from {lowest:g} to {highest:g}" if np.isfinite([lowest, highest]).all() else ""
        raise AugmentationError(
            f"{name} must be two numbers{bounds}, the smaller one first, not {tuple(limits)}"
        )


def energy(waveform: np.ndarray) -> float:
    """Sum of squares of a waveform (samples,).

    Not by a dot product: BLAS shares that out among threads, and its last digits differ with them.
    """
    return float(np.square(waveform).sum())


def scale_to_snr(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.float64:
    """What noise (samples,) that is not silent has to be multiplied by, to be added at an SNR."""
    return np.sqrt(energy(waveform) / energy(noise)) / 10 ** (snr_db / 20)
