"""What is said of an interval that holds 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.analysis.ties import MOST_TIE, TIE, TOO_NOISY, is_tie, undecided


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.98, 1.03, TIE),
        (1 / MOST_TIE, MOST_TIE, TIE),
        (0.79, 1.0, TOO_NOISY),
        (0.9, 1.26, TOO_NOISY),
        (0.007, 242.0, TOO_NOISY),
        (0.0, float("inf"), TOO_NOISY),
    ],
)
def test_a_tie_is_an_interval_close_to_1(low, high, wanted):
    assert undecided(low, high) == wanted


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_either_side_may_come_first(one, other):
    low, high = min(one, other, 1.0), max(one, other, 1.0)
    assert is_tie(low, high) == (high <= MOST_TIE and low >= 1 / MOST_TIE)
    assert not is_tie(high + 0.1, high + 0.2)
