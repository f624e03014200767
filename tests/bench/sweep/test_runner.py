"""Running cells: what is known, what memory rules out, isolation, progress, playback."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.child import ChildEndedError
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome, Visit
from fakemamba.bench.sweep import isolation
from fakemamba.bench.sweep import runner as sweep_runner
from fakemamba.bench.sweep.isolation import measure_in_child
from fakemamba.bench.sweep.journal import Journal
from fakemamba.bench.sweep.replay import PlaybackClock
from fakemamba.bench.sweep.runner import SweepRunner

CELL = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="torch")
SCAN = ScanCell("torch", 50, 1, "fp32", "both-shared", "forward", "cpu")
METHOD = Method(Effort(warmup_s=0.0), ("memory",))
PLAYBACK = PlaybackClock()


class Clock:
    """A clock that only the visits of `Told` move."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def runner(monkeypatch):
    """A runner whose visits take ``runner.call_s`` of a cell and end as ``runner.statuses`` says.

    ``runner.visited`` has the cells and passes, in their order.
    """
    runner = SweepRunner(METHOD, now=Clock())
    runner.statuses, runner.visited, runner.told, runner.disturbed_by = {}, [], [], ()
    runner.call_s, runner.details = lambda cell: 0.1, {}
    runner.tell = runner.told.append

    class Told:
        def visit(self, cell, number):
            runner.visited.append((cell, number))
            status = runner.statuses.get(cell.size, "measured")
            runner.now.now_s += runner.call_s(cell)
            if status != "measured":
                return Outcome(cell, status)
            one = replace(visit(number, runner.call_s(cell)), disturbed_by=runner.disturbed_by)
            details = runner.details.pop(cell, {})
            runner.now.now_s += sum(details.values())
            return Outcome(cell, "measured", details=details, visits=(one,))

        def visit_both(self, cell, inner, number):
            outcome = self.visit(cell, number)
            if outcome.status != "measured":
                return [outcome]
            return [outcome, replace(outcome, cell=inner)]

    monkeypatch.setattr(sweep_runner, "make_measurer", lambda *arguments: Told())
    return runner


def visit(number, *rounds_s):
    return Visit(number, rounds_s, rounds_s[0], rounds_s[0], (), 1e9)


def lasting(*durations_s):
    return [replace(CELL, duration_s=duration_s) for duration_s in durations_s]


def test_a_front_end_is_visited_inside_the_whole(runner):
    whole = replace(CELL, part="end-to-end")
    inner, other = replace(whole, part="front-end"), replace(whole, part="front-end", backend="cpu")
    runner.run([inner, other, whole])
    assert {cell for cell, _ in runner.visited} == {whole, other}
    for cell in (whole, inner, other):
        assert [visit.number for visit in runner.known[cell.id].visits] == list(range(5))


def test_a_front_end_whose_whole_fails_is_visited_itself(runner):
    long, short = (replace(CELL, part="end-to-end", duration_s=length) for length in (4.0, 1.0))
    cells = [long, short, *(replace(cell, part="front-end") for cell in (long, short))]
    fails = {4.0: "failed"}
    runner.statuses = fails
    runner.run(cells[:3])
    assert runner.known[long.id].status == "failed"
    assert (replace(long, part="front-end"), 0) in runner.visited


def test_a_front_end_is_left_out_with_its_whole(runner):
    quick = lasting(0.5)
    whole = replace(CELL, part="end-to-end", duration_s=8.0)
    cells = [*quick, whole, replace(whole, part="front-end")]
    runner.call_s, runner.budget_s = lambda cell: 0.2 if cell in quick else 5.0, 9.0
    runner.run(cells)
    assert [len(runner.known[cell.id].visits) for cell in cells[1:]] == [1, 1]
    assert {cell for cell, _ in runner.visited} == {*quick, whole}
    runner.known, runner.now, runner.budget_s = {}, Clock(), 1.0
    runner.run(cells)
    assert runner.known[quick[0].id].status == "measured"


def test_a_front_end_is_visited_itself_once_the_whole_has_enough(runner):
    whole = replace(CELL, part="end-to-end")
    inner = replace(whole, part="front-end")
    figures = tuple(visit(number, 0.1) for number in range(5))
    runner.known = {whole.id: Outcome(whole, "measured", visits=figures)}
    runner.run([whole, inner])
    assert {cell for cell, _ in runner.visited} == {inner}
    assert len(runner.known[inner.id].visits) == 5 and len(runner.known[whole.id].visits) == 5


def test_all_cells_are_visited_in_turns_until_each_has_enough(runner):
    cells = lasting(4.0, 1.0, 2.0)
    runner.call_s = lambda cell: cell.duration_s / 10
    runner.run(cells)
    passes = [
        [cell.duration_s for cell, number in runner.visited if number == one] for one in range(9)
    ]
    assert passes[0] == [1.0, 2.0, 4.0], "from little work to much"
    every, quick = [1.0, 2.0, 4.0], [1.0, 2.0]
    assert [sorted(one) for one in passes[:4]] == [every, quick, quick, every]
    assert [len(runner.known[cell.id].visits) for cell in cells] == [5, 5, 5]
    assert {one.details["stopped_by"] for one in runner.known.values()} == {"precision"}


def test_cells_that_lack_the_most_visits_are_first_in_a_pass(runner):
    wholes = [replace(one, part="end-to-end") for one in lasting(0.5, 0.6, 0.7, 1.1, 1.2, 1.3)]
    runner.call_s = lambda cell: cell.duration_s
    runner.run(wholes)
    for number in {number for _, number in runner.visited} - {0}:
        of_pass = [cell.duration_s for cell, one in runner.visited if one == number]
        assert all(one < 1 for one in of_pass[:3]), "shorter than a second: five, not three"


def test_what_has_its_visits_gets_more_once_nothing_lacks_any(runner):
    quick, long = replace(CELL, duration_s=0.1), replace(CELL, part="end-to-end", duration_s=0.9)
    runner.method = Method(replace(METHOD.effort, precision=0.0, time_s=100.0), ())
    runner.call_s = lambda cell: cell.duration_s
    runner.run([quick, long])
    order = [cell for cell, _ in runner.visited]
    assert (order[:12].count(quick), order[:12].count(long)) == (7, 5)
    assert (order.count(quick), order.count(long)) == (15, 15)


def test_the_order_of_later_passes_is_random_and_follows_from_the_seed(runner):
    cells = lasting(*(float(k) for k in range(1, 9)))
    runner.run(cells)
    first, again = list(runner.visited), []
    passes = [tuple(cell.size for cell, number in first if number == one) for one in range(1, 5)]
    assert len(set(passes)) == 4
    runner.known, runner.visited = {}, again
    runner.run(cells)
    assert again == first


def test_once_memory_has_ended_longer_cells_are_not_tried(runner):
    runner.statuses[0.5] = "out-of-memory"
    other_row = replace(CELL, duration_s=1.0, precision="bf16")
    cells = [*lasting(0.25, 0.5, 1.0), other_row]
    runner.run(cells)
    found = [runner.known[cell.id] for cell in cells]
    statuses = [outcome.status for outcome in found]
    assert statuses == ["measured", "out-of-memory", "out-of-memory", "measured"]
    assert found[2].reason == "not tried: memory had ended at 0.5 s already"


def test_what_is_known_is_gone_on_with_and_counts_for_memory(runner):
    ended = Outcome(replace(CELL, duration_s=2.0), "out-of-memory", "it ended")
    begun = Outcome(CELL, "measured", None, {"load_s": 1.0}, (visit(3, 0.1), visit(5, 0.1)))
    runner.known = {ended.cell.id: ended, CELL.id: begun}
    longer = replace(CELL, duration_s=3.0)
    runner.run([longer, CELL, ended.cell])
    assert runner.known[ended.cell.id] is ended
    assert runner.known[longer.id].reason.startswith("not tried")
    whole = runner.known[CELL.id]
    assert [one.number for one in whole.visits] == [3, 5, 6, 7, 8]
    assert whole.details["load_s"] == 1.0
    runner.visited.clear()
    runner.run([longer, CELL, ended.cell])
    assert runner.visited == [] and runner.known[CELL.id] == whole


def test_a_small_budget_leaves_out_what_does_not_fit_and_says_what_would_do(runner):
    runner.budget_s = 9.0
    runner.call_s = lambda cell: cell.duration_s
    cells = lasting(0.5, 1.0, 8.0)
    runner.run(cells)
    found = [runner.known[cell.id] for cell in cells]
    assert [one.status for one in found] == ["measured", "measured", "left-out"]
    assert [len(one.visits) for one in found] == [5, 5, 0]
    assert "do not fit into the budget of 9 s" in found[2].reason
    (advice,) = (line for line in runner.told if "left out" in line)
    enough_s = float(advice.rpartition("--bench-budget ")[2].split()[0])
    runner.known, runner.budget_s, runner.now = {}, enough_s, Clock()
    runner.run(cells)
    assert {one.status for one in runner.known.values()} == {"measured"}


def test_what_is_compiled_once_and_work_without_a_formula_leave_nothing_out(runner):
    first, *others = lasting(0.5, 1.0, 2.0)
    own = [replace(one, detector="package.module:factory") for one in others]
    runner.details[first] = {"load_s": 3.0, "first_call_s": 30.1}
    runner.budget_s = 60.0
    runner.run([first, *others, *own])
    assert {one.status for one in runner.known.values()} == {"measured"}


def test_all_durations_of_the_quickest_curves_are_quick_if_nine_visits_of_them_fit(runner):
    lengths = (1.0, 2.0, 4.0, 8.0, 16.0)
    names = ("fake-mamba-s", "xlsr-mamba")
    curves = [replace(one, detector=name) for name in names for one in lasting(*lengths)]
    wholes = [replace(one, part="end-to-end") for one in curves]
    others = ("xlsr-conformer", "xlsr-aasist", "con-bimamba")
    wholes += [replace(wholes[3], detector=name) for name in others]
    runner.method = Method(replace(METHOD.effort, precision=0.0, time_s=100.0), ())
    runner.call_s = lambda cell: cell.duration_s * (0.05 if cell.part == "encoder" else 0.2)
    runner.budget_s = 100.0
    runner.run([*curves, *wholes])
    visits = {cell: len(runner.known[cell.id].visits) for cell in (*curves, *wholes)}
    assert all(visits[cell] >= 9 for cell in curves), "the longest takes 0.8 s"
    assert all(1 <= visits[cell] < 9 for cell in wholes if cell.duration_s > 4)


@pytest.mark.parametrize(("disturbed", "most"), [(0, 2), (3, 1)])
def test_visits_of_quick_cells_come_before_a_second_one_of_long_cells(runner, disturbed, most):
    quick, long = lasting(0.5, 1.0), lasting(8.0)
    runner.method = Method(replace(METHOD.effort, precision=0.0), ())

    def call_s(cell):
        runner.disturbed_by = ("another process",) if len(runner.visited) <= disturbed else ()
        return 0.2 if cell in quick else 4.0

    runner.call_s, runner.budget_s = call_s, 11.0
    runner.run([*quick, *long])
    assert all(runner.known[cell.id].quiet >= (9 if disturbed else 7) for cell in quick)
    assert [len(runner.known[cell.id].visits) for cell in long] == [most]


def test_a_long_cell_passed_over_at_first_is_visited_with_the_time_that_quick_cells_leave(runner):
    quick, long = lasting(0.5, 0.6, 0.7), lasting(8.0)
    runner.method = Method(replace(METHOD.effort, precision=0.0), ())

    def call_s(cell):  # by their first visits, quick cells need 3.5 s more, and the long one 2.8 s
        return 3.0 if cell in long else 0.24 if len(runner.visited) <= 3 else 0.1

    runner.call_s, runner.budget_s = call_s, 6.9
    runner.run([*quick, *long])
    assert runner.known[long[0].id].status == "measured"
    assert [cell for cell, _ in runner.visited].index(long[0]) > 3, "not in the first pass"
    assert not any("left out" in line for line in runner.told)


def test_where_all_is_disturbed_long_cells_are_visited_before_quick_ones_have_nine_visits(runner):
    quick, long = lasting(0.5, 0.6, 0.7), lasting(8.0, 8.1)
    runner.call_s = lambda cell: 3.0 if cell in long else 0.2
    runner.disturbed_by, runner.budget_s = ("another process",), 12.0
    runner.run([*quick, *long])
    assert all(runner.known[cell.id].status == "measured" for cell in long)
    assert all(len(runner.known[cell.id].visits) >= 5 for cell in quick)


@pytest.mark.parametrize("seed", range(5))
def test_time_for_one_more_long_visit_goes_to_the_cell_whose_only_one_was_disturbed(runner, seed):
    cells = lasting(8.0, 8.1, 8.2, 8.3)

    def call_s(cell):
        is_first = len(runner.visited) <= len(cells)
        runner.disturbed_by = ("another process",) if is_first and cell == cells[2] else ()
        return 4.0

    runner.call_s, runner.budget_s, runner.seed = call_s, 21.0, seed
    runner.run(cells)
    assert [len(runner.known[cell.id].visits) for cell in cells] == [1, 1, 2, 1]


def test_a_cell_that_disturbs_itself_takes_no_visits_from_those_that_lack_some(runner):
    itself, others = lasting(8.0), lasting(1.0, 1.1, 1.2, 1.3)

    def call_s(cell):
        runner.disturbed_by = ("the host",) if cell in itself else ()
        return 2.0 if cell in itself else 0.5

    runner.call_s, runner.budget_s = call_s, 16.5
    runner.run([*others, *itself])
    assert [len(runner.known[cell.id].visits) for cell in [*others, *itself]] == [5, 5, 5, 5, 3]


def test_no_time_is_kept_for_quick_cells_that_have_enough_though_all_visits_were_disturbed(runner):
    quick, long = lasting(0.5), lasting(8.0)
    runner.call_s, runner.budget_s = lambda cell: 0.2 if cell in quick else 2.0, 9.0
    runner.disturbed_by = ("another process",)
    runner.run([*quick, *long])
    assert len(runner.known[quick[0].id].visits) == 10, "twice as many as it needs"
    assert len(runner.known[long[0].id].visits) == 3


def test_visits_end_with_the_budget_and_none_of_them_is_lost(runner):
    runner.budget_s = 3.0
    runner.call_s = lambda cell: 0.1 + 0.1 * (len(runner.visited) // 2 % 2)
    runner.run(lasting(1.0, 1.1))
    stops = {one.details["stopped_by"] for one in runner.known.values()}
    visits = sum(len(one.visits) for one in runner.known.values())
    assert stops == {"budget"} and visits == len(runner.visited)
    assert runner.now() <= 3.0 + 0.2


def test_an_interrupted_sweep_knows_what_was_visited(runner):
    def interrupted(cell):
        if len(runner.visited) == 4:
            raise KeyboardInterrupt
        return 0.1

    runner.call_s = interrupted
    with pytest.raises(KeyboardInterrupt):
        runner.run(lasting(1.0, 2.0, 4.0))
    assert [len(one.visits) for one in runner.known.values()] == [1, 1, 1]
    assert {one.details["stopped_by"] for one in runner.known.values()} == {"interrupt"}


def test_progress_is_told_every_ten_seconds_with_what_is_left_of_the_budget(runner):
    runner.call_s, runner.budget_s = lambda cell: 6.0, 90.0
    runner.run(lasting(1.0, 2.0))
    assert runner.told[0] == "pass 1, 2 of 2 cells, about 1 min 18 s left at the most"
    assert len(runner.told) == 3


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


@pytest.mark.benchmark(timer=PLAYBACK)
def test_playback_gives_pytest_benchmark_the_samples_themselves(benchmark):
    samples_s = [1e-7, 3000.0, 0.1, 0.1, 0.3]
    PLAYBACK.play(benchmark, samples_s, "a group")
    if benchmark.stats is not None:
        assert benchmark.stats.stats.data == samples_s
        assert benchmark.stats.stats.median == 0.1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_sweep_goes_on_when_the_disk_is_full(runner, tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    runner.journal = Journal(tmp_path / "full", {})
    runner.run(lasting(1.0, 2.0))
    assert [len(outcome.visits) for outcome in runner.known.values()] == [5, 5]
    assert "No space left" in runner.journal_error
