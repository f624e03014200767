"""Accepted slow-downs: what the file may say, and what it may not."""

from datetime import date
from pathlib import Path

import pytest

from fakemamba.analysis.compare.accepted import Accepted, read_accepted

ENTRY = {
    "pattern": '"fake-mamba-*"',
    "factor": "1.1",
    "reason": '"exact now"',
    "expires": "2027-03-31",
}


def written(tmp_path, **changes):
    entry = {name: value for name, value in {**ENTRY, **changes}.items() if value is not None}
    path = tmp_path / "accepted.toml"
    path.write_text("[[accepted]]\n" + "".join(f"{key} = {one}\n" for key, one in entry.items()))
    return path


def test_entries_are_read_in_order(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text() * 2 + 'quantity = "peak-memory"\n')
    first = Accepted("fake-mamba-*", 1.1, "exact now", date(2027, 3, 31))
    second = Accepted("fake-mamba-*", 1.1, "exact now", date(2027, 3, 31), "peak-memory")
    assert read_accepted(path) == [first, second]


def test_an_entry_covers_what_its_pattern_and_quantity_say(tmp_path):
    (entry,) = read_accepted(written(tmp_path))
    assert entry.covers("fake-mamba-l-encoder", "latency")
    assert not entry.covers("fake-mamba-l-encoder", "peak-memory")
    assert not entry.covers("Fake-mamba-l-encoder", "latency")
    assert not entry.covers("xlsr-fake-mamba-l", "latency")


def test_the_projects_own_file_is_valid():
    path = Path(__file__).resolve().parents[3] / "bench" / "accepted.toml"
    assert isinstance(read_accepted(path), list)


def test_the_example_in_the_projects_own_file_is_valid(tmp_path):
    text = (Path(__file__).resolve().parents[3] / "bench" / "accepted.toml").read_text()
    example = text[text.index("# [[accepted]]") :]
    path = tmp_path / "example.toml"
    path.write_text("\n".join(line.removeprefix("# ") for line in example.splitlines()))
    (entry,) = read_accepted(path)
    assert entry.covers("fake-mamba-l-xls-r-300m-encoder-4s", "latency")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patern": '"x"'}, "unknown 'patern'"),
        ({"reason": None}, "entry 1 has no 'reason'"),
        ({"reason": None, "expires": None}, "has no 'expires', 'reason'"),
        ({"reason": '"  "'}, "reason '  ' has to be some text"),
        ({"pattern": "3"}, "pattern 3 has to be some text"),
        ({"factor": "1.0"}, "factor 1.0 has to be a number above 1"),
        ({"factor": "0.9"}, "factor 0.9"),
        ({"factor": "true"}, "factor True"),
        ({"factor": "nan"}, "factor nan"),
        ({"factor": "inf"}, "factor inf"),
        ({"factor": '"1.1"'}, "factor '1.1'"),
        ({"expires": '"2027-03-31"'}, "expires '2027-03-31' has to be a date"),
        ({"expires": "2027-03-31T10:00:00"}, "has to be a date"),
        ({"quantity": '"rtf"'}, "quantity has to be one of latency, peak-memory"),
        ({"expires": "2027-02-30"}, "is not TOML"),
    ],
    ids=str,
)
def test_what_is_not_an_entry_is_refused_with_its_place(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_accepted(written(tmp_path, **changes))
    assert "accepted.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[accept]", "has 'accept', but only"),
        ("accepted = 3", r"has to be written as \[\[accepted\]\]"),
        ("accepted = [3]", r"has to be written as \[\[accepted\]\]"),
        ("[[accepted", "is not TOML"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_accepted(path)


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.toml: no such file"):
        read_accepted(tmp_path / "absent.toml")
