"""Whatever a name is, it is only text where it is shown or written."""

import csv
import io
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.names import (
    UNSEEN,
    VisibleFormatter,
    in_file_name,
    in_markdown,
    in_markdown_code,
    in_spreadsheet,
    one_line,
    short_name,
    short_names,
    visible,
)

PIECES = st.sampled_from(
    [
        *("|", "`", "\\", "[red]", "[/]", "<b>", "\x1b[2J", "\u202e", "\ud800", "@me", "://"),
        *("www.", "\n", "=1+1", "$x$", "~~", "../", "\0", "-1.5", "é", "\t", "#", "&amp;", "*"),
        *("- ", "1. "),
    ]
)
NAMES = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))


@given(NAMES)
def test_what_cannot_be_seen_is_seen(name):
    assert not UNSEEN.search(visible(name))
    visible(name).encode()
    assert visible(name).count("\n") == name.count("\n"), "lines are kept"


@given(NAMES, st.integers(10, 60))
def test_a_line_is_one_line_and_not_too_long(name, length):
    line = one_line(name, length)
    assert len(line) <= length and not re.search(r"[\n\t\r\x1b]", line)


@given(NAMES)
def test_in_markdown_it_is_text(name):
    text = in_markdown(name)
    assert "\n" not in text
    text = text.replace("@&#8203;", "x")
    bare = re.sub(r"\\[\\`*_{}\[\]|<>#&!~$/.+=)-]", "x", text)  # what is escaped is text
    assert not re.search(r"[\\`*_{}\[\]|<>#!~$@&]|://|www\.", bare)
    assert not re.match(r"[-+=](\s|$)|\d+[.)](\s|$)", text)


@given(NAMES)
def test_in_markdown_code_it_is_code(name):
    text = re.sub(r"&#\d+;", "", in_markdown_code(name).removeprefix("<code>"))
    assert re.fullmatch(r"[^<>|`\n\\@]*", text.removesuffix("</code>"))


@given(NAMES)
def test_a_spreadsheet_computes_nothing(name):
    file = io.StringIO()
    csv.writer(file).writerow([in_spreadsheet(name), "x"])
    (cell, _), *more = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert not more
    assert cell == name or cell == f"'{name}"
    assert not re.match(r"\s*[=@\t]", cell)


@pytest.mark.parametrize("value", ["-1.5", "+3e-4", "-.5", -1.5, 7, None, "a-b", "1-2", ""])
def test_numbers_and_other_texts_stay_as_they_are(value):
    assert in_spreadsheet(value) is value


@pytest.mark.parametrize("value", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_formulas_are_texts(value):
    assert in_spreadsheet(value) == f"'{value}"


def test_a_long_name_keeps_its_end_where_options_stand():
    assert short_name("a.b:make?depth=4") == "a.b:make?depth=4"
    assert short_name("package.module:factory?depth=4&width=32", 24) == "package.modu…=4&width=32"


@given(st.lists(NAMES, unique=True, max_size=12), st.integers(12, 48))
def test_short_names_are_short_and_differ(names, length):
    short = short_names(names, length)
    assert list(short) == names and len(set(short.values())) == len(names)
    assert all(len(one) <= length and not UNSEEN.search(one) for one in short.values())


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_a_file_name_is_one(words):
    name = in_file_name(words)
    assert re.fullmatch(r"[\w.-]*", name) and not name.startswith(".") and len(name.encode()) <= 200


def test_long_names_that_differ_have_files_that_differ():
    words = [[letter * 30] * 9 + [str(end)] for letter in "aé" for end in (1, 2)]
    assert len({in_file_name(one) for one in words}) == 4


def test_logs_control_no_terminal():
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s\n%s", ("\x1b[2J", "a"), None)
    assert VisibleFormatter("%(message)s").format(record) == "\\u001b[2J\na"
