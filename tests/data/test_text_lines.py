"""Lines of text files: what is no file or no text, numbers as they are written, lines cut short."""

import gzip
import math
import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data.text_lines import (
    LONGEST_LINE,
    WITNESSES,
    CutGuard,
    finite_number,
    number_or_none,
    numbers_or_none,
    read_lines,
)


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_what_is_no_file_is_refused_at_once_by_what_it_is(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = "thing"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            Path(path).mkdir()
        case "socket":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.close()
        case "device":
            path = os.devnull
    with pytest.raises(ValueError, match=f"{path} is a {kind}, not a file"):
        next(read_lines(path, ValueError))


def test_line_ends_are_kept_and_a_byte_order_mark_goes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffa\r\nb\rc\n\ufeffd".encode())
    assert list(read_lines(path, ValueError)) == ["a\r\n", "b\r", "c\n", "\ufeffd"]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path):
    """128 MiB in 128 kB, as a gzip bomb has."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"a 1\n")
        for _ in range(128):
            file.write(b"x" * 2**20)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"bomb\.gz, line 2: over {LONGEST_LINE:,} characters"):
        list(read_lines(path, ValueError))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


NO_NUMBERS = "1_0 ١٢ 0x10 1e400 -1e999 1e 1e- . - + 1.2.3 1,5 1d5 ² nan(1) infinit ٣.٥ 1e٣ --1"


@pytest.mark.parametrize("text", ["", " ", " 1", "1 ", " nan", "1\n", *NO_NUMBERS.split()])
def test_what_python_or_c_would_take_for_a_number_is_none(text):
    assert number_or_none(text) is None
    with pytest.raises(ValueError, match=r"line 3: the score .* is not a finite number; mend"):
        finite_number(text, "the score", "a.txt, line 3", ValueError)


@pytest.mark.parametrize("text", ["nan", "NaN", "-inf", "Infinity"])
def test_words_for_what_is_not_finite_are_known_as_such(text):
    assert not math.isfinite(number_or_none(text))
    with pytest.raises(ValueError, match="is not a finite number"):
        finite_number(text, "the score", "a.txt, line 3", ValueError)


@given(st.lists(st.sampled_from([*NO_NUMBERS.split(), "", "1", "-2.5e-3", "nan", "-inf", "+.5"])))
def test_numbers_together_are_those_of_each(texts):
    each = [number_or_none(text) for text in texts]
    found = numbers_or_none(texts)
    assert found is None if None in each else repr(found) == repr(each)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back_however_it_is_written(value):
    for form in ("{!r}", "{:.17g}", "{:.17e}", "{:+.17E}"):
        assert number_or_none(form.format(value)) == value


def guarded(numbers, end):
    guard = CutGuard("f", ValueError)
    for number, text in enumerate(numbers[:-1], 1):
        guard.check(text, number, f"id {text}\n")
    guard.check(numbers[-1], len(numbers), f"id {numbers[-1]}{end}")


@given(st.integers(3, 9), st.floats(-99, 99), st.integers(1, 12))
def test_a_last_line_of_fixed_decimals_may_lack_its_end_but_not_a_digit(decimals, value, lost):
    before = [f"{number * 1.37:.{decimals}f}" for number in range(WITNESSES)]
    whole = f"{value:.{decimals}f}"
    guarded([*before, whole], "")
    cut = whole[:-lost]
    if number_or_none(cut) is not None:
        with pytest.raises(
            ValueError, match=r"f, line 11 .*: it may have lost digits .* end the line"
        ):
            guarded([*before, cut], "")
        guarded([*before, cut], "\n")


@pytest.mark.parametrize("before", [[], ["1.250"] * (WITNESSES - 1), ["1.25", "1.250"] * WITNESSES])
def test_where_nothing_shows_how_many_decimals_there_should_be_the_end_has_to_be_there(before):
    with pytest.raises(ValueError, match="may have lost digits"):
        guarded([*before, "3.250"], "")
    guarded([*before, "3.250"], "\r")
    guarded([*before, "3.250"], " label")  # a column after the number: it is whole
