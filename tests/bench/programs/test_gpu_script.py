"""The study of a GPU: how its steps are run, what they are, and the programs that only it has."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fakemamba import interrupts
from fakemamba.bench.__main__ import main
from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.clock import CallTimes
from fakemamba.bench.programs import gpu_study, slower_revision
from fakemamba.bench.programs.gpu_steps import GPU, REHEARSAL, measuring_steps, reading_steps
from fakemamba.bench.programs.offline_scoring import rates
from fakemamba.bench.programs.steps import RAN_OVER, Step, StepsError, read_endings, run_steps
from fakemamba.bench.sweep import options
from fakemamba.bench.sweep.plan import EVERY_DETECTOR, plan
from fakemamba.models import block_detector

ROOT = Path(__file__).resolve().parents[3]


def python(program, *arguments):
    return (sys.executable, "-c", program, *arguments)


def step(name, program, limit_s=30.0, expected_status=0):
    return Step(name, python(program), limit_s, expected_status)


@pytest.fixture
def run(tmp_path):
    """Run steps on the device "cpu"; what was told is in ``run.told``."""

    def run(*steps, budget_s=60.0, device="cpu", **options):
        told = run.told = []
        return run_steps(
            steps, tmp_path / "out", tmp_path, device, budget_s, told.append, **options
        )

    return run


def counting(path):
    """A program that notes that it was run."""
    return f"open({str(path)!r}, 'a').write('x')"


def test_a_step_that_fails_is_recorded_and_those_after_it_run(run, tmp_path):
    endings = run(
        step("first", "print('a word')"),
        step("second", "raise SystemExit(3)"),
        Step("third", ("no-such-program",), 30.0),
        step("fourth", "raise SystemExit(1)", expected_status=1),
        step("fifth", "pass", expected_status=1),
    )
    found = {one.step: (one.outcome, one.exit_status) for one in endings}
    assert found == {
        "first": ("done", 0),
        "second": ("failed", 3),
        "third": ("failed", 127),
        "fourth": ("done", 1),
        "fifth": ("failed", 0),
    }
    assert read_endings(tmp_path / "out") == endings
    log = (tmp_path / "out" / "log" / "first.log").read_text()
    assert log.startswith("$ ") and log.endswith("a word\n")
    assert "no-such-program" in (tmp_path / "out" / "log" / "third.log").read_text()
    assert run.told[-1].startswith("fifth: failed after")


def test_a_step_that_runs_over_may_write_what_it_has_and_then_others_run(run, tmp_path):
    patient = (
        "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('written', flush=True)"
    )
    endings = run(step("long", patient, limit_s=1.0), step("next", "pass"))
    assert [(one.outcome, one.exit_status) for one in endings] == [
        ("ran over", RAN_OVER),
        ("done", 0),
    ]
    assert (tmp_path / "out" / "log" / "long.log").read_text().endswith("written\n")


def test_a_step_that_does_not_listen_is_killed_with_what_it_started(run, tmp_path, monkeypatch):
    monkeypatch.setattr("fakemamba.bench.programs.steps.GRACE_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    parent = (
        "import signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}])\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    (ending,) = run(step("deaf", parent, limit_s=1.0))
    assert ending.outcome == "ran over"
    child = int((tmp_path / "out" / "log" / "deaf.log").read_text().split()[-1])
    deadline_s = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid):
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_same_list_goes_on_where_it_was_cut(run, tmp_path):
    runs, repaired = tmp_path / "runs", tmp_path / "repaired"
    broken = f"import os; raise SystemExit(not os.path.exists({str(repaired)!r}))"
    steps = (step("good", counting(runs)), step("broken", broken))
    assert [one.outcome for one in run(*steps)] == ["done", "failed"]
    repaired.touch()
    assert [one.outcome for one in run(*steps)] == ["done", "done"]
    assert runs.read_text() == "x" and run.told[0] == "good: done before"
    run(*steps, again=True)
    assert runs.read_text() == "xx"


def test_without_time_a_step_is_not_begun_and_its_place_says_so(run, tmp_path):
    ran = tmp_path / "ran"
    (ending,) = run(step("late", counting(ran)), budget_s=2.0)
    assert (ending.outcome, ending.exit_status, ending.duration_s) == ("not begun", None, None)
    assert not ran.exists() and read_endings(tmp_path / "out") == [ending]


def test_a_folder_of_another_device_or_a_broken_table_is_refused(run, tmp_path):
    run(step("one", "pass"))
    with pytest.raises(StepsError, match="measured on cpu, and this is cuda:0; give another"):
        run(step("one", "pass"), device="cuda:0")
    (tmp_path / "out" / "steps.csv").write_text("step,device\na,b\n")
    with pytest.raises(StepsError, match=r"steps\.csv is no table of steps .*; remove it"):
        run(step("one", "pass"))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The command on a list of stub steps."""

    def study(measuring, reading=(), *arguments):
        monkeypatch.setattr(gpu_study, "measuring_steps", lambda scale, out: measuring)
        monkeypatch.setattr(gpu_study, "reading_steps", lambda scale, out: list(reading))
        return main(["gpu-study", str(tmp_path / "out"), "--rehearse", *arguments])

    return study


def test_the_status_says_whether_a_step_did_not_end_well_and_which(study, capsys):
    measuring = [step("good", "pass"), step("bad", "raise SystemExit(2)")]
    assert study(measuring, [step("page", "pass")]) == 1
    assert "lacks bad (failed): its log/ says why" in capsys.readouterr().err
    assert study([step("bad", "pass")], [step("page", "pass")]) == 0


def test_steps_can_be_chosen_by_name(study, tmp_path, capsys):
    steps = [step(name, counting(tmp_path / name)) for name in ("a", "b")]
    assert study(steps, [step("c", counting(tmp_path / "c"))], "--only", "b,c") == 0
    assert [(tmp_path / name).exists() for name in "abc"] == [False, True, True]
    assert study(steps, (), "--only", "d") == 1
    assert "unknown step 'd'; there are a, b" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_ends_its_step_and_says_how_to_go_on(study, tmp_path, capsys, stop):
    """As by Ctrl-C, and as when a job is cancelled."""
    stopping = f"import os, time; os.kill(os.getppid(), {stop:d}); time.sleep(60)"
    with interrupts.as_exceptions():
        assert study([step("long", stopping), step("next", "pass")]) == 128 + stop
    assert "the same command goes on" in capsys.readouterr().err
    endings = read_endings(tmp_path / "out")
    assert [(one.step, one.outcome) for one in endings] == [("long", "interrupted")]


def test_an_interrupt_while_a_step_is_started_is_in_the_table(study, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("fakemamba.bench.programs.steps.subprocess.Popen", interrupted)
    with interrupts.as_exceptions():
        assert study([step("long", "pass"), step("next", "pass")]) == 128 + signal.SIGTERM
    endings = read_endings(tmp_path / "out")
    assert [(one.step, one.outcome) for one in endings] == [("long", "interrupted")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so_and_nothing_is_made(tmp_path, capsys):
    assert main(["gpu-study", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "device 'cuda' is not there" in told and "--rehearse" in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_script_gives_its_arguments_and_status_on(tmp_path):
    python3 = tmp_path / "python3"
    python3.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    python3.chmod(0o755)
    script = ["bash", str(ROOT / "bench" / "gpu.sh"), "--only", "a, b"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        script, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )
    assert finished.returncode == 7
    assert finished.stdout == "-m fakemamba.bench gpu-study --only a, b\n"


def test_a_rehearsal_has_the_steps_of_a_study_on_a_cpu(tmp_path):
    study, rehearsal = (measuring_steps(scale, tmp_path) for scale in (GPU, REHEARSAL))
    names = [one.name for one in study]
    assert names == [one.name for one in rehearsal] and len(set(names)) == len(names)
    words = [word for one in rehearsal for word in one.command]
    assert not any("cuda" in word or "xls-r-300m" in word for word in words)


class Options(argparse.ArgumentParser):
    """What `options.add_options` and `options.sweep_options` ask of pytest."""

    def getgroup(self, _):
        return self

    def addoption(self, *names, **settings):
        self.add_argument(*names, **settings)

    def getoption(self, name):
        return vars(self.given)[name.lstrip("-").replace("-", "_")]


def test_every_sweep_of_the_study_has_cells(tmp_path):
    """Each with its own options, of which a wrong one would cost time on a GPU."""
    counts = {}
    for one in measuring_steps(GPU, tmp_path):
        if "bench/" in one.command:
            parser = Options(allow_abbrev=False)
            options.add_options(parser)
            words = [word for word in one.command if word.startswith("--bench-")]
            parser.given = parser.parse_args([*words, "--bench-device=cpu"])
            counts[one.name] = len(plan(options.sweep_options(parser)))
    assert counts == {
        "fast": len(EVERY_DETECTOR) * 3 * 3 * 2,  # parts, precisions, executions
        "throughput": 3 * 5,  # batches
        "paper": len(EVERY_DETECTOR) * 2 * 6,  # parts, durations
        "scaling-plain": 3 * 2 * 11,
        "scaling-optimized": 3 * 2 * 11,
        "scaling-front-end": 11 * 2 * 2,
        "scaling-scans": 2 * 11,
        "energy": 2,
        "streams": 3 * 2 * 2 * (1 + 2 * 2),  # one call; windows, with frames kept or not
    }


def test_what_is_read_are_the_results_that_are_there(tmp_path):
    sweeps = tmp_path / "sweeps"
    sweeps.mkdir()
    for name in ("fast", "scaling-plain", "scan"):
        (sweeps / f"{name}.json").touch()
    (tmp_path / "scoring.json").touch()
    given = {
        one.name: {Path(word).name for word in one.command if word.startswith(str(tmp_path))}
        for one in reading_steps(GPU, tmp_path)
    }
    assert given["scaling"] == {"scaling-plain.json", "scaling.json"}
    assert {"fast.json", "scaling-plain.json", "scoring.json"} < given["claims"]
    assert "scan.json" not in given["report"] and "scan.json" in given["plot"]
    assert "kernels.json" not in given["plot"]


def test_the_rate_of_scoring_is_without_the_start_and_names_what_limits_it():
    found = rates(100, 1100, 12.0, 22.0, decoded_per_s=110.0, detected_per_s=400.0)
    assert found["utterances_per_s"] == pytest.approx(100.0)
    assert found["start_s"] == pytest.approx(11.0) and found["audio_s_per_s"] == pytest.approx(400)
    assert found["bottleneck"] == "decoding"
    assert rates(100, 1100, 12.0, 22.0, 400.0, 110.0)["bottleneck"] == "detector"
    assert rates(100, 1100, 12.0, 22.0, 400.0, 300.0)["bottleneck"] == "neither"


@pytest.mark.parametrize("many_s", [11.0, 12.0, 13.0])
def test_a_rate_above_that_of_a_part_alone_is_refused(many_s):
    with pytest.raises(ValueError, match="only 300 a second can be: the start varies by as much"):
        rates(100, 1100, 12.0, many_s, decoded_per_s=400.0, detected_per_s=300.0)


@pytest.fixture
def sources(tmp_path):
    """A source tree of one package and its caches."""
    root = tmp_path / "sources"
    (root / "models" / "__pycache__").mkdir(parents=True)
    for name in ("README.md", "LICENSE", "models/block_detector.py", "models/__pycache__/a.pyc"):
        (root / name).touch()
    project = '[tool.setuptools.package-dir]\n"fakemamba.models" = "models"\n'
    (root / "pyproject.toml").write_text(project)
    return root


def test_a_slower_revision_differs_from_its_base_in_one_module(
    sources, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(slower_revision, "calls_for", lambda share, cell: (7, 0.02, 1e-4))
    monkeypatch.setattr(slower_revision, "ROOT", sources)
    folder = tmp_path / "repository"
    slower_revision.slower_revision(folder, device="cpu")
    assert "7 times 100.0 us are added, 3.5%" in capsys.readouterr().out
    git = ["git", "-C", str(folder), "diff", "--name-only", "base", "slower"]
    changed = subprocess.run(git, capture_output=True, text=True, check=True).stdout
    assert changed == "models/block_detector.py\n"
    assert (folder / changed.strip()).read_text() == slower_revision.ADDED.format(calls=7)


def test_what_is_added_works_more_and_gives_the_same():
    class Frames:
        def __init__(self):
            self.sines = 0

        def sin(self):
            self.sines += 1

    class BlockEncoder:
        def forward(self, features, lengths=None):
            return features

    exec(slower_revision.ADDED.format(calls=7), {"BlockEncoder": BlockEncoder})
    frames = Frames()
    assert BlockEncoder().forward(frames) is frames and frames.sines == 7
    assert hasattr(block_detector.BlockEncoder, "forward")


@pytest.mark.parametrize(("share", "calls"), [(0.05, 5), (0.5, 50)])
def test_the_added_work_costs_the_share_that_was_asked_for(monkeypatch, share, calls):
    """A call of 10 ms, to which each unit of work adds 0.1 ms."""
    worked = []

    class Workload:
        def inputs(self):
            return [torch.zeros(1)]

        def run(self, given):
            worked.clear()
            return type("Frames", (), {"sin": lambda self: worked.append(1)})()

    class FakeClock:
        def time(self, call):
            call()
            return CallTimes(10e-3 + 0.1e-3 * len(worked), 0.0, 0.0)

    monkeypatch.setattr(slower_revision.WorkloadCache, "prepare", lambda self, cell: Workload())
    monkeypatch.setattr(slower_revision, "make_clock", lambda device: FakeClock())
    found = slower_revision.calls_for(share, Cell("fake-mamba-l", "xls-r-tiny", "encoder", 4.0))
    assert found == (calls, pytest.approx(10e-3), pytest.approx(0.1e-3))


def test_sources_are_copied_without_the_folder_that_they_are_copied_to(sources):
    copied = sources / "models" / "out" / "repository"
    slower_revision.copy_sources(sources, copied)
    found = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert found == {
        *(".gitignore", "LICENSE", "README.md", "pyproject.toml"),
        "models/block_detector.py",
    }
