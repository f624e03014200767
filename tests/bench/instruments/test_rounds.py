"""When warm-up, visits and a cell end, on series with known truths."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.instruments.clock import CallTimes
from fakemamba.bench.instruments.rounds import Effort, is_certain, time_rounds, warm_up
from fakemamba.bench.sweep.plan import PROFILES


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
        return CallTimes(taken_s, taken_s, taken_s)

    def now(self):
        return self.now_s


def test_warm_up_lasts_until_a_decaying_series_is_steady():
    series = Series(1e-3 * (1 + 9 * 0.5**k) for k in itertools.count())
    result = warm_up(series.take, Effort(warmup_s=1.0), series.now)
    assert result.steady and result.rounds == series.calls
    assert 9 * 0.5 ** (result.rounds - 5) < 0.05, "the last six calls differ little"


def test_warm_up_ends_with_its_time_and_says_so():
    series = Series(0.1 * 0.8**k for k in itertools.count())
    result = warm_up(series.take, Effort(warmup_s=0.25), series.now)
    assert not result.steady and result.rounds == 4  # 0.1 + 0.08 + 0.064 s are not enough


def test_warm_up_has_as_many_calls_as_the_protocol_wants():
    series = Series(itertools.repeat(1e-3))
    assert warm_up(series.take, Effort(warmup_s=0.0, warmup_rounds=10), series.now).rounds == 10


def test_a_visit_of_short_calls_lasts_its_time():
    series = Series(itertools.repeat(1e-3))
    rounds = time_rounds(series.take, Effort(visit_s=0.0095, most_rounds=50), series.now)
    assert len(rounds) == 10


def test_a_visit_has_no_more_rounds_than_the_most_and_no_fewer_than_the_least():
    short, long = Series(itertools.repeat(1e-6)), Series(itertools.repeat(10.0))
    assert len(time_rounds(short.take, Effort(most_rounds=7), short.now)) == 7
    assert len(time_rounds(long.take, Effort(), long.now)) == 1
    assert len(time_rounds(long.take, Effort(least_rounds=4), long.now)) == 4


def test_the_paper_has_a_hundred_rounds_in_five_visits():
    effort, series = PROFILES["paper"].effort, Series(itertools.repeat(3.0))
    visit = time_rounds(series.take, effort, series.now)
    figures_s = [3.0 + 0.1 * k for k in range(5)]
    stops = [effort.stopped_by(figures_s[:k], 60.0 * k) for k in range(6)]
    assert len(visit) * len(figures_s) == 100
    assert stops == [None] * 5 + ["time"]


@given(st.floats(1e-6, 100.0))
def test_a_cell_is_visited_five_times_and_three_times_where_a_call_takes_over_a_second(call_s):
    effort = Effort(time_s=0.0)
    visits = next(k for k in range(10) if effort.stopped_by([call_s] * k, call_s * k))
    assert visits == (3 if call_s > 1 else 5)


def test_a_cell_has_enough_visits_when_it_is_certain_or_its_time_or_their_number_is_over():
    effort, apart = Effort(time_s=1.0, most_visits=8), [1e-3, 2e-3] * 4
    assert effort.stopped_by([1e-3] * 5, 0.01) == "precision"
    assert effort.stopped_by(apart[:6], 0.01) is None
    assert effort.stopped_by(apart[:6], 1.01) == "time"
    assert effort.stopped_by(apart, 0.01) == "visits"


def test_what_has_no_interval_is_not_certain():
    assert not is_certain([1.0, 1.0], 0.5) and is_certain([1.0, 1.0, 1.0], 0.01)
