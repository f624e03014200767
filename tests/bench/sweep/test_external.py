"""Sweeps of detectors of others: what is planned, and that files name no code that is run."""

import json
import sys

import pytest

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.method import Method
from fakemamba.bench.sweep.isolation import measure_in_child
from fakemamba.bench.sweep.plan import SweepOptions, plan
from fakemamba.models.external.names import ExternalDetectorError

ONCE = Effort(least_visits=1, dear_visits=1, most_visits=1, time_s=0.0, visit_s=0.0, warmup_s=0.0)
NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(1, 2)

    def forward(self, waveforms):
        return self.last(waveforms.square().mean(1, keepdim=True))

class Parted(Net):
    parts = {"encoder": "last"}

class OnOurs(Net):
    def __init__(self, frontend):
        super().__init__()
        self.features = frontend
"""


def cells_of(*names, **changes):
    options = {"profile": "smoke", "device": "cpu", "durations_s": [0.2], "detectors": names}
    return plan(SweepOptions(**options | changes))


def test_its_cells_are_of_the_parts_that_it_names(code):
    module = code(NET)
    for name, parts in (("Net", ["end-to-end"]), ("Parted", ["encoder", "end-to-end"])):
        cells = cells_of(f"{module}:{name}")
        assert [cell.part for cell in cells] == parts
        assert {(cell.frontend, cell.backend) for cell in cells} == {("own", "none")}


def test_on_a_frontend_of_ours_its_cells_are_as_ours(code):
    cells = cells_of(f"{code(NET)}:OnOurs", frontend="xls-r-tiny")
    assert [(cell.part, cell.frontend) for cell in cells] == [
        ("front-end", "xls-r-tiny"),
        ("end-to-end", "xls-r-tiny"),
    ]


def test_training_steps_are_planned_where_they_are_asked_for(code):
    cells = cells_of(f"{code(NET)}:Net", parts=["training-step", "end-to-end"])
    assert [cell.part for cell in cells] == ["training-step", "end-to-end"]


def test_its_options_tell_its_cells_apart(code):
    module = code("def make(depth):\n    return lambda waveforms: waveforms.mean(1) * depth")
    cells = cells_of(f"{module}:make?depth=1", f"{module}:make?depth=2", "fake-mamba-s")
    assert len({cell.id for cell in cells}) == len(cells) == 5


@pytest.mark.parametrize("text", ["raise ValueError('broken')", "def make(): raise OSError('no')"])
def test_one_that_cannot_be_imported_or_made_ends_the_plan(code, text):
    with pytest.raises(ExternalDetectorError, match=r"cannot be imported|cannot be made"):
        cells_of(f"{code(text)}:make")


@pytest.fixture
def bench(run_pytest, folder, monkeypatch):
    """The command in this process, which finds modules of the test's folder."""
    monkeypatch.syspath_prepend(folder)
    small = ["--bench-profile", "smoke", "--bench-time", "0", "--bench-visits", "1"]
    small += ["--bench-instruments", "memory", "--bench-durations", "0.2"]
    small += ["--benchmark-storage", f"file://{folder / 'storage'}"]

    def run(*arguments):
        return run_pytest("bench/", *small, *arguments)

    return run


def test_a_sweep_of_a_detector_of_others_is_resumed_by_who_names_it_only(bench, code, folder):
    first, second = code(NET), code(NET)
    out = folder / "out.json"
    named = f"{first}:Net,{second}:Net"
    finished = bench("--bench-detectors", named, f"--benchmark-json={out}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    result = json.loads(out.read_text())
    entries = {one["extra_info"]["cell"]["detector"]: one for one in result["benchmarks"]}
    assert set(entries) == {f"{first}:Net", f"{second}:Net"}
    assert entries[f"{first}:Net"]["extra_info"]["notes"] == []

    # The second one's code is another now, and nobody but the file names it.
    for module in (first, second):
        del sys.modules[module]
    (folder / f"{second}.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    finished = bench("--bench-detectors", f"{first}:Net", "--bench-resume", str(out))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert second not in sys.modules and not (folder / "ran").exists()
    result = json.loads(out.read_text())
    assert len(result["benchmarks"]) == 2  # what was measured stays


def test_one_that_fails_is_in_the_result_beside_others(bench, code, folder):
    module = code(NET + "\ndef bad(waveforms):\n    raise RuntimeError('no\\nscore')\n")
    out = folder / "out.json"
    finished = bench("--bench-detectors", f"{module}:bad,{module}:Net", f"--benchmark-json={out}")
    assert finished.returncode == 1 and "1 failed, 1 passed" in finished.stdout
    assert "in bad" in finished.stdout and "INTERNALERROR" not in finished.stdout
    entries = json.loads(out.read_text())["benchmarks"]
    reasons = {one["extra_info"]["status"]: one["extra_info"]["reason"] for one in entries}
    assert reasons["failed"].endswith("RuntimeError: no") and reasons["measured"] is None


HANG = "import time\ndef wait():\n    while True: time.sleep(0.01)\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (HANG + "wait()", "to be imported"),
        (HANG + "def it(): wait()", "to be made"),
        (HANG + "def it(waveforms): wait()", "to score noise of a second"),
    ],
)
def test_one_that_hangs_is_named_after_the_timeout(bench, code, folder, text, what):
    name = f"{code(text)}:it"
    out = folder / "out.json"
    finished = bench("--bench-detectors", name, "--bench-timeout", "0.3", f"--benchmark-json={out}")
    told = f"{name} took longer than 0.3 s {what}; --bench-timeout gives it more"
    assert told in finished.stdout + finished.stderr
    assert finished.returncode == (1 if "score" in what else 4)


def test_a_timeout_that_is_none_is_refused(bench):
    finished = bench("--bench-detectors", "fake-mamba-s", "--bench-timeout", "0")
    assert finished.returncode == 4 and "give seconds, more than none" in finished.stderr


def test_a_process_of_its_own_finds_the_module_of_the_current_folder(code):
    cell = Cell(f"{code(NET)}:Net", "own", "end-to-end", 0.2)
    outcome = measure_in_child(cell, Method(ONCE, ()))
    assert outcome.status == "measured", outcome.reason


def test_one_that_hangs_in_a_process_of_its_own_ends_by_the_same_timeout(code):
    cell = Cell(f"{code(HANG + 'def it(waveforms): wait()')}:it", "own", "end-to-end", 0.2)
    outcome = measure_in_child(cell, Method(ONCE, ()), 2.0)
    assert outcome.status == "failed" and outcome.reason == "it took longer than 2 s and was ended"


def test_resident_memory_is_measured_in_a_process_that_finds_it(code):
    cell = Cell(f"{code(NET)}:Net", "own", "end-to-end", 0.2)
    outcome = Measurer(Method(ONCE, ("resident",)), WorkloadCache()).measure(cell)
    assert outcome.status == "measured", outcome.reason
    assert outcome.details["resident_bytes_reason"] is None
    assert outcome.details["resident_bytes"] >= 0
