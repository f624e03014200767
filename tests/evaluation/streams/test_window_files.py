"""Tables of windows: what is written is read, and what cannot be is told with its line."""

import math

import pytest

from fakemamba.evaluation.streams.window_files import (
    WindowFileError,
    read_windows,
    write_windows,
)

HEAD = "trial_id,start_s,end_s,score\n"


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a.windows.csv"
    rows = [("a, b", [(0, 1, 0.25), (0, 2, math.nan)]), ("none", []), ("c", [(0.5, 1.5, -1e-9)])]
    write_windows(path, rows)
    table = read_windows(path)
    assert table["trial_id"].tolist() == ["a, b", "a, b", "c"]
    assert table["end_s"].tolist() == [1, 2, 1.5]
    assert table["score"].fillna(9).tolist() == [0.25, 9, -1e-9]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a 1.5\n", "not a table of windows"),
        ("", "no lines|empty|not a table"),
        (HEAD, "no windows in it"),
        (HEAD + "a,0,1\n", "line 2: three numbers"),
        (HEAD + "a,0,x,1\n", "line 2: three numbers"),
        (HEAD + "a,1,1,1\n", "line 2: no window"),
        (HEAD + "a,0,inf,1\n", "line 2: no window"),
        (HEAD + "a,0,2,1\na,0,1,1\n", "line 3: windows of a are not in their order"),
        (HEAD + "a,0,1,1\nb,0,1,1\na,1,2,1\n", "line 4: windows of a stand apart"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, text, told):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(WindowFileError, match=told):
        read_windows(path)
