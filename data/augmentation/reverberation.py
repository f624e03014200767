"""Speech in a room: convolved with an impulse response, recorded or made of decaying noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.signal import oaconvolve

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.augmentation.augmentation import AugmentationError, check_range, energy
from fakemamba.data.augmentation.recordings import Recordings


class RoomSource(Protocol):
    """Gives impulse responses of rooms."""

    def __call__(self, rng: np.random.Generator) -> Waveform:
        """An impulse response at 16 kHz that begins with the direct sound."""
        ...


@dataclass(frozen=True, slots=True)
class DecayingNoise:
    """Rooms by lot: the direct sound, and at once white noise that decays exponentially.

    Moorer 1979, "About This Reverberation Business".

    Attributes:
        rt60_s: Seconds in which the reverberation falls by 60 dB, drawn uniformly.
        direct_to_reverberant_db: Energy of the direct sound over all the rest, drawn uniformly.

    Raises:
        AugmentationError: something is no range.
    """

    rt60_s: tuple[float, float] = (0.2, 0.8)
    direct_to_reverberant_db: tuple[float, float] = (0.0, 15.0)

    def __post_init__(self) -> None:
        check_range("rt60_s", self.rt60_s, 0.01, 20.0)
        check_range("direct_to_reverberant_db", self.direct_to_reverberant_db)

    def __call__(self, rng: np.random.Generator) -> Waveform:
        """See `RoomSource`."""
        rt60_s = rng.uniform(*self.rt60_s)
        ratio_db = rng.uniform(*self.direct_to_reverberant_db)
        time_s = np.arange(int(rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        response = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
        response[0] = 0.0
        response *= 10 ** (-ratio_db / 20) / np.sqrt(energy(response))
        response[0] = 1.0
        return response.astype(np.float32)


@dataclass(frozen=True, slots=True)
class RecordedRooms:
    """Impulse responses from files, from their largest sample on."""

    recordings: Recordings

    def __call__(self, rng: np.random.Generator) -> Waveform:
        """See `RoomSource`.

        Raises:
            AudioError: a file cannot be read.
            AugmentationError: there is nothing but silence in it.
        """
        path, response = self.recordings.draw(rng)
        if not response.any():
            raise AugmentationError(f"{path}: an impulse response that is silent; leave it out")
        return response[np.abs(response).argmax() :]


@dataclass(frozen=True, slots=True)
class Reverberation:
    """An augmentation: the waveform in a room, as loud as it was and not delayed."""

    rooms: RoomSource = DecayingNoise()

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        reverberant = oaconvolve(waveform, self.rooms(rng))[: len(waveform)]
        after = energy(reverberant)
        if after == 0:
            return waveform
        return (reverberant * np.sqrt(energy(waveform) / after)).astype(np.float32)
