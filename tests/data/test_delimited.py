"""Rows of delimited text: quotes, line ends in them, and what is written comes back."""

import csv
import itertools

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fakemamba.data import delimited
from fakemamba.data.delimited import Block, Once, Words, csv_line, read_blocks, read_rows
from fakemamba.data.text_lines import at_line, is_ended

ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(folder, text):
    path = folder / "table"
    path.write_bytes(text.encode())
    return [(number, fields) for number, fields, _ in read_rows(path, ValueError)]


@pytest.mark.parametrize("mark", ["\t", ",", ";", " "])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_quotes_and_line_ends_are_told(tmp_path, mark, quote, end):
    """R's write.csv, write.csv2 and write.table, and pandas with QUOTE_ALL."""
    rows = [["file", "label"], ["a", "bonafide"], ["b", "spoof"]]
    text = end + "".join(mark.join(f"{quote}{field}{quote}" for field in row) + end for row in rows)
    assert rows_of(tmp_path, text) == [(2, rows[0]), (3, rows[1]), (4, rows[2])]


def test_lines_are_counted_where_a_name_has_line_ends(tmp_path):
    text = 'path,label\n\n"a\nb\r\nc",spoof\n\n"d",x\n'
    assert rows_of(tmp_path, text) == [
        (1, ["path", "label"]),
        (3, ["a\nb\r\nc", "spoof"]),
        (7, ["d", "x"]),
    ]


def test_blanks_part_columns_if_the_first_row_is_known_by_them(tmp_path):
    path = tmp_path / "table"
    path.write_text('com,ma 1\n"two words"  2\n')
    found = [fields for _, fields, _ in read_rows(path, ValueError, lambda row: len(row) == 2)]
    assert found == [["com,ma", "1"], ["two words", "2"]]


def test_a_quote_that_is_not_closed_is_named_with_its_line(tmp_path):
    with pytest.raises(ValueError, match=r"table, line 3: unexpected end of data; mend the quotes"):
        rows_of(tmp_path, 'a,b\n1,2\n3,"4\n')
    with pytest.raises(ValueError, match="line 2: ',' expected after '\"'; mend the quotes"):
        rows_of(tmp_path, 'a,b\n"1"x,2\n')


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
HARD = st.text(st.sampled_from(' ,;\t"\r\n#a\ufeff'), max_size=8)


@ONE_FOLDER
@given(st.lists(st.tuples(TEXT | HARD, TEXT | HARD), max_size=5))
def test_csv_lines_come_back_here_and_in_pythons_own_reader(tmp_path, values):
    text = "".join(csv_line(one) for one in [("a", "b"), *values])
    wanted = [["a", "b"], *map(list, values)]
    assert [fields for _, fields in rows_of(tmp_path, text)] == wanted
    with (tmp_path / "table").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == wanted


def test_a_row_that_is_there_twice_is_named_with_both_lines():
    once = Once("t", ValueError)
    once.check(["a", "b"], 2, "\n")
    once.check(["a", "c"], 3, "\n")
    once.check([], 4, "\n")
    once.check([], 5, "\n")  # nothing says which trials these are
    with pytest.raises(ValueError, match=r"t, line 6: a b is there already, in line 2; keep one"):
        once.check(["a", "b"], 6, "\n")


PIECES = st.sampled_from(
    [
        *(
            "a",
            "b1",
            "é",
            " ",
            "  ",
            "\t",
            ",",
            ", ",
            ";",
            '"',
            '""',
            "\n",
            "\n",
            "\r\n",
            "\r",
            "\n\n",
        ),
        *("\x1c", "\x0b", "\x85", "\u2028", "\ufeff", "a,b\n", "a b\n", 'a,"b\n'),
    ]
)


@ONE_FOLDER
@given(
    st.sampled_from(["", "a b\n", "a,b\n", "a\n", "a\tb\n", "com,ma 1\n"]),
    st.lists(PIECES, max_size=30),
    st.integers(1, 4),
    st.booleans(),
)
@example("a,b\n", [", ", "\n", 'a,"b\n'], 1, False)  # a row, then one that cannot be read
def test_blocks_have_the_rows_as_they_are_one_by_one(tmp_path, start, pieces, at_once, has_blanks):
    """Whatever is in them and wherever a block begins, up to the first that is not as wide."""
    path = tmp_path / "table"
    path.write_bytes("".join([start, *pieces]).encode())

    def all_of(items):
        found = []
        try:
            found.extend(items)
        except ValueError as error:
            return found, str(error)
        return found, None

    rows, fault = all_of(read_rows(path, ValueError, lambda first: has_blanks))
    width = len(rows[0][1]) if rows else 0
    even = list(itertools.takewhile(lambda row: len(row[1]) == width, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "ROWS_AT_ONCE", at_once)
        blocks, told = all_of(
            read_blocks(path, ValueError, "not {width}", lambda first: has_blanks)
        )
    found = [
        (number, list(fields))
        for block in blocks
        for number, fields in zip(block.numbers, zip(*block.columns, strict=True), strict=True)
    ]
    assert found == [(number, fields) for number, fields, _ in even]
    if len(even) < len(rows):
        number, fields, line = rows[len(even)]
        assert told == f"{at_line(path, number, line)}: {len(fields)} columns, but not {width}"
    elif fault or not rows:
        assert told == fault
    else:
        assert told is None and blocks[-1].line.endswith(("\n", "\r")) == is_ended(rows[-1][2])


def test_the_first_row_that_cannot_be_used_is_named():
    def convert(block):
        if "x" in block.columns[0] or "y" in block.columns[1]:
            raise KeyError
        return block.columns

    def told(row, _):
        return ValueError(f"row {row.numbers[0]}")

    good = Block([["a", "b"], ["c", "d"]], [3, 5])
    assert good.converted(convert, KeyError, told) == good.columns
    with pytest.raises(ValueError, match="row 5"):
        Block([["a", "b", "x"], ["c", "y", "d"]], [3, 5, 6]).converted(convert, KeyError, told)


def test_words_are_looked_up_once_and_not_without_end(monkeypatch):
    monkeypatch.setattr(delimited, "MOST_WORDS", 2)
    asked = []
    words = Words(lambda word: asked.append(word) or word.upper())
    assert words.of(["a", "b", "a", "c", "a"]) == ["A", "B", "A", "C", "A"]
    assert asked == ["a", "b", "c", "a"] and len(words) == 2
