"""What windows say together, against sums over all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.calibration import fit_calibration
from fakemamba.evaluation.streams.combining import Combiner, in_words
from fakemamba.evaluation.streams.windowing import Windowing, WindowingError

SECOND = 16_000
SCORES = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def calibration():
    rng = np.random.default_rng(0)
    return fit_calibration(rng.normal(1, 1, 50), rng.normal(-1, 1, 50), map(str, range(100)))


def combined(windowing, scores, calibration=None):
    """The last score of windows of 4 s that do not grow, one a second."""
    combiner = Combiner(windowing, calibration)
    for number, score in enumerate(scores):
        found = combiner.add(number * SECOND, (number + 4) * SECOND, score)
    return found


@settings(max_examples=30)
@given(scores=SCORES, period=st.integers(1, 40))
def test_rules_over_a_period_are_of_the_windows_that_ended_in_it(scores, period):
    last = scores[-period:]
    assert combined(Windowing(rule="mean", period=period), scores) == pytest.approx(np.mean(last))
    assert combined(Windowing(rule="maximum", period=period), scores) == min(last)
    assert combined(Windowing(rule="latest", period=period), scores) == scores[-1]


@settings(max_examples=30)
@given(scores=SCORES)
def test_evidence_is_a_sum_that_halves_in_a_period(scores, calibration):
    found = combined(Windowing(rule="evidence", period=3.0), scores, calibration)
    llrs = calibration.scale * np.array(scores) + calibration.offset
    shares = np.full(len(scores), 0.25)  # of each 4 s, one is new
    shares[0] = 1.0
    ages_s = np.arange(len(scores))[::-1]
    assert found == pytest.approx(float((llrs * shares * 2 ** (-ages_s / 3)).sum()))


@pytest.mark.parametrize("rule", ["latest", "mean", "maximum", "evidence"])
def test_a_window_that_has_grown_takes_the_place_of_the_one_before(rule, calibration):
    windowing = Windowing(4.0, 1.0, rule)
    grown, whole = Combiner(windowing, calibration), Combiner(windowing, calibration)
    for end in (1, 2, 3):
        grown.add(0, end * SECOND, -9.0 + end)
    assert grown.add(0, 4 * SECOND, 1.5) == pytest.approx(whole.add(0, 4 * SECOND, 1.5))
    for combiner in (grown, whole):
        found = combiner.add(SECOND, 5 * SECOND, 0.5)
    assert math.isfinite(found)
    if rule != "evidence":
        assert found == {"latest": 0.5, "mean": 1.0, "maximum": 0.5}[rule]


def test_what_is_kept_does_not_grow():
    combiner = Combiner(Windowing(4.0, 1.0, "mean", 5.0))
    for number in range(1_000):
        combiner.add(number * SECOND, (number + 4) * SECOND, 0.0)
    assert len(combiner._recent) == 5


def test_evidence_needs_to_know_what_a_window_is_worth(calibration):
    with pytest.raises(WindowingError, match=r"--window-calibration.*--length 64000"):
        Combiner(Windowing(rule="evidence"))
    assert f"{calibration.scale:.9g}" in in_words(Windowing(rule="evidence"), calibration)
    assert in_words(Windowing(), calibration) == str(Windowing())
