"""RawBoost and a slow twin: equal for the same numbers, statistically equal for others."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, freqz, lfilter
from scipy.stats import chisquare, ks_1samp, ks_2samp, norm, uniform

from fakemamba.data.augmentation import AugmentationError, RawBoost, utterance_rng
from fakemamba.data.augmentation.draws import philox, places_and_products, standard_normal
from fakemamba.data.augmentation.notch_filters import BLOCK, GROUP, NotchFilters, filter_taps
from fakemamba.data.augmentation.rawboost import (
    ALGORITHMS,
    Impulses,
    StationaryNoise,
    add_convolutive,
    add_impulses,
    add_stationary,
)
from fakemamba.data.recordings import real_speech

LEAST_P = 0.001  # of a test with a fixed seed: it fails for what differs, not by chance


class Twin:
    """RawBoost step by step, one number at a time, with its default ranges."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def filter_numbers(self, low_db=0.0, high_db=0.0):
        notches = []
        for _ in range(5):
            centre = self.rng.uniform(20, 8000)
            width = self.rng.uniform(100, 1000)
            taps = int(self.rng.uniform(10, 100))
            notches.append((centre, width, taps + 1 if taps % 2 == 0 else taps))
        return notches, low_db + (high_db - low_db) * self.rng.random()

    @staticmethod
    def taps(notches, gain_db):
        whole = np.ones(1)
        for centre, width, taps in notches:
            edges = [max(centre - width / 2, 0.001), min(centre + width / 2, 7999.999)]
            whole = np.convolve(whole, firwin(taps, edges, window="hamming", fs=16_000))
        _, response = freqz(whole, worN=512)
        return 10 ** (gain_db / 20) * whole / np.abs(response).max()

    @staticmethod
    def filtered(x, taps):
        padding = len(taps) + 1
        y = lfilter(taps, [1.0], np.concatenate([x, np.zeros(padding)]))
        return y[padding // 2 : len(y) - padding // 2]

    @staticmethod
    def limited(x):
        return x / np.abs(x).max() if np.abs(x).max() > 1 else x

    def convolutive(self, x, filters=None):
        if filters is None:
            filters = [self.filter_numbers(*((0, 0) if i == 0 else (-5, -20))) for i in range(5)]
        y = np.zeros(len(x))
        for i, numbers in enumerate(filters):
            y += self.filtered(np.power(x, i + 1), self.taps(*numbers))
        return self.limited(y - y.mean())

    def impulse_numbers(self, samples):
        count = int(samples * self.rng.uniform(0, 10) / 100)
        places = self.rng.permutation(samples)[:count]
        return places, (2 * self.rng.random(count) - 1) * (2 * self.rng.random(count) - 1)

    def impulsive(self, x, places=None, factors=None):
        if places is None:
            places, factors = self.impulse_numbers(len(x))
        y = x.copy()
        for place, factor in zip(places, factors, strict=True):
            y[place] = x[place] + 2 * x[place] * factor
        return self.limited(y)

    def stationary(self, x, white=None, numbers=None, snr_db=None):
        if white is None:
            white, numbers = self.rng.normal(size=len(x)), self.filter_numbers()
            snr_db = self.rng.uniform(10, 40)
        noise = self.filtered(white, self.taps(*numbers))
        noise = noise / np.abs(noise).max()
        return x + noise / np.linalg.norm(noise) * np.linalg.norm(x) / 10 ** (snr_db / 20)

    def boost(self, x, algorithm):
        one, two, three = self.convolutive, self.impulsive, self.stationary
        return {
            0: lambda: x,
            1: lambda: one(x),
            2: lambda: two(x),
            3: lambda: three(x),
            4: lambda: three(two(one(x))),
            5: lambda: two(one(x)),
            6: lambda: three(one(x)),
            7: lambda: three(two(x)),
            8: lambda: self.limited(one(x) + two(x)),
        }[algorithm]()


def together(filters):
    """The twin's filters as ours."""
    notches = np.array([numbers for numbers, _ in filters])  # (filters, 5, 3)
    return NotchFilters(
        centre_hz=notches[..., 0],
        width_hz=notches[..., 1],
        taps=notches[..., 2].astype(int),
        gain_db=np.array([gain_db for _, gain_db in filters]),
    )


def apart(filters):
    """Our filters as the twin's."""
    notches = np.stack([filters.centre_hz, filters.width_hz, filters.taps], axis=-1)
    return [
        ([(c, w, int(taps)) for c, w, taps in row], gain_db)
        for row, gain_db in zip(notches, filters.gain_db, strict=True)
    ]


def signals():
    """Noise at levels from whispered to clipped, of lengths that fall on no block."""
    return st.builds(
        lambda seed, samples, level: np.clip(
            level * np.random.default_rng(seed).standard_normal(samples), -1, 1
        ).astype(np.float32),
        st.integers(0, 999),
        st.one_of(st.integers(1, 600), st.integers(1_000, 30_000)),
        st.sampled_from([1e-4, 0.1, 1.0, 10.0]),
    )


@settings(max_examples=30)
@given(waveform=signals(), seed=st.integers(0, 999))
def test_convolutive_noise_is_the_twins(waveform, seed):
    twin = Twin(seed)
    filters = [twin.filter_numbers(-20, 5) for _ in range(5)]
    ours = add_convolutive(waveform, together(filters))
    theirs = twin.convolutive(waveform.astype(float), filters)
    assert ours.dtype == np.float32 and ours.shape == waveform.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_a_recording_of_several_groups_of_blocks_is_filtered_as_one():
    twin, speech = Twin(8), np.tile(real_speech(30_000, 3), 6)
    filters = [twin.filter_numbers(-20, 5) for _ in range(2)]
    ours = add_convolutive(speech, together(filters))
    assert len(speech) > GROUP * BLOCK
    np.testing.assert_allclose(ours, twin.convolutive(speech.astype(float), filters), atol=1e-6)


def test_threads_make_no_difference():
    speech, few = real_speech(64_600, 4), torch.get_num_threads()
    alone = RawBoost(4)(speech, utterance_rng(0, 0, "a"))
    torch.set_num_threads(few + 1)
    try:
        np.testing.assert_array_equal(RawBoost(4)(speech, utterance_rng(0, 0, "a")), alone)
    finally:
        torch.set_num_threads(few)


@settings(max_examples=30)
@given(waveform=signals(), seed=st.integers(0, 999))
def test_impulsive_noise_is_the_twins(waveform, seed):
    twin = Twin(seed)
    places, factors = twin.impulse_numbers(len(waveform))
    ours = add_impulses(waveform, Impulses(places, 2 * factors))
    theirs = twin.impulsive(waveform.astype(float), places, factors)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@settings(max_examples=30)
@given(waveform=signals(), seed=st.integers(0, 999), snr_db=st.floats(10, 40))
def test_stationary_noise_is_the_twins(waveform, seed, snr_db):
    twin = Twin(seed)
    white, numbers = twin.rng.normal(size=len(waveform)), twin.filter_numbers()
    noise = StationaryNoise(white.astype(np.float32), together([numbers]), snr_db)
    theirs = twin.stationary(waveform.astype(float), white, numbers, snr_db)
    np.testing.assert_allclose(add_stationary(waveform, noise), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("notches", "taps"), [(1, (2, 3)), (5, (10, 100)), (12, (150, 260))])
def test_filters_of_other_sizes_are_the_twins(notches, taps):
    filters = RawBoost(notches=notches, taps=taps).draw_filters(np.random.default_rng(1), 3)
    ours = filter_taps(filters)
    for row, numbers in zip(ours, apart(filters), strict=True):
        theirs = Twin.taps(*numbers)
        margin = (len(row) - len(theirs)) // 2
        np.testing.assert_allclose(row, np.pad(theirs, margin), rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_has_its_parts_in_order(algorithm):
    """Our numbers, put into the twin one after the other, give what the algorithm gave."""

    class Fed(Twin):
        """The twin, with the numbers that RawBoost draws from the same generator."""

        def __init__(self, rng):
            self.draws, self.rng = RawBoost(), rng

        def convolutive(self, x):
            return super().convolutive(x, apart(self.draws.draw_filters(self.rng, 5)))

        def impulsive(self, x):
            impulses = self.draws.draw_impulses(self.rng, len(x))
            return super().impulsive(x, impulses.places, impulses.factors / 2)

        def stationary(self, x):
            noise = self.draws.draw_stationary(self.rng, len(x))
            return super().stationary(x, noise.white, apart(noise.filters)[0], noise.snr_db)

    speech = 3 * real_speech(9_001, 1)
    before = speech.copy()
    ours = RawBoost(algorithm)(speech, utterance_rng(1, 2, "a"))
    theirs = Fed(utterance_rng(1, 2, "a")).boost(speech.astype(float), algorithm)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(speech, before)


def same(ours, theirs):
    return ks_2samp(ours, theirs, method="asymp").pvalue > LEAST_P


def test_filters_have_the_twins_spectra_in_mean_and_spread():
    twin, count = Twin(1), 600
    drawn = RawBoost().draw_filters(np.random.default_rng(2), count)
    first, higher = together([twin.filter_numbers() for _ in range(count)]), drawn.gain_db[1:]
    assert drawn.gain_db[0] == 0 and same(higher, twin.rng.uniform(-20, -5, count))
    assert higher.min() >= -20 and higher.max() <= -5
    np.testing.assert_array_equal(np.unique(drawn.taps), np.arange(11, 100, 2))
    assert same(drawn.taps.ravel(), first.taps.ravel())
    level = NotchFilters(drawn.centre_hz, drawn.width_hz, drawn.taps, np.zeros(count))
    ours = np.abs(np.fft.rfft(filter_taps(level), 1024))[:, :512]
    theirs = np.array([np.abs(freqz(Twin.taps(*n), worN=512)[1]) for n in apart(first)])
    np.testing.assert_allclose(ours.max(axis=1), 1.0, atol=1e-9)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / count)
    # Neighbouring frequencies go together: of some 50 that are apart, none is off by 4 deviations.
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.25)
    assert all(same(ours[:, bin_], theirs[:, bin_]) for bin_ in range(10, 512, 50))


def test_impulses_are_as_many_as_large_and_as_anywhere_as_the_twins():
    samples, count, twin, boost = 4_000, 600, Twin(3), RawBoost(2)
    ours = [boost.draw_impulses(utterance_rng(0, 0, str(i)), samples) for i in range(count)]
    theirs = [twin.impulse_numbers(samples) for _ in range(count)]
    shares = np.array([len(one.places) / samples for one in ours])
    assert shares.max() <= 0.1 and ks_1samp(shares, uniform(0, 0.1).cdf).pvalue > LEAST_P
    assert same(shares, [len(places) / samples for places, _ in theirs])
    assert all(len(np.unique(one.places)) == len(one.places) for one in ours)
    places = np.concatenate([one.places for one in ours])
    factors = np.concatenate([one.factors for one in ours])
    assert ks_1samp(places, uniform(0, samples).cdf).pvalue > LEAST_P
    assert np.abs(factors).max() <= 2
    assert same(factors, 2 * np.concatenate([factors for _, factors in theirs]))


@settings(max_examples=20)
@given(count=st.integers(1, 5_000), seed=st.integers(0, 99))
def test_few_samples_get_no_impulses_twice(count, seed):
    impulses = RawBoost(impulses_percent=100.0).draw_impulses(np.random.default_rng(seed), count)
    assert len(np.unique(impulses.places)) == len(impulses.places) == len(impulses.factors)
    assert not len(impulses.places) or 0 <= impulses.places.min() <= impulses.places.max() < count


@pytest.mark.parametrize(
    ("index", "key", "words"),
    [  # as the generator's authors give them
        (0, 0, (0xFF1DAE59, 0x6CD10DF2)),
        (2**64 - 1, 2**32 - 1 + (2**32 - 1 << 32), (0x2C3F628B, 0xAB4FD7AD)),
        (0x243F6A88, 0x13198A2E + (0x85A308D3 << 32), (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_random_words_are_those_of_philox(index, key, words):
    assert tuple(int(word) for word in philox(np.uint64(index), np.uint64(key))) == words


def test_each_set_of_places_is_as_likely_and_products_are_right():
    rng, pairs, products = np.random.default_rng(7), [], []
    for _ in range(4_000):
        places, product = places_and_products(rng, 6, 2)
        pairs.append(tuple(sorted(places.tolist())))
        products.append(product)
    counts = [pairs.count(pair) for pair in combinations(range(6), 2)]
    assert sum(counts) == 4_000 and chisquare(counts).pvalue > LEAST_P
    # |product| of two uniform numbers has the distribution function x (1 - ln x).
    sizes = np.abs(np.concatenate(products))
    assert ks_1samp(sizes, lambda x: x * (1 - np.log(x))).pvalue > LEAST_P
    assert np.mean(np.concatenate(products) > 0) == pytest.approx(0.5, abs=0.02)


def test_normal_numbers_are_box_and_mullers_to_float32_precision():
    key = np.random.default_rng(9).integers(2**64, dtype=np.uint64)
    drawn = standard_normal(np.random.default_rng(9), 9_999)
    words = np.array([philox(np.uint64(index), key) for index in range(5_000)]).astype(float)
    squares = drawn[:4_999] ** 2 + drawn[5_000:] ** 2
    expected = -2 * np.log((words[:-1, 0] + 0.5) / 2**32)
    np.testing.assert_allclose(squares, expected, rtol=1e-6, atol=1e-6)
    turns = np.arctan2(drawn[5_000:], drawn[:4_999]) / (2 * np.pi)
    error = (turns - words[:-1, 1] / 2**32 + 1 / 8 + 0.5) % 1 - 0.5
    np.testing.assert_allclose(error, 0, atol=1e-6)


def test_white_noise_is_normal_and_white():
    noise = standard_normal(np.random.default_rng(4), 200_001)
    assert noise.shape == (200_001,) and noise.dtype == np.float32
    assert ks_1samp(noise, norm.cdf).pvalue > LEAST_P
    assert same(np.abs(noise[:100_000]), np.abs(noise[100_001:]))
    lags = [np.dot(noise[lag:], noise[: len(noise) - lag]) for lag in (1, 2, 100_000, 100_001)]
    assert np.abs(lags).max() < 4 * np.sqrt(len(noise))  # also between the method's two halves
    tails = standard_normal(np.random.default_rng(5), 4_000_000)
    assert np.mean(np.abs(tails) > 4) == pytest.approx(2 * norm.sf(4), rel=0.25)


def test_the_snr_is_the_one_drawn_and_is_drawn_as_the_twins():
    speech, twin = real_speech(4_000, 0), Twin(5)

    def snr_db(noisy):
        return 20 * np.log10(np.linalg.norm(speech) / np.linalg.norm(noisy - speech))

    drawn = RawBoost(3).draw_stationary(np.random.default_rng(6), 4_000)
    assert snr_db(add_stationary(speech, drawn)) == pytest.approx(drawn.snr_db, abs=1e-3)
    ours = [snr_db(RawBoost(3)(speech, utterance_rng(0, 1, str(i)))) for i in range(400)]
    theirs = [snr_db(twin.stationary(speech.astype(float))) for _ in range(400)]
    assert same(ours, theirs) and ks_1samp(ours, uniform(10, 30).cdf).pvalue > LEAST_P


@pytest.mark.parametrize("algorithm", [number for number in ALGORITHMS if number])
def test_what_comes_out_is_statistically_the_twins(algorithm):
    speech, twin, count = 2 * real_speech(3_000, 2), Twin(algorithm), 150

    def measures(noisy):
        """Level, peak, tilt of the spectrum, and distance from the speech."""
        power = np.abs(np.fft.rfft(noisy)) ** 2
        half = len(power) // 2
        return (
            np.std(noisy),
            np.abs(noisy).max(),
            np.log(power[half:].sum() / power[:half].sum()),
            np.linalg.norm(noisy - speech),
        )

    ours = [
        measures(RawBoost(algorithm)(speech, utterance_rng(algorithm, 0, str(i))))
        for i in range(count)
    ]
    theirs = [measures(twin.boost(speech.astype(float), algorithm)) for _ in range(count)]
    for mine, other in zip(np.transpose(ours), np.transpose(theirs), strict=True):
        assert same(mine, other)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("samples", [1, 400, 64_600])
def test_silence_stays_silent(algorithm, samples):
    silence = np.zeros(samples, np.float32)
    boosted = RawBoost(algorithm)(silence, utterance_rng(0, 0, "a"))
    assert boosted.shape == silence.shape and not np.any(boosted)  # NaN is not zero


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"algorithm": 9}, "0 to 8, but not 9"),
        ({"powers": 0}, "at least one"),
        ({"centre_hz": (20, 9_000)}, "centre_hz .*from 0 to 8000"),
        ({"width_hz": (0, 100)}, "width_hz"),
        ({"taps": (1, 100)}, "taps"),
        ({"gain_db": (3.0, 1.0)}, "gain_db .*smaller one first"),
        ({"impulses_percent": 101.0}, "impulses_percent"),
        ({"impulse_gain": float("nan")}, "finite"),
        ({"snr_db": (10.0, float("inf"))}, "snr_db"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(AugmentationError, match=message):
        RawBoost(**wrong)
