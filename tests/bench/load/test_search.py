"""The search finds the capacity of a system that is known, and says how wide it leaves it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.load.search import FINE, STEP, Bracket, search


def system(capacity, doubt=1.0):
    """Judges loads of a capacity, around which it cannot decide by a factor; counts its calls."""

    def judge(level):
        judge.levels.append(level)
        if level < capacity / doubt:
            return "holds"
        return "fails" if level > capacity * doubt else "undecided"

    judge.levels = []
    return judge


@given(st.floats(0.1, 1e4), st.floats(0.3, 2.0))
def test_the_capacity_is_in_the_bracket_which_is_fine(capacity, off):
    judge = system(capacity)
    found = search(judge, capacity * off)
    assert found.held <= capacity * 1.01 and found.failed >= capacity * 0.99
    assert found.failed / found.held <= FINE * STEP * 1.02
    assert len(judge.levels) <= 9


@given(st.integers(1, 500), st.integers(1, 1_000))
def test_whole_numbers_are_found_to_the_next_one_or_finely(capacity, first):
    found = search(system(capacity + 0.5), first, is_whole=True)
    assert found.held <= capacity < found.failed
    assert found.failed - found.held <= max(1, 0.15 * capacity)


def test_what_is_undecided_neither_holds_nor_fails():
    found = search(system(10, doubt=1.3), 4)
    assert 10 / 1.3 / 1.15 <= found.held < 10 / 1.3
    assert 13 <= found.failed < 13 * STEP * 1.02


def test_a_system_that_holds_nothing_or_everything_is_given_up():
    nothing = search(lambda level: "fails", 8)
    assert nothing.held == 0 and nothing.failed < 0.1
    assert search(lambda level: "fails", 8, is_whole=True) == Bracket(0, 1)
    assert search(lambda level: "holds", 1).failed == math.inf
    assert search(lambda level: "undecided", 1) == Bracket(0, math.inf)


@pytest.mark.parametrize("first", [0.2, 0.9, 1.0])
def test_whole_numbers_begin_at_one(first):
    judge = system(1.5)
    assert search(judge, first, is_whole=True) == Bracket(1, 2)
    assert min(judge.levels) == 1
