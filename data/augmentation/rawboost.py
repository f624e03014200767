"""RawBoost: convolutive, impulsive and stationary noise, made of nothing but random numbers.

Tak, Kamble, Patino, Todisco, Evans 2022, "RawBoost: A Raw Data Boosting and Augmentation Method
applied to Automatic Speaker Verification Anti-Spoofing". Statistically it is the authors' code with
what is odd in it: filters are early by one sample, and stationary noise may leave full scale. What
is drawn is kept apart from what is done with it, so that both can be checked. docs/augmentation.md
has what it costs.
"""
# mypy: disable-error-code="untyped-decorator"
# numba's decorators have no types; the kernels under them do.

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from fakemamba.data.audio import Waveform
from fakemamba.data.augmentation.augmentation import AugmentationError, check_range
from fakemamba.data.augmentation.draws import places_and_products, standard_normal
from fakemamba.data.augmentation.notch_filters import (
    NYQUIST_HZ,
    NotchFilters,
    filter_taps,
    filtered_powers,
    unscaled_taps,
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
        boosted = waveform
        parts = [getattr(self, part) for part in ALGORITHMS[self.algorithm]]
        if self.algorithm == PARALLEL:
            boosted = within_full_scale(sum(part(waveform, rng) for part in parts))
        else:
            for part in parts:
                boosted = part(boosted, rng)
        return boosted.astype(np.float32, copy=False)

    def convolutive(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Algorithm 1: linear and non-linear convolutive noise."""
        return add_convolutive(waveform, self.draw_filters(rng, self.powers))

    def impulsive(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Algorithm 2: impulsive noise that depends on the signal."""
        return add_impulses(waveform, self.draw_impulses(rng, len(waveform)))

    def stationary(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """Algorithm 3: stationary noise that does not depend on the signal."""
        return add_stationary(waveform, self.draw_stationary(rng, len(waveform)))

    def draw_filters(self, rng: np.random.Generator, count: int) -> NotchFilters:
        """A filter for the first power and, with lower gains, for those after it."""
        shape = (count, self.notches)
        pairs = zip(self.gain_db, self.higher_powers_lower_db, strict=True)
        higher_db = sorted(gain - lower for gain, lower in pairs)  # 20 and 5 dB below zero
        low_db, high_db = np.array([self.gain_db, *[higher_db] * (count - 1)]).T  # (filters,)
        taps = rng.uniform(*self.taps, shape).astype(int)
        return NotchFilters(
            centre_hz=rng.uniform(*self.centre_hz, shape),
            width_hz=rng.uniform(*self.width_hz, shape),
            taps=taps + 1 - taps % 2,
            gain_db=low_db + (high_db - low_db) * rng.random(count),
        )

    def draw_impulses(self, rng: np.random.Generator, samples: int) -> Impulses:
        """Impulses at up to a share of all samples, each sample with the same chance."""
        count = int(samples * rng.uniform(0.0, self.impulses_percent) / 100)
        places, products = places_and_products(rng, samples, count)
        return Impulses(places, self.impulse_gain * products)

    def draw_stationary(self, rng: np.random.Generator, samples: int) -> StationaryNoise:
        """White noise and what becomes of it."""
        return StationaryNoise(
            white=standard_normal(rng, samples),
            filters=self.draw_filters(rng, 1),
            snr_db=float(rng.uniform(*self.snr_db)),
        )


def add_convolutive(waveform: Waveform, filters: NotchFilters) -> Waveform:
    """The sum of the waveform's powers (samples,), each through its filter; no mean, in [-1, 1]."""
    noisy = filtered_powers(waveform, filter_taps(filters))
    noisy -= noisy.mean()
    return within_full_scale(noisy)


def add_impulses(waveform: Waveform, impulses: Impulses) -> Waveform:
    """The waveform (samples,) with impulses that are as large as what they are added to."""
    noisy = waveform.copy()
    _amplify(noisy, impulses.places, impulses.factors)
    return within_full_scale(noisy)


def add_stationary(waveform: Waveform, noise: StationaryNoise) -> Waveform:
    """The waveform (samples,) with coloured noise; it may leave full scale."""
    # The filter's gain is of no account, as the noise is brought to its SNR.
    coloured = filtered_powers(noise.white, unscaled_taps(noise.filters))
    _add_to(coloured, waveform, 10 ** (-noise.snr_db / 20))
    return coloured


def within_full_scale(waveform: Waveform) -> Waveform:
    """The waveform, divided by its largest magnitude if that is more than one."""
    largest = max(waveform.max(), -waveform.min())
    return waveform / largest if largest > 1 else waveform


# Each sum is of one thread, so that its last digits do not depend on how many there are; in an
# order that vectors can have.
@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _add_to(noise: Waveform, waveform: Waveform, ratio: float) -> None:
    """Make of noise (samples,) the waveform with that noise, their norms in a ratio."""
    of_noise, of_waveform = 0.0, 0.0
    for i in range(len(noise)):
        of_noise += noise[i] * noise[i]
        of_waveform += waveform[i] * waveform[i]
    scale = np.float32(np.sqrt(of_waveform / of_noise) * ratio)
    for i in range(len(noise)):
        noise[i] = waveform[i] + scale * noise[i]


@njit(cache=True, nogil=True)
def _amplify(noisy: Waveform, places: np.ndarray, factors: np.ndarray) -> None:
    """Multiply some samples by one and their factor."""
    for i in range(len(places)):
        noisy[places[i]] *= 1 + factors[i]
