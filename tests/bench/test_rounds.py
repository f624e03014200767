"""When warm-up and rounds end, on series with known truths."""

import itertools
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.instruments.clock import Reading
from fakemamba.bench.instruments.rounds import Effort, median_interval, time_rounds, warm_up


class Series:
    """Calls that take what a series says, on a clock that they alone move."""

    def __init__(self, times_s):
        self._times_s = iter(times_s)
        self.now_s = 0.0
        self.calls = 0

    def take(self):
        taken_s = next(self._times_s)
        self.now_s += taken_s
        self.calls += 1
        return Reading(taken_s, taken_s, taken_s)

    def now(self):
        return self.now_s


def noisy(level, noise, seed=0):
    rng = random.Random(seed)
    return (level * (1 + rng.gauss(0, noise)) for _ in itertools.count())


def test_warm_up_lasts_until_a_decaying_series_is_steady():
    series = Series(1e-3 * (1 + 9 * 0.5**k) for k in itertools.count())
    result = warm_up(series.take, Effort(3, 1.0), series.now)
    assert result.steady and result.rounds == series.calls
    assert 9 * 0.5 ** (result.rounds - 5) < 0.05, "the last six calls differ little"


def test_warm_up_ends_with_its_time_and_says_so():
    series = Series(0.1 * 0.8**k for k in itertools.count())
    result = warm_up(series.take, Effort(3, 0.25), series.now)
    assert not result.steady and result.rounds == 4  # 0.1 + 0.08 + 0.064 s are not enough


def test_warm_up_has_as_many_calls_as_the_protocol_wants():
    series = Series(itertools.repeat(1e-3))
    assert warm_up(series.take, Effort(3, 0.0, warmup_rounds=10), series.now).rounds == 10


def test_rounds_end_when_the_median_is_certain():
    series = Series(noisy(1e-3, 0.01))
    rounds = time_rounds(series.take, Effort(3, 60.0), series.now)
    samples = [reading.device_s for reading in rounds.readings]
    low, high = median_interval(samples)
    median = statistics.median(samples)
    assert rounds.stopped_by == "precision"
    assert max(median - low, high - median) < 0.01 * median
    assert median == pytest.approx(1e-3, rel=0.01)


def test_rounds_end_with_the_time_if_noise_is_too_large():
    series = Series(noisy(1e-3, 0.5))
    rounds = time_rounds(series.take, Effort(3, 0.1), series.now)
    assert rounds.stopped_by == "time" and series.now_s >= 0.1


def test_slow_calls_are_made_as_often_as_the_least():
    series = Series(noisy(10.0, 0.1))
    rounds = time_rounds(series.take, Effort(5, 1.0), series.now)
    assert rounds.stopped_by == "time" and len(rounds.readings) == 5


def test_a_protocol_of_exactly_a_hundred_rounds_is_kept():
    series = Series(itertools.repeat(1e-3))
    rounds = time_rounds(series.take, Effort(100, 0.0, max_rounds=100), series.now)
    assert rounds.stopped_by == "rounds" and len(rounds.readings) == 100


def test_five_samples_have_no_interval_and_six_have_their_extremes():
    assert median_interval([1, 2, 3, 4, 5]) is None
    assert median_interval([6, 1, 2, 3, 4, 5]) == (1, 6)


@given(st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=200))
def test_the_interval_holds_the_median_and_lies_in_the_sample(samples):
    low, high = median_interval(samples)
    assert min(samples) <= low <= statistics.median(samples) <= high <= max(samples)


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    rng = random.Random(1)
    covered = 0
    for _ in range(2_000):
        low, high = median_interval([rng.lognormvariate(0, 0.3) for _ in range(25)])
        covered += low <= 1.0 <= high
    assert covered / 2_000 > 0.94
