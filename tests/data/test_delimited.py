"""Rows of delimited text: quotes, line ends in them, and what is written comes back."""

import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.data.delimited import Once, csv_line, read_rows

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
    once = Once()
    once.check(["a", "b"], 2, "t, line 2", ValueError)
    once.check(["a", "c"], 3, "t, line 3", ValueError)
    once.check([], 4, "t, line 4", ValueError)
    once.check([], 5, "t, line 5", ValueError)  # nothing says which trials these are
    with pytest.raises(ValueError, match=r"t, line 6: a b is there already, in line 2; keep one"):
        once.check(["a", "b"], 6, "t, line 6", ValueError)
