"""RawBoost: convolutive, impulsive and stationary noise, made of nothing but random numbers.

Tak, Kamble, Patino, Todisco, Evans 2022, "RawBoost: A Raw Data Boosting and Augmentation Method
applied to Automatic Speaker Verification Anti-Spoofing". Statistically it is the authors' code with
what is odd in it: filters are early by one sample, and stationary noise may leave full scale. What
is drawn is kept apart from what is done with it, so that both can be checked. With convolutive
noise four seconds take 1.5 to 4 ms of a CPU core, a tenth to a twentieth of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fakemamba.data.audio import Waveform
from fakemamba.data.augmentation.augmentation import AugmentationError, check_range, scale_to_snr
from fakemamba.data.augmentation.notch_filters import (
    NYQUIST_HZ,
    NotchFilters,
    Samples,
    filter_taps,
    filtered_powers,
)

# The parts of each algorithm in their order; in 8 both get the clean waveform and are added.
ALGORITHMS = {
    0: (),
    1: ("convolutive",),
    2: ("impulsive",),
    3: ("stationary",),
    4: ("convolutive", "impulsive", "stationary"),
    5: ("convolutive", "impulsive"),
    6: ("convolutive", "stationary"),
    7: ("impulsive", "stationary"),
    8: ("convolutive", "impulsive"),
}
PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Impulses:
    """Where impulses are (impulses,), no sample twice, and how large they are.

    Factor 0.5 makes of a sample one and a half of it.
    """

    places: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True, slots=True)
class StationaryNoise:
    """White noise (samples,), the one filter that it goes through, and the SNR that it ends at."""

    white: np.ndarray
    filters: NotchFilters
    snr_db: float


@dataclass(frozen=True, slots=True)
class RawBoost:
    """An augmentation; its fields are the ranges that are drawn from, uniformly.

    Attributes:
        algorithm: 0 nothing, 1 convolutive, 2 impulsive, 3 stationary noise, 4 all in series,
            5 = 1 then 2, 6 = 1 then 3, 7 = 2 then 3, 8 = 1 beside 2.
        powers: Powers of the waveform that convolutive noise is the sum of, each filtered.
        notches: Of a filter.
        centre_hz: Of a notch.
        width_hz: Of a notch.
        taps: Of a notch; odd numbers are taken.
        gain_db: Largest gain of a filter.
        higher_powers_lower_db: How much further down the gain's two limits are for all powers but
            the first.
        impulses_percent: The most samples with an impulse.
        impulse_gain: The largest factor of an impulse.
        snr_db: Of stationary noise.

    Raises:
        AugmentationError: a value that makes no sense.
    """

    algorithm: int = 5
    powers: int = 5
    notches: int = 5
    centre_hz: tuple[float, float] = (20.0, 8_000.0)
    width_hz: tuple[float, float] = (100.0, 1_000.0)
    taps: tuple[int, int] = (10, 100)
    gain_db: tuple[float, float] = (0.0, 0.0)
    higher_powers_lower_db: tuple[float, float] = (5.0, 20.0)
    impulses_percent: float = 10.0
    impulse_gain: float = 2.0
    snr_db: tuple[float, float] = (10.0, 40.0)

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise AugmentationError(
                f"RawBoost has the algorithms 0 to {max(ALGORITHMS)}, but not {self.algorithm}"
            )
        if min(self.powers, self.notches) < 1:
            raise AugmentationError("RawBoost needs at least one power and one notch")
        check_range("centre_hz", self.centre_hz, 0.0, NYQUIST_HZ)
        check_range("width_hz", self.width_hz, 1.0, 2 * NYQUIST_HZ)
        check_range("taps", self.taps, 2, 10_000)
        check_range("gain_db", self.gain_db)
        if not np.isfinite([*self.higher_powers_lower_db, self.impulse_gain]).all():
            raise AugmentationError("higher_powers_lower_db and impulse_gain must be finite")
        check_range("impulses_percent", (0.0, self.impulses_percent), 0.0, 100.0)
        check_range("snr_db", self.snr_db)

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """See `Augmentation`."""
        boosted: Samples = waveform
        parts = [getattr(self, part) for part in ALGORITHMS[self.algorithm]]
        if self.algorithm == PARALLEL:
            boosted = within_full_scale(sum(part(waveform, rng) for part in parts))
        else:
            for part in parts:
                boosted = part(boosted, rng)
        return boosted.astype(np.float32, copy=False)

    def convolutive(self, waveform: Samples, rng: np.random.Generator) -> Samples:
        """Algorithm 1: linear and non-linear convolutive noise."""
        return add_convolutive(waveform, self.draw_filters(rng, self.powers))

    def impulsive(self, waveform: Samples, rng: np.random.Generator) -> Samples:
        """Algorithm 2: impulsive noise that depends on the signal."""
        return add_impulses(waveform, self.draw_impulses(rng, len(waveform)))

    def stationary(self, waveform: Samples, rng: np.random.Generator) -> Samples:
        """Algorithm 3: stationary noise that does not depend on the signal."""
        return add_stationary(waveform, self.draw_stationary(rng, len(waveform)))

    def draw_filters(self, rng: np.random.Generator, count: int) -> NotchFilters:
        """A filter for the first power and, with lower gains, for those after it."""
        shape = (count, self.notches)
        lower_db = np.multiply.outer(self.higher_powers_lower_db, np.arange(count) > 0)
        # (2, filters), sorted, as 5 and 20 dB below 0 are upper and lower limit.
        limits_db = np.sort(np.array(self.gain_db)[:, None] - lower_db, axis=0)
        taps = rng.uniform(*self.taps, shape).astype(int)
        return NotchFilters(
            centre_hz=rng.uniform(*self.centre_hz, shape),
            width_hz=rng.uniform(*self.width_hz, shape),
            taps=taps + 1 - taps % 2,
            gain_db=rng.uniform(*limits_db),
        )

    def draw_impulses(self, rng: np.random.Generator, samples: int) -> Impulses:
        """Impulses at up to a share of all samples, each sample with the same chance."""
        count = int(samples * rng.uniform(0.0, self.impulses_percent) / 100)
        places = rng.choice(samples, count, replace=False, shuffle=False)
        signed = 2 * rng.random((2, count), dtype=np.float32) - 1
        return Impulses(places, self.impulse_gain * signed[0] * signed[1])

    def draw_stationary(self, rng: np.random.Generator, samples: int) -> StationaryNoise:
        """White noise and what becomes of it."""
        return StationaryNoise(
            white=gaussian(rng, samples),
            filters=self.draw_filters(rng, 1),
            snr_db=float(rng.uniform(*self.snr_db)),
        )


def add_convolutive(waveform: Samples, filters: NotchFilters) -> Samples:
    """The sum of the waveform's powers (samples,), each through its filter; no mean, in [-1, 1]."""
    noisy = filtered_powers(waveform, filter_taps(filters))
    noisy -= noisy.mean()
    return within_full_scale(noisy)


def add_impulses(waveform: Samples, impulses: Impulses) -> Samples:
    """The waveform (samples,) with impulses that are as large as what they are added to."""
    noisy = waveform.copy()
    noisy[impulses.places] *= 1.0 + impulses.factors
    return within_full_scale(noisy)


def add_stationary(waveform: Samples, noise: StationaryNoise) -> Samples:
    """The waveform (samples,) with coloured noise; it may leave full scale."""
    coloured = filtered_powers(noise.white, filter_taps(noise.filters))
    coloured *= scale_to_snr(waveform, coloured, noise.snr_db)
    return waveform + coloured


def within_full_scale(waveform: Samples) -> Samples:
    """The waveform, divided by its largest magnitude if that is more than one."""
    largest = max(waveform.max(), -waveform.min())
    return waveform / largest if largest > 1 else waveform


def gaussian(rng: np.random.Generator, samples: int) -> Waveform:
    """Standard normal numbers (samples,) float32, by Box and Muller's method.

    NumPy's own method goes number by number and takes four times as long as vectors do.
    """
    half = -(-samples // 2)
    bits = rng.integers(2**64, size=half, dtype=np.uint64).view(np.uint32)
    uniform = bits.astype(np.float32)  # in place from here on, as new memory takes time
    uniform += 0.5
    uniform *= 2**-32  # in (0, 1]
    radius, angle = uniform[:half], uniform[half:]
    np.log(radius, out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    angle *= 2 * np.pi
    normal = np.stack([np.cos(angle), np.sin(angle)])
    normal *= radius
    return normal.reshape(-1)[:samples]
