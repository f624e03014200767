"""Comma-separated lists give what they name, in their order, or one line that says what to give."""

import pytest

from fakemamba.lists import numbers, some_of, words


def counts(text):
    return numbers("--threads", text, int, lambda one: one > 0, "whole numbers over 0")


def seconds(text):
    return numbers("--rates", text, float, lambda one: 0 < one < 10, "seconds")


def test_words_are_what_commas_part():
    assert words(" a, b c ,,d,") == ["a", "b c", "d"] and words(" , ") == []


def test_lists_keep_their_order():
    assert some_of("--engines", "b, a", ("a", "b", "c")) == ("b", "a")
    assert counts("12, 3") == (12, 3) and seconds("2.5,1e-1") == (2.5, 0.1)


@pytest.mark.parametrize("text", ["", ",", "a,a", "a,x"])
def test_words_that_are_not_known_or_there_twice(text):
    with pytest.raises(ValueError, match=f"--engines {text}: give some of a, b, each once"):
        some_of("--engines", text, ("a", "b"))


@pytest.mark.parametrize("text", ["", "0", "1.0", "1_0", "-1", "1,x", "1,01"])
def test_whole_numbers_that_are_none(text):
    with pytest.raises(ValueError, match=f"--threads {text}: give whole numbers over 0"):
        counts(text)


@pytest.mark.parametrize("text", ["", "0", "nan", "inf", "1,x", "1,1.0"])
def test_numbers_that_are_none(text):
    with pytest.raises(ValueError, match=f"--rates {text}: give seconds"):
        seconds(text)
