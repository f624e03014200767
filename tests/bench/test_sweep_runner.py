"""Running cells: what is known, what memory rules out, isolation, progress, playback, journal."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench import isolation, sweep_runner
from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.isolation import measure_in_child
from fakemamba.bench.journal import Journal, JournalError, read_result
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.replay import PlaybackClock
from fakemamba.bench.sweep_runner import Progress, SweepRunner
from fakemamba.records import sealed

CELL = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="torch")
SCAN = ScanCell("torch", 50, 1, "fp32", "both-shared", "forward", "cpu")
METHOD = Method(Effort(2, 0.0), ("memory",))
PLAYBACK = PlaybackClock()
IDENTITY = {"device": "a CPU", "torch": "2.13"}


@pytest.fixture
def runner(monkeypatch):
    """A runner whose measurer is told the statuses of cells by duration, and notes its cells."""
    runner = SweepRunner(METHOD)
    statuses, runner.measured = {}, []

    class Told:
        def measure(self, cell):
            runner.measured.append(cell)
            return Outcome(cell, statuses.get(cell.size, "measured"), samples_s=(1.0,))

    monkeypatch.setattr(sweep_runner, "make_measurer", lambda *arguments: Told())
    runner.statuses = statuses
    return runner


def test_once_memory_has_ended_longer_cells_are_not_tried(runner):
    runner.statuses[0.5] = "out-of-memory"
    runner.run(CELL)
    longer = runner.run(replace(CELL, duration_s=1.0))
    assert longer.status == "out-of-memory"
    assert longer.reason == "not tried: memory had ended at 0.5 s already"
    other_row = runner.run(replace(CELL, duration_s=1.0, precision="bf16"))
    shorter = runner.run(replace(CELL, duration_s=0.25))
    assert [other_row.status, shorter.status] == ["measured", "measured"]
    assert len(runner.measured) == 3


def test_in_random_order_the_shortest_that_did_not_fit_counts(runner):
    runner.statuses |= {8.0: "out-of-memory", 4.0: "out-of-memory"}
    for duration_s in (8.0, 4.0, 6.0):
        runner.run(replace(CELL, duration_s=duration_s))
    assert [cell.duration_s for cell in runner.measured] == [8.0, 4.0]


def test_what_is_known_is_not_measured_and_counts_for_memory(runner):
    known = Outcome(replace(CELL, duration_s=2.0), "out-of-memory", "it ended")
    runner.known = {known.cell.id: known}
    assert runner.run(known.cell) is known
    assert runner.run(replace(CELL, duration_s=3.0)).reason.startswith("not tried")
    assert not runner.measured


@pytest.mark.parametrize("cell", [CELL, SCAN], ids=["detector", "scan"])
def test_a_process_of_its_own_gives_what_this_one_would(cell):
    outcome = measure_in_child(cell, METHOD)
    assert outcome.status == "measured", outcome.traceback
    assert outcome.cell == cell and len(outcome.samples_s) >= 2
    assert outcome.details["peak_bytes"] is not None or outcome.details["peak_bytes_reason"]


def test_a_process_that_dies_is_a_record(monkeypatch):
    def ended(*arguments, **options):
        raise ChildEndedError("it ended", "no such driver")

    monkeypatch.setattr(isolation, "answer_of", ended)
    outcome = measure_in_child(CELL, METHOD)
    assert (outcome.status, outcome.reason) == ("failed", "it ended")
    assert outcome.traceback == "no such driver"


def test_progress_expects_long_cells_to_take_long():
    told, now = [], [0.0]
    cells = [replace(CELL, duration_s=duration_s) for duration_s in (9.0, 19.0, 69.0)]
    progress = Progress(cells, told.append, lambda: now[0])
    now[0] = 10.0  # for 9 s of audio, so a second for each, and one for the cell
    progress.advance(cells[0])
    assert told == ["1 of 3 cells, about 1 min 30 s left"]
    now[0] = 12.0
    progress.advance(cells[1])
    assert len(told) == 1, "not more often than every ten seconds"


@pytest.mark.benchmark(timer=PLAYBACK)
def test_playback_gives_pytest_benchmark_the_samples_themselves(benchmark):
    samples_s = [1e-7, 3000.0, 0.1, 0.1, 0.3]
    PLAYBACK.play(benchmark, samples_s, "a group")
    if benchmark.stats is not None:
        assert benchmark.stats.stats.data == samples_s
        assert benchmark.stats.stats.median == 0.1


def test_a_journal_gives_back_what_it_was_given(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    outcomes = [
        Outcome(CELL, "measured", None, {"latency_s": 0.5}, (0.25, 0.5, 0.75)),
        Outcome(SCAN, "failed", "RuntimeError: x", traceback="Traceback ..."),
    ]
    for outcome in outcomes:
        journal.add(outcome)
    assert list(journal.read([CELL, SCAN]).values()) == outcomes
    assert journal.read([SCAN]) == {SCAN.id: outcomes[1]}


def test_a_line_that_was_cut_short_is_measured_again(tmp_path):
    journal = Journal(tmp_path / "out.json.journal", IDENTITY)
    for cell in (CELL, SCAN):
        journal.add(Outcome(cell, "measured", samples_s=(1.0,)))
    whole = journal.path.read_bytes()
    for cut in range(1, len(whole) - whole.rfind(b"\n", 0, -1) - 1):
        journal.path.write_bytes(whole[:-cut])
        assert list(journal.read([CELL, SCAN])) == [CELL.id]
    journal.add(Outcome(SCAN, "measured", samples_s=(1.0,)))
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
        CELL.id: Outcome(CELL, "measured", None, {"latency_s": 0.5}, (0.25, 0.5, 0.75)),
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
    header = sealed(json.dumps({"format": 2, "identity": IDENTITY}))
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_sweep_goes_on_when_the_disk_is_full(runner, tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    runner.journal = Journal(tmp_path / "full", IDENTITY)
    outcomes = [runner.run(replace(CELL, duration_s=duration_s)) for duration_s in (1.0, 2.0)]
    assert [outcome.status for outcome in outcomes] == ["measured"] * 2
    assert "No space left" in runner.journal_error
