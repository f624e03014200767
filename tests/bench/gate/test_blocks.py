"""The order of launches, and when a gate has seen enough; arms are fake, launches write at once."""

import json

import pytest

from fakemamba.bench.gate.blocks import BlockLimits, Blocks, decide
from fakemamba.bench.gate.commands import GateError
from fakemamba.bench.gate.environments import Arm
from fakemamba.bench.gate.launches import claim, launcher, middle_cell, node_ids

TEST = "bench/bench_detectors.py::bench_detector[{}]"
CELLS = {"200f": 0.001, "1200f": 0.002, "51200f": 0.003}


def write_result(path, latencies_s, failed=(), disturbed=False):
    """A launch's JSON, as the benchmark writes it."""
    entries = [
        {
            "fullname": TEST.format(cell_id) + (" (failed)" if cell_id in failed else ""),
            "extra_info": {
                "cell_id": cell_id,
                "status": "failed" if cell_id in failed else "measured",
                "disturbed_by": ["other processes"] if disturbed else [],
            },
            "stats": {"median": None if cell_id in failed else latency_s},
        }
        for cell_id, latency_s in latencies_s.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"benchmarks": entries}))


class Machine:
    """Launches that take ten seconds of a clock of its own, and remembers them."""

    def __init__(self, folder):
        self.folder = folder
        self.time_s = 0.0
        self.launched = []
        self.ends_at = None  # the launch at which it is interrupted
        self.disturbed = ()  # the launches that are

    def __call__(self, arm, result, tests):
        if self.ends_at == len(self.launched):
            raise KeyboardInterrupt
        self.launched.append((arm.name, result.stem, list(tests)))
        self.time_s += 10
        chosen = CELLS if tests == ["bench/"] else [c for c in CELLS if TEST.format(c) in tests]
        is_disturbed = len(self.launched) in self.disturbed
        latencies_s = {cell_id: CELLS[cell_id] for cell_id in chosen}
        write_result(result, latencies_s, disturbed=is_disturbed)

    def blocks(self, control=None):
        arms = (Arm(name, None, None) for name in ("base", "head"))
        return Blocks(*arms, "bench/", self, self.folder, lambda text: None, control)

    def decide(self, judge, control=None, **budget):
        limits = BlockLimits(**{"duration_s": 1e6, **budget})
        return decide(self.blocks(control), judge, limits, lambda: self.time_s)


class Verdict:
    def __init__(self, *undecided):
        self.undecided_cell_ids = undecided


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "launches")


def test_launches_alternate_and_pairs_are_neighbours(machine):
    seen = []
    decision = machine.decide(lambda launches: seen.append(launches) or Verdict())
    assert [arm for arm, name, _ in machine.launched if "sweep" in name] == [
        *("base", "head", "head", "base") * 3
    ]
    order = [name for _, name, _ in machine.launched]
    launches = decision.launches
    assert seen == [launches] and decision.stopped_by == "decided" and decision.blocks == 3
    for pairs in (
        zip(launches.base, launches.head, strict=True),
        zip(launches.control_base, launches.control_head, strict=True),
    ):
        pairs = list(pairs)
        assert len(pairs) == 6
        for base, head in pairs:
            assert base.exists() and head.exists()
            assert base.stem.endswith("base") and head.stem.endswith("head")
            assert abs(order.index(base.stem) - order.index(head.stem)) == 1
    assert decision.duration_s == len(machine.launched) * 10 == 240


def test_a_disturbed_pair_is_launched_once_more_and_kept_aside(machine):
    machine.disturbed = (2, 6, 8)  # the first pair's head; the second's base, both times
    decision = machine.decide(lambda launches: Verdict())
    names = [name for _, name, _ in machine.launched]
    assert names[:4] == ["01-sweep-1-base", "01-sweep-1-head"] * 2
    assert names[4:8] == ["01-sweep-2-head", "01-sweep-2-base"] * 2
    assert len(names) == 24 + 4 and len(decision.launches.base) == 6
    assert {path.stem for path in machine.folder.glob("*.disturbed")} == set(names[:8])


def test_the_control_is_the_base_against_itself_with_the_cell_in_the_middle(machine):
    decision = machine.decide(lambda launches: Verdict())
    controls = [(arm, tests) for arm, name, tests in machine.launched if "control" in name]
    assert controls == [("base", [TEST.format("1200f")])] * 12
    assert decision.control_cell_id == "1200f"


def test_another_control_may_be_asked_for_and_has_to_be_there(machine):
    assert machine.decide(lambda launches: Verdict(), "51200f").control_cell_id == "51200f"
    with pytest.raises(GateError, match="has no cell 7f; its cells are 200f, 1200f, 51200f"):
        machine.decide(lambda launches: Verdict(), "7f")


def test_more_blocks_are_of_the_undecided_cells_alone(machine):
    """Cell 200f is selected exactly, although its name is the end of the others'."""
    left = [["200f", "51200f"], ["200f"], []]
    decision = machine.decide(lambda launches: Verdict(*left.pop(0)))
    assert decision.blocks == 5 and decision.stopped_by == "decided"
    sweeps = [tests for _, name, tests in machine.launched if "sweep" in name]
    assert sweeps[:12] == [["bench/"]] * 12
    assert sweeps[12:16] == [[TEST.format("200f"), TEST.format("51200f")]] * 4
    assert sweeps[16:] == [[TEST.format("200f")]] * 4
    assert len(decision.launches.base) == len(decision.launches.control_base) == 10


@pytest.mark.parametrize(
    ("limits", "blocks", "stopped_by"),
    [({"max_blocks": 4}, 4, "blocks"), ({"duration_s": 250}, 4, "budget")],
)
def test_what_stays_undecided_ends_with_the_budget(machine, limits, blocks, stopped_by):
    decision = machine.decide(lambda launches: Verdict("200f"), **limits)
    assert (decision.blocks, decision.stopped_by) == (blocks, stopped_by)


def test_a_budget_that_ends_before_the_fewest_blocks_gives_no_answer(machine):
    with pytest.raises(GateError, match="was spent after 2 of at least 3 blocks"):
        machine.decide(lambda launches: pytest.fail("judged too early"), duration_s=100)


@pytest.mark.parametrize(
    "limits",
    [{"min_blocks": 2}, {"max_blocks": 2}, {"duration_s": 0}, {"duration_s": float("nan")}],
)
def test_a_budget_that_cannot_give_an_answer_is_refused(limits):
    with pytest.raises(GateError):
        BlockLimits(**{"duration_s": 60, **limits})


@pytest.mark.parametrize("ends_at", range(0, 24, 5))
def test_an_interrupted_gate_goes_on_and_measures_a_broken_pair_again(machine, ends_at):
    machine.ends_at = ends_at
    with pytest.raises(KeyboardInterrupt):
        machine.decide(lambda launches: Verdict())
    before = machine.launched.copy()
    machine.ends_at, machine.launched = None, []
    whole = machine.decide(lambda launches: Verdict())
    assert len(machine.launched) == 24 - ends_at + ends_at % 2
    assert len({name for _, name, _ in before + machine.launched}) == 24
    machine.launched = []
    again = machine.decide(lambda launches: Verdict())
    assert machine.launched == [] and again.launches == whole.launches


def test_a_launch_without_any_time_has_no_control(tmp_path):
    write_result(tmp_path / "x.json", CELLS, failed=CELLS)
    with pytest.raises(GateError, match="no cell has a time"):
        middle_cell(tmp_path / "x.json")
    assert node_ids(tmp_path / "x.json") == {cell_id: TEST.format(cell_id) for cell_id in CELLS}
    (tmp_path / "y.json").write_text('{"benchmarks"')
    with pytest.raises(GateError, match=r"y\.json is not JSON .*no result of a sweep"):
        node_ids(tmp_path / "y.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fullname": 7}, "benchmarks.0..fullname: should be a valid string"),
        ({"extra_info": {"cell_id": "a"}}, "cell a has no status"),
        ({"extra_info": {"cell_id": "a", "status": "great"}}, "status: should be 'measured'"),
        ({"extra_info": {"cell_id": 7, "status": "failed"}}, "cell_id: should be a valid string"),
        ({"stats": {"median": "1"}}, "stats.median: should be a valid number"),
        ({"stats": {"median": None}}, "is measured, but has no median"),
        ({"stats": []}, "stats: should be an object"),
    ],
    ids=str,
)
def test_a_launch_of_another_shape_is_refused(tmp_path, change, message):
    path = tmp_path / "x.json"
    write_result(path, {"a": 0.1})
    entries = json.loads(path.read_text())["benchmarks"]
    path.write_text(json.dumps({"benchmarks": [entries[0] | change]}))
    with pytest.raises(GateError, match=message):
        middle_cell(path)
    path.write_text(json.dumps({"benchmarks": entries * 2}))
    with pytest.raises(GateError, match="cell a is there twice"):
        middle_cell(path)


PYTEST = """#!/bin/sh
# In the place of an interpreter: writes the JSON that it is asked for, and ends with a status.
echo "$@" >&2
for argument; do case $argument in --benchmark-json=*) file=${argument#*=};; esac; done
%s
"""


@pytest.fixture
def fake_arm(tmp_path):
    def make(script):
        python = tmp_path / "python"
        python.write_text(PYTEST % script)
        python.chmod(0o755)
        return Arm("head", python, tmp_path)

    return make


@pytest.mark.parametrize("status", [0, 1])
def test_a_launch_leaves_its_whole_result_also_where_a_cell_failed(tmp_path, fake_arm, status):
    result, log = tmp_path / "launches" / "a.json", tmp_path / "gate.log"
    (tmp_path / "launches").mkdir()
    (tmp_path / "launches" / "a.running.journal").write_text("of a launch that was killed")
    launch = launcher(["--bench-durations", "1,2"], log)
    script = f'test ! -e "$file.journal" && echo "{{}}" > "$file"; exit {status}'
    launch(fake_arm(script), result, ["bench/"])
    assert result.read_text() == "{}\n"
    assert "-m pytest bench/ " in log.read_text() and "--bench-durations 1,2" in log.read_text()
    assert [path.name for path in (tmp_path / "launches").glob("*.json")] == ["a.json"]


@pytest.mark.parametrize("script", ["exit 4", "exit 0", 'echo half > "$file"; exit 2'])
def test_a_launch_that_fails_leaves_no_result(tmp_path, fake_arm, script):
    result = tmp_path / "launches" / "a.json"
    with pytest.raises(GateError, match=r"a launch of head ended with status . and no result"):
        launcher([], tmp_path / "gate.log")(fake_arm(script), result, ["bench/"])
    assert not result.exists()


@pytest.mark.parametrize("option", ["--benchmark-json=x", "--bench-resume"])
def test_options_that_say_where_results_go_are_refused(tmp_path, option):
    with pytest.raises(GateError, match="the gate itself says"):
        launcher([option], tmp_path / "gate.log")


def test_launches_of_another_comparison_are_not_used(tmp_path):
    plan = {"base": "a", "options": ("--bench-durations", "1")}
    claim(tmp_path / "out", plan)
    claim(tmp_path / "out", plan)
    with pytest.raises(GateError, match=r"base was 'a', is 'b'.*another --out"):
        claim(tmp_path / "out", plan | {"base": "b"})
    (tmp_path / "out" / "plan.json").write_text("{")
    with pytest.raises(GateError, match=r"plan\.json is not JSON"):
        claim(tmp_path / "out", plan)
