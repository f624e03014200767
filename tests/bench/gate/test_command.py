"""``fakemamba gate`` whole: real revisions, worktrees and processes, but invented times.

Each revision of a tiny repository has a module pytest of its own, which stands in for the sweep: it
writes the benchmark's JSON with the times that the revision's bench/speed.py says.
"""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from fakemamba.bench.gate import arms
from fakemamba.bench.gate.environments import Arm
from fakemamba.cli import gate as command
from fakemamba.locks import sole_writer

PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "fakemamba"
version = "0"
dependencies = []
[tool.setuptools]
packages = ["fakemamba", "fakemamba.bench"]
package-dir = { fakemamba = "fakemamba", "fakemamba.bench" = "bench" }
"""

SWEEP = """
import json, pathlib, random, sys, time
from bench.speed import LATENCIES_S, NOISE, STATUS

def entry(cell_id, latency_s):
    status = STATUS.get(cell_id, "measured")
    data = [latency_s * factor for factor in (0.99, 1.0, 1.01)]
    stats = {"min": data[0], "max": data[2], "median": data[1], "iqr": data[2] - data[0]}
    info = {"cell_id": cell_id, "input": "random", "recording": None, "status": status}
    cell = {"detector": "d", "frontend": "f", "part": "encoder", "duration_s": 1.0, "batch_size": 1}
    how = {"precision": "fp32", "backend": "none", "execution": "eager", "device": "cpu"}
    info |= {"cell": cell | how | {"attention": "sdpa", "clock": "latency"}, "disturbed_by": []}
    name = f"bench/bench_detectors.py::bench_detector[{cell_id}]"
    if status != "measured":
        name, stats, data = f"{name} ({status})", dict.fromkeys(stats), None
        return {"fullname": name, "extra_info": info | {"reason": "so"}, "stats": stats}
    info |= {"reason": None, "latency_s": data[1]}
    return {"fullname": name, "extra_info": info, "stats": stats | {"data": data, "rounds": 3}}

tests = [word for word in sys.argv[1:] if word.startswith("bench/")]
[path] = [word.partition("=")[2] for word in sys.argv if word.startswith("--benchmark-json=")]
chosen = [c for c in LATENCIES_S if tests == ["bench/"] or any(f"[{c}]" in t for t in tests)]
noise = random.Random(pathlib.Path(path).name)  # of each launch its own, in every run the same
times = {c: LATENCIES_S[c] * noise.gauss(1, NOISE) for c in chosen}
block = {"schema": 2, "options": {}, "identity": {}, "environment": {"device": "cpu"}}
content = {"fakemamba": block, "benchmarks": [entry(*item) for item in times.items()]}
if "--slow" in sys.argv:
    time.sleep(60)
open(path, "w").write(json.dumps(content))
sys.exit(int("failed" in STATUS.values()))
"""

CELLS = {"200f": 0.010, "1200f": 0.020, "51200f": 0.030}


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def write_speed(folder, latencies_s, noise=0.002, status=()):
    text = f"LATENCIES_S = {latencies_s}\nNOISE = {noise}\nSTATUS = {dict(status)}\n"
    (folder / "bench" / "speed.py").write_text(text)


def commit(folder, tag):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", tag)
    git(folder, "tag", tag)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    for package in ("fakemamba", "bench"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text('"""Empty."""\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "pytest.py").write_text(SWEEP)
    (folder / ".gitignore").write_text("*.egg-info/\n__pycache__/\n")
    git(folder, "init", "--quiet")
    write_speed(folder, CELLS)
    commit(folder, "base")
    return folder


@pytest.fixture
def run_gate(repository, tmp_path, monkeypatch):
    """The command on the tiny repository, with locks that no other gate of this machine holds.

    Making environments takes most of the time: arms are of this interpreter, unless asked for.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = arms.make_arm
    monkeypatch.setattr(arms, "make_arm", lambda name, tree, python, *_: Arm(name, python, tree))

    def run(*options, base="base", environments=False, **settings):
        if environments:
            monkeypatch.setattr(arms, "make_arm", made)
        settings = {"out": tmp_path / "out", "install_deps": False, **settings}
        return command.gate(options, base=base, repository=repository, **settings)

    return run


def comparison(tmp_path):
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    verdicts = {cell["cell_id"]: cell["verdict"] for cell in content["cells"]}
    return content, verdicts


def test_a_slower_working_tree_is_a_regression_in_the_cell_that_is_slower(
    repository, run_gate, tmp_path, capsys
):
    write_speed(repository, CELLS | {"200f": 0.0115})
    before = [git(repository, *words.split()) for words in ("status -s", "worktree list")]
    assert run_gate(environments=True) == 1
    content, verdicts = comparison(tmp_path)
    assert verdicts == {"200f": "regressed", "1200f": "fine", "51200f": "fine"}
    assert content["pairs"] == 6 and 0 < content["rules"]["noise_floor"] < 0.02
    assert content["notes"][0] == "after 3 of 10 blocks: every cell is decided"
    assert content["notes"][1].startswith("noise floor 0.") and "in 1200f" in content["notes"][1]
    shown = (tmp_path / "out" / "comparison.md").read_text()
    assert shown.startswith("<!-- fakemamba-gate -->") and "Regression in 1 of 3 cells" in shown
    assert "Regression in 1 of 3 cells" in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "launches").glob("*-*-*.json"))) == 24
    assert [git(repository, *w.split()) for w in ("status -s", "worktree list")] == before
    assert not list((repository / ".git" / "fakemamba-gate" / "worktrees").iterdir())


def test_identical_code_is_fine_and_the_same_command_launches_nothing_again(
    run_gate, tmp_path, capsys
):
    assert run_gate() == 0
    _, verdicts = comparison(tmp_path)
    assert set(verdicts.values()) == {"fine"}
    launches = sorted((tmp_path / "out" / "launches").iterdir())
    made = [path.stat().st_mtime_ns for path in launches]
    capsys.readouterr()
    assert run_gate() == 0
    assert [path.stat().st_mtime_ns for path in launches] == made
    assert "launching" not in capsys.readouterr().err

    assert run_gate("--bench-durations", "1") == 2
    assert "holds another comparison: options was []" in capsys.readouterr().err
    assert comparison(tmp_path)[1] == verdicts


def test_a_slowdown_may_be_accepted_by_the_head_and_only_below_its_factor(
    repository, run_gate, tmp_path
):
    write_speed(repository, CELLS | {"200f": 0.0115})
    entry = '[[accepted]]\npattern = "200f"\nfactor = 1.3\nreason = "exact now"\nexpires = {}\n'
    tomorrow, yesterday = (date.today() + timedelta(days) for days in (1, -1))
    accepted = repository / "bench" / "accepted.toml"
    accepted.write_text(entry.format(tomorrow))
    assert run_gate(out=tmp_path / "out") == 0
    assert comparison(tmp_path)[1]["200f"] == "accepted"
    accepted.write_text(entry.format(yesterday))
    assert run_gate(out=tmp_path / "other") == 1


def test_a_noisy_machine_decides_less_and_fails_nothing_below_its_floor(
    repository, run_gate, tmp_path
):
    """A slowdown of 6 % where base differs from itself by more: more blocks, then a warning."""
    write_speed(repository, CELLS, noise=0.15)
    commit(repository, "noisy")
    write_speed(repository, CELLS | {"200f": 0.0106}, noise=0.15)
    assert run_gate(base="noisy", max_blocks=4) == 0
    content, verdicts = comparison(tmp_path)
    assert "undecided" in verdicts.values() and "regressed" not in verdicts.values()
    assert content["rules"]["noise_floor"] > 0.025
    assert content["notes"][0] == "after 4 of 4 blocks: no more were allowed"
    assert run_gate(base="noisy", max_blocks=4, strict=True) == 1


def test_a_cell_that_fails_is_no_silent_pass(repository, run_gate, tmp_path):
    write_speed(repository, CELLS, status={"200f": "failed"})
    assert run_gate() == 2
    assert comparison(tmp_path)[1]["200f"] == "unanswerable"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": "absent"}, "'absent' is no revision of"),
        ({"budget_minutes": 1e-9}, "was spent after 0 of at least 3 blocks"),
        ({"max_blocks": 2}, "3 to 2 blocks"),
        ({"control": "7f"}, "has no cell 7f"),
        ({"python": Path(sys.prefix, "absent")}, "absent"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_exits_with_2_and_says_why(
    run_gate, capsys, settings, message, tmp_path
):
    assert run_gate(**settings) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_folder_has_one_gate(run_gate, tmp_path, capsys):
    with sole_writer(tmp_path / "out", is_folder=True):
        assert run_gate() == 2
    told = capsys.readouterr().err
    assert "out is being written by another process" in told
    assert not (tmp_path / "out" / "launches").exists()


@pytest.mark.at_length
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_gate_leaves_a_tidy_repository(repository, tmp_path, stop):
    """As by Ctrl-C, and as when a job is cancelled."""
    program = (
        "import sys; from pathlib import Path; from fakemamba.cli.gate import gate\n"
        "sys.exit(gate(('--slow',), base='base', install_deps=False))"
    )
    before = git(repository, "worktree", "list")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        cwd=repository,
        env=environment,
        stderr=subprocess.PIPE,
    ) as running:
        while b"launching" not in running.stderr.readline():
            assert running.poll() is None
        time.sleep(0.2)
        running.send_signal(stop)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 128 + stop and b"the same command goes on" in said
    assert git(repository, "worktree", "list") == before


def test_another_packages_revisions_are_gated_and_named(
    repository, run_gate, tmp_path, monkeypatch
):
    made = []

    def make_package_arm(name, checkout, python, *_):
        made.append(name)
        return Arm(name, python, checkout)

    monkeypatch.setattr(arms, "make_package_arm", make_package_arm)
    project = repository / "pyproject.toml"
    project.write_text(PROJECT.replace('name = "fakemamba"', 'name = "tiny"'))
    commit(repository, "tiny")
    write_speed(repository, CELLS | {"200f": 0.0115})
    assert run_gate(base="tiny") == 1
    content, verdicts = comparison(tmp_path)
    assert made == ["base", "head"] and verdicts["200f"] == "regressed"
    base = git(repository, "rev-parse", "tiny").strip()
    assert any(note.startswith(f"tiny: base {base}, head ") for note in content["notes"])
