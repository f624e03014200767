"""A sweep whose result cannot be written says so at once, and one without a result says why."""

import json
import shlex

import pytest
import torch

from fakemamba.analysis.report.reproduce import replay
from fakemamba.analysis.results import read_launch
from fakemamba.bench.sweep.report import SweepReport
from fakemamba.kernel_checks import KernelCheck

UNSUPPORTED = [
    "--bench-profile",
    "smoke",
    "--bench-frontend",
    "xls-r-tiny",
    "--bench-detectors",
    "xlsr-aasist",
]
UNSUPPORTED += ["--bench-execution", "graph", "--bench-device", "cpu"]


@pytest.fixture
def sweep(run_pytest, tmp_path):
    """A sweep that ends in seconds: no cell of it can be measured."""

    def run(*arguments, target="bench/", durations=("--bench-durations", "0.5,1")):
        return run_pytest(target, *UNSUPPORTED, *durations, *arguments)

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "2"], "side by side would disturb each other; leave -n out"),
        (["--dist", "load", "--tx", "2*popen"], "leave -n out"),
        (["--benchmark-disable"], "--benchmark-disable calls every cell once without a time"),
        (["--benchmark-skip"], "--benchmark-skip leaves out all cells"),
    ],
    ids=str,
)
@pytest.mark.parametrize("wanted", ["--benchmark-json", "--bench-resume"])
def test_what_forbids_a_result_is_refused_before_anything_is_measured(
    sweep, tmp_path, arguments, message, wanted
):
    finished = sweep(*arguments, f"{wanted}={tmp_path / 'x.json'}")
    assert finished.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in finished.stderr and "Traceback" not in finished.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("save", ["--benchmark-save=x", "--benchmark-autosave"])
def test_what_would_be_kept_is_refused_likewise(sweep, tmp_path, save):
    finished = sweep("--benchmark-skip", save, f"--benchmark-storage={tmp_path / 'storage'}")
    assert finished.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no result to write" in finished.stderr


def test_no_workers_are_allowed(sweep, tmp_path):
    path = tmp_path / "x.json"
    assert sweep("-n", "0", "-k", "encoder", f"--benchmark-json={path}").returncode == 0
    assert len(read_launch(path).cells) == 2


def test_cells_that_are_skipped_are_not_measured_first(sweep):
    finished = sweep("--benchmark-skip")
    assert finished.returncode == 0 and "6 skipped" in finished.stdout
    assert "fakemamba sweep:" not in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--collect-only"], 0), (["-k", "nothing"], 5), (["--setup-only"], 0)],
    ids=str,
)
@pytest.mark.parametrize("before", [None, "what stood there"])
def test_a_sweep_without_a_cell_says_why_there_is_no_result(
    sweep, tmp_path, arguments, status, before
):
    path = tmp_path / "x.json"
    if before is not None:
        path.write_text(before)
    finished = sweep(*arguments, f"--benchmark-json={path}")
    assert finished.returncode == status
    assert f"{path} is not written: no cell was run" in finished.stdout
    assert list(tmp_path.iterdir()) == [path] * (before is not None)
    assert before is None or path.read_text() == before


def test_a_result_follows_a_link_and_replaces_no_folder(sweep, tmp_path):
    (tmp_path / "real.json").write_text("before")
    link = tmp_path / "x.json"
    link.symlink_to(tmp_path / "real.json")
    assert sweep("-k", "encoder", f"--benchmark-json={link}").returncode == 0
    assert link.is_symlink() and len(read_launch(tmp_path / "real.json").cells) == 2

    (tmp_path / "folder.json").mkdir()
    finished = sweep("-k", "encoder", f"--benchmark-json={tmp_path / 'folder.json'}")
    assert finished.returncode == 4 and "is a folder, and what" in finished.stderr


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        pytest.param(
            *("bench/", ["--bench-find-limits", "-k", "encoder and not batch_size"]),
            marks=pytest.mark.at_length,
        ),
        ("bench/", ["--bench-budget", "60", "--bench-seed", "3", "--bench-flush-cache"]),
        pytest.param(
            *("bench/bench_detectors.py", ["--bench-min-rounds", "0", "--bench-time", "0.125"]),
            marks=pytest.mark.at_length,
        ),
        pytest.param("bench/", ["-k", "not 1s", "-m", "benchmark"], marks=pytest.mark.at_length),
    ],
    ids=str,
)
def test_measuring_again_as_the_page_says_gives_the_same_cells(
    sweep, run_pytest, tmp_path, target, arguments
):
    path = tmp_path / "x.json"
    sweep(*arguments, f"--benchmark-json={path}", target=target)
    launch = read_launch(path)
    (command,) = replay(launch).commands
    pytest_, *words, out = shlex.split(command)
    assert (pytest_, out) == ("pytest", "--benchmark-json=x.json")
    run_pytest(*words, f"--benchmark-json={tmp_path / 'again.json'}")
    again = read_launch(tmp_path / "again.json")
    assert again.cells["cell_id"].tolist() == launch.cells["cell_id"].tolist()
    assert again.options == launch.options and again.identity == launch.identity
    run_pytest(*shlex.split(replay(launch).one_cell)[1:-1], f"--benchmark-json={path}")
    assert read_launch(path).cells["cell_id"].tolist() == launch.cells["cell_id"].tolist()[:1]


def test_commands_name_no_path_of_this_machine(sweep, tmp_path):
    (tmp_path / "lengths.json").write_text(
        json.dumps(
            {"schema": 1, "name": "t", "source": "t", "licence": None, "made_by": "t"}
            | {"count": 1, "min_s": 1.0, "max_s": 1.0, "durations_s": [1.0]}
        )
    )
    path = tmp_path / "x.json"
    lengths = ["--bench-lengths", tmp_path / "lengths.json"]
    finished = sweep("-k", "encoder", f"--benchmark-json={path}", durations=lengths)
    assert finished.returncode == 0, finished.stderr
    options = read_launch(path).options
    assert "lengths.json" in options["commands"][0] and options["lengths"] == "lengths.json"
    assert str(tmp_path) not in json.dumps(options)


@pytest.mark.at_length
def test_a_result_that_is_resumed_keeps_the_command_of_each_run(sweep, tmp_path):
    path = tmp_path / "x.json"
    for choice in ("encoder", "front-end", "front-end"):
        assert sweep("-k", choice, f"--bench-resume={path}").returncode == 0
    launch = read_launch(path)
    assert [words[-2:] for words in launch.options["commands"]] == [
        ["-k", "encoder"],
        ["-k", "front-end"],
    ]
    assert len(replay(launch).commands) == 2 and len(launch.cells) == 4


def test_a_kernel_that_was_not_used_is_told_at_the_end(monkeypatch):
    found = {("norm", 0): KernelCheck("failed", "no such\ninstruction", {})}
    found |= {
        ("scan", 0): KernelCheck("passed", None, {}),
        ("scan", 1): KernelCheck("failed", "", {}),
    }
    monkeypatch.setattr("fakemamba.kernel_checks._known", found)
    told = "torch computes for the kernel norm, which is not right here: no such\\ninstruction"
    assert SweepReport(torch.device("cuda", 0), {}, {}, {}).unused_kernels() == [told]
    assert SweepReport(torch.device("cpu"), {}, {}, {}).unused_kernels() == []
