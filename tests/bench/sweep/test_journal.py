"""The journal of a sweep: what it gives back, and what of it is cut or of another machine."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.outcome import Outcome, Visit
from fakemamba.bench.sweep.journal import Journal, JournalError, read_result
from fakemamba.records import sealed

CELL = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="torch")
SCAN = ScanCell("torch", 50, 1, "fp32", "both-shared", "forward", "cpu")
IDENTITY = {"device": "a CPU", "torch": "2.13"}


def visit(number, *rounds_s):
    return Visit(number, rounds_s, rounds_s[0], rounds_s[0], (), 1e9)


def test_a_journal_gives_back_what_it_was_given(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    outcomes = [
        Outcome(CELL, "measured", None, {"load_s": 0.5}, (visit(0, 0.25, 0.5), visit(1, 0.75))),
        Outcome(SCAN, "failed", "RuntimeError: x", traceback="Traceback ..."),
    ]
    for outcome in outcomes:
        journal.add(outcome)
    assert list(journal.read([CELL, SCAN]).values()) == outcomes
    assert journal.read([SCAN]) == {SCAN.id: outcomes[1]}


def test_a_journal_of_visits_gives_back_the_whole_cell(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    for number, details in enumerate([{"load_s": 1.0}, {}, {"load_s": 2.0}]):
        journal.add(Outcome(CELL, "measured", None, details, (visit(number, 0.5),)))
    (found,) = journal.read([CELL]).values()
    assert [one.number for one in found.visits] == [0, 1, 2] and found.details == {"load_s": 2.0}
    assert found.and_then(found) == found, "visits that are known already are not there twice"


def test_a_line_that_was_cut_short_is_measured_again(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    for cell in (CELL, SCAN):
        journal.add(Outcome(cell, "measured", visits=(visit(0, 1.0),)))
    whole = journal.path.read_bytes()
    for cut in range(1, len(whole) - whole.rfind(b"\n", 0, -1) - 1):
        journal.path.write_bytes(whole[:-cut])
        assert list(journal.read([CELL, SCAN])) == [CELL.id]
    journal.add(Outcome(SCAN, "measured", visits=(visit(0, 1.0),)))
    assert list(journal.read([CELL, SCAN])) == [CELL.id, SCAN.id]


def test_a_journal_of_another_machine_is_refused(tmp_path):
    path = tmp_path / "out.json.journal"
    Journal(path, IDENTITY).add(Outcome(CELL, "measured"))
    with pytest.raises(JournalError, match="device was 'a CPU', is 'a GPU'"):
        Journal(path, IDENTITY | {"device": "a GPU"}).read([CELL])


def test_a_damaged_journal_is_named_with_its_line(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    journal.add(Outcome(CELL, "measured"))
    journal.path.write_text(journal.path.read_text() + "{broken\n")
    with pytest.raises(JournalError, match=r"out\.json\.journal, line 3"):
        journal.read([CELL])


@given(st.data())
def test_damage_of_a_journal_is_told_or_only_costs_its_last_line(tmp_path_factory, data):
    journal = Journal(tmp_path_factory.mktemp("damaged") / "journal", IDENTITY)
    outcomes = {
        CELL.id: Outcome(
            CELL, "measured", None, {"load_s": 0.5}, (visit(0, 0.25, 0.5), visit(1, 0.75))
        ),
        SCAN.id: Outcome(SCAN, "failed", "RuntimeError: x", traceback="Traceback ..."),
    }
    for outcome in outcomes.values():
        journal.add(outcome)
    content = bytearray(journal.path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    journal.path.write_bytes(content)
    try:
        found = journal.read([CELL, SCAN])
    except JournalError as error:
        assert str(error).startswith(str(journal.path)) and "\n" not in str(error)
    else:
        assert found.items() <= outcomes.items() and CELL.id in found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7", "line 2 has no checksum"),
        (sealed("[]"), "line 2: should be an object"),
        (sealed('{"cell_id": "x"}'), "line 2, status: it is missing"),
    ],
)
def test_a_line_of_another_shape_is_named(tmp_path, line, message):
    path = tmp_path / "journal"
    header = sealed(json.dumps({"format": 3, "identity": IDENTITY}))
    path.write_text(f"{header}\n{line}\n")
    with pytest.raises(JournalError, match=message):
        Journal(path, IDENTITY).read([CELL])


def test_what_is_no_result_is_not_resumed(tmp_path):
    (tmp_path / "out.json").write_text("{}")
    with pytest.raises(JournalError, match="is no result that can be resumed"):
        read_result(tmp_path / "out.json", IDENTITY)
    assert read_result(tmp_path / "absent.json", IDENTITY) == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_and_earlier_lines_stay(tmp_path):
    journal = Journal(tmp_path / "journal", IDENTITY)
    journal.add(Outcome(CELL, "measured"))
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        Journal(tmp_path / "full", IDENTITY).add(Outcome(CELL, "measured"))
    assert list(journal.read([CELL])) == [CELL.id]
