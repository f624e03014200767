"""``pytest bench/ --benchmark-json``: the whole command, once in a process of its own."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from children import lines_of

from fakemamba.analysis.results import read_launch
from fakemamba.analysis.streams import stream_costs
from fakemamba.data.synthetic import speech_like
from fakemamba.files import naming

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["--bench-profile", "smoke", "--bench-frontend", "xls-r-tiny", "--bench-time", "0"]
SMALL += ["--bench-visits", "2", "--bench-instruments", "memory"]
SWEEP = ["pytest", "bench/", "-q", "-p", "no:cacheprovider", *SMALL]


def sweep_alone(tmp_path, *arguments, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", *SWEEP, "--benchmark-storage"]
    command += [f"file://{tmp_path / 'storage'}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def bench(run_pytest):
    """The command in this process."""

    def run(tmp_path, *arguments):
        storage = f"file://{tmp_path / 'storage'}"
        return run_pytest("bench/", "--benchmark-storage", storage, *SMALL, *arguments)

    return run


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One sweep with measured and unsupported cells, and its JSON."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = ["--bench-detectors", "fake-mamba-s,xlsr-aasist", "--bench-durations", "0.05,0.5"]
    arguments += [f"--benchmark-json={folder / 'out.json'}", "--benchmark-save=first"]
    finished = sweep_alone(folder, *arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder, finished, json.loads((folder / "out.json").read_text())


@pytest.mark.parametrize("name", ["wavlm-tinny", "wavlm-tiny?layer=1", "absent.pt"])
def test_a_front_end_that_cannot_be_is_told_before_anything_is_measured(bench, tmp_path, name):
    finished = bench(tmp_path, "--bench-frontend", name)
    assert finished.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [one for one in finished.stderr.splitlines() if one]
    assert line.startswith("ERROR: ") and name.partition("?")[0] in line


def test_a_stream_that_is_none_is_told_before_anything_is_measured(bench, tmp_path):
    finished = bench(tmp_path, "--bench-stream", "1,4")
    assert finished.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [one for one in finished.stderr.splitlines() if one]
    assert "windows of 1 s every 4 s are no stream" in line


def test_streams_are_measured_and_read_back(bench, tmp_path):
    path = tmp_path / "out.json"
    arguments = ["--bench-detectors", "xlsr-transformer", "--bench-durations", "0.5"]
    streams = ["--bench-stream", "0.5,0.1;0.5,0.5", "-k", "stream", f"--benchmark-json={path}"]
    finished = bench(tmp_path, *arguments, *streams)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    launch = read_launch(path)
    assert "0.5,0.1;0.5,0.5" in launch.options["commands"][0]
    costs = stream_costs(launch.cells)
    found = list(zip(costs["hop_s"], costs["cached"], costs["status"], strict=True))
    assert found == [
        (0.1, False, "measured"),
        (0.1, True, "measured"),
        (0.5, False, "measured"),
        (0.5, True, "unsupported"),
    ]


def test_every_cell_ends_in_a_record(swept):
    _, finished, results = swept
    entries = results["benchmarks"]
    assert len(entries) == 2 * 2 * 3
    statuses = {
        (cell["detector"], cell["part"], cell["duration_s"]): entry["extra_info"]["status"]
        for entry in entries
        for cell in [entry["extra_info"]["cell"]]
    }
    assert len(statuses) == 12
    unsupported = {key for key, status in statuses.items() if status == "unsupported"}
    assert unsupported == {
        ("xlsr-aasist", part, 0.05) for part in ("front-end", "encoder", "end-to-end")
    }
    assert "fakemamba sweep: 9 measured, 3 unsupported" in finished.stdout


def test_a_measured_record_has_all_that_is_promised(swept):
    _, _, results = swept
    measured = [
        entry for entry in results["benchmarks"] if entry["extra_info"]["status"] == "measured"
    ]
    for entry in measured:
        info = entry["extra_info"]
        assert set(info["cell"]) >= {
            *("detector", "frontend", "part", "duration_s", "batch_size"),
            *("precision", "backend", "execution", "device"),
        }
        assert info["rtf"] == pytest.approx(entry["stats"]["median"] / info["cell"]["duration_s"])
        assert info["throughput"] > 0 and info["n_parameters"] > 0
        assert info["peak_bytes"] is not None or info["peak_bytes_reason"]
        assert info["input"] == "speech-like"


def test_the_environment_and_the_options_are_in_the_json(swept):
    _, _, results = swept
    block = results["fakemamba"]
    assert block["schema"] == 4
    assert block["options"]["detectors"] == ["fake-mamba-s", "xlsr-aasist"]
    assert block["environment"]["packages"]["torch"]
    assert block["environment"]["device"]
    assert block["status_counts"] == {"measured": 9, "unsupported": 3}


@pytest.mark.at_length
def test_records_without_a_time_do_not_disturb_pytest_benchmarks_own_compare(swept, bench):
    folder, _, _ = swept
    arguments = ["--bench-detectors", "fake-mamba-s,xlsr-aasist", "--bench-durations", "0.05,0.5"]
    finished = bench(folder, *arguments, "--benchmark-compare=0001")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("(0001_first)") == 9 and "INTERNALERROR" not in finished.stdout


def test_what_pytest_benchmark_saves_is_a_result_as_well(swept):
    folder, _, _ = swept
    (saved,) = (folder / "storage").rglob("0001_first.json")
    assert read_launch(saved).cells["cell_id"].tolist() == (
        read_launch(folder / "out.json").cells["cell_id"].tolist()
    )


def test_a_regression_that_pytest_benchmark_finds_costs_no_result(swept, bench, tmp_path):
    folder, _, results = swept
    (saved,) = (folder / "storage").rglob("0001_first.json")
    earlier = tmp_path / "storage" / saved.relative_to(folder / "storage")
    earlier.parent.mkdir(parents=True)
    for entry in results["benchmarks"]:
        if entry["stats"]["min"] is not None:
            entry["stats"] = dict.fromkeys(entry["stats"], 1e-09) | {"data": [1e-9]}
    earlier.write_text(json.dumps(results))
    path = tmp_path / "out.json"
    arguments = ["--bench-detectors", "fake-mamba-s", "--bench-durations", "0.05"]
    arguments += ["--bench-parts", "encoder", f"--benchmark-json={path}"]
    failing = ["--benchmark-compare=0001", "--benchmark-compare-fail=min:5%"]
    with contextlib.suppress(Exception):
        bench(tmp_path, *arguments, *failing)
    assert len(read_launch(path).cells) == 1
    assert {one.name for one in tmp_path.iterdir()} == {"storage", "out.json"}


@pytest.mark.at_length
def test_records_without_a_time_can_be_left_out_of_the_compare_command(swept):
    folder, _, _ = swept
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(folder / "out.json")]
    command += ["-k", "not memory and not unsupported and not failed"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "fake-mamba-s" in finished.stdout


def test_a_sweep_without_any_time_still_writes_its_json(bench, tmp_path):
    path = tmp_path / "out.json"
    arguments = ["--bench-detectors", "xlsr-aasist", "--bench-durations", "0.05"]
    finished = bench(tmp_path, *arguments, f"--benchmark-json={path}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    results = json.loads(path.read_text())
    assert [entry["extra_info"]["status"] for entry in results["benchmarks"]] == ["unsupported"] * 3
    assert results["machine_info"] and results["commit_info"]


def test_recordings_are_measured_at_their_own_lengths(bench, tmp_path):
    soundfile.write(tmp_path / "a.wav", speech_like(6_000, 0), 16_000)
    (tmp_path / "m.csv").write_text("path\na.wav\n")
    path = tmp_path / "out.json"
    arguments = ["--bench-corpus", tmp_path / "m.csv", f"--benchmark-json={path}"]
    finished = bench(tmp_path, *arguments, "--bench-detectors", "xlsr-aasist")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for entry in json.loads(path.read_text())["benchmarks"]:
        assert entry["extra_info"]["cell"]["duration_s"] == 6_000 / 16_000
        assert entry["extra_info"]["recording"] == "a.wav"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bench-device", "cuda:99"], "device 'cuda:99' is not there"),
        (["--bench-detectors", "fake-mumba"], "did you mean fake-mamba"),
        (["--bench-corpus", "absent.csv"], "absent.csv: no such file"),
    ],
    ids=str,
)
def test_a_wrong_option_is_a_usage_error(bench, tmp_path, arguments, message):
    finished = bench(tmp_path, *arguments)
    assert finished.returncode == 4
    assert message in finished.stderr and "Traceback" not in finished.stderr


TWO = ["--bench-detectors", "fake-mamba-s,xlsr-aasist", "--bench-parts", "encoder"]
TWO += ["--bench-durations", "0.25,0.5"]


def test_a_killed_sweep_is_resumed_and_only_what_is_missing_is_measured(bench, tmp_path, children):
    path, journal = tmp_path / "out.json", tmp_path / "out.json.journal"
    command = [*SWEEP, *TWO, f"--benchmark-json={path}"]
    sweep = children.start_until(lambda: (lines_of(journal) or 0) >= 3, command)
    sweep.kill()
    sweep.join()
    lines = journal.read_bytes().splitlines()
    assert not path.exists() and 3 <= len(lines) < 9
    before = {}
    for line in map(json.loads, lines[1:]):
        before.setdefault(line["cell_id"], []).extend(line["visits"])

    refused = bench(tmp_path, *TWO, f"--benchmark-json={path}")
    assert refused.returncode == 4 and f"--bench-resume {path}" in refused.stderr
    resumed = bench(tmp_path, *TWO, "--bench-resume", str(path))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"{len(before)} cells are known from before" in resumed.stdout
    entries = json.loads(path.read_text())["benchmarks"]
    after = {entry["extra_info"]["cell_id"]: entry["extra_info"]["visits"] for entry in entries}
    assert [len(visits) for visits in after.values()] == [2] * 4
    assert all(after[cell_id][: len(visits)] == visits for cell_id, visits in before.items())
    assert not journal.exists()

    again = bench(tmp_path, *TWO, "--bench-resume", str(path), "--bench-durations", "0.25,0.5,1")
    assert "4 cells are known from before" in again.stdout
    assert len(json.loads(path.read_text())["benchmarks"]) == 6

    before = path.read_bytes(), path.stat().st_mtime_ns
    fewer = bench(tmp_path, *TWO, "--bench-resume", str(path), "-k", "aasist and 0.25s")
    assert fewer.returncode == 0, fewer.stdout + fewer.stderr
    assert "nothing was left to measure" in fewer.stdout
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert len(json.loads(path.read_text())["benchmarks"]) == 6, "what is not run is not lost"


def test_an_interrupted_sweep_says_how_to_go_on(bench, tmp_path, children):
    path, journal = tmp_path / "out.json", tmp_path / "out.json.journal"
    command = [*SWEEP, *TWO, f"--benchmark-json={path}"]
    sweep = children.start_until(lambda: (lines_of(journal) or 0) >= 2, command)
    os.kill(sweep.pid, signal.SIGSTOP)  # or it may be done before it gets the next signal
    held = bench(tmp_path, *TWO, f"--benchmark-json={path}")
    for number in (signal.SIGTERM, signal.SIGCONT):
        os.kill(sweep.pid, number)
    sweep.join(120)
    assert held.returncode == 4 and f"being written by another process ({sweep.pid})" in held.stderr
    assert sweep.exitcode == 143, children.said
    assert f"interrupted; go on with --bench-resume {path}\n" in children.said
    assert not list(tmp_path.glob(".*.lock")) and not journal.exists()
    begun = {one["extra_info"]["cell_id"] for one in json.loads(path.read_text())["benchmarks"]}
    assert 1 <= len(begun) <= 4 and len(read_launch(path).cells) == len(begun)
    resumed = bench(tmp_path, *TWO, "--bench-resume", str(path))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    entries = json.loads(path.read_text())["benchmarks"]
    assert [len(entry["extra_info"]["visits"]) for entry in entries] == [2] * 4


def test_a_sweep_has_a_budget_and_says_what_it_left_out(bench, tmp_path):
    path = tmp_path / "out.json"
    finished = bench(tmp_path, *TWO, "--bench-budget", "0.001", f"--benchmark-json={path}")
    assert finished.returncode == 0 and "left out, as they do not fit" in finished.stdout
    statuses = {cell["status"] for _, cell in read_launch(path).cells.iterrows()}
    assert "left-out" in statuses
    more = bench(tmp_path, *TWO, "--bench-budget", "600", "--bench-resume", str(path))
    assert more.returncode == 0 and "4 measured" in more.stdout


@pytest.mark.parametrize("budget, message", [("inf", "give seconds"), ("soon", "invalid float")])
def test_a_budget_that_is_no_number_of_seconds_is_one_line(bench, tmp_path, budget, message):
    refused = bench(tmp_path, *TWO, "--bench-budget", budget)
    assert refused.returncode == 4 and message in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


def test_a_result_is_a_file_because_of_its_journal(bench, tmp_path):
    refused = bench(tmp_path, "--benchmark-json=/dev/stdout")
    assert refused.returncode == 4 and "a journal beside it; name a file" in refused.stderr


def test_isolated_cells_come_in_random_order_with_their_seed(bench, tmp_path):
    path = tmp_path / "out.json"
    arguments = ["--bench-isolate", "--bench-detectors", "xlsr-conformer", "--bench-seed", "3"]
    arguments += ["--bench-parts", "encoder,front-end", "--bench-durations", "0.25"]
    finished = bench(tmp_path, *arguments, f"--benchmark-json={path}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    results = json.loads(path.read_text())
    options = results["fakemamba"]["options"]
    assert options["isolate"] and options["seed"] == 3
    assert results["fakemamba"]["status_counts"] == {"measured": 2}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.at_length
def test_a_result_that_cannot_be_written_costs_nothing_that_was_measured(bench, tmp_path):
    import resource

    out = tmp_path / "out.json"
    cells = ["--bench-detectors", "xlsr-conformer", "--bench-parts", "encoder"]
    cells += ["--bench-resume", str(out), "--bench-durations"]
    assert bench(tmp_path, *cells, "0.5").returncode == 0
    before = out.read_bytes()

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))  # stands in for a full disk
    try:
        full = bench(tmp_path, *cells, "0.5,0.6")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert full.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert f"{out} could not be written" in full.stdout and "Traceback" not in full.stdout
    assert out.read_bytes() == before
    assert {path.name for path in tmp_path.glob("*out.json*")} == {"out.json", "out.json.journal"}

    resumed = bench(tmp_path, *cells, "0.5,0.6")
    assert resumed.returncode == 0 and "2 cells are known from before" in resumed.stdout
    entries = json.loads(out.read_text())["benchmarks"]
    assert [entry["extra_info"]["cell"]["duration_s"] for entry in entries] == [0.5, 0.6]
    assert not Path(f"{out}.journal").exists()


def test_that_neither_journal_nor_result_could_be_written_is_told(bench, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_disk_of_the_journal(path, *_, **__):
        with naming(path):
            full()

    monkeypatch.setattr("fakemamba.journals.append", full_disk_of_the_journal)
    monkeypatch.setattr("fakemamba.bench.sweep.result_file.ResultFile.take_place", full)
    out = tmp_path / "out.json"
    cells = ["--bench-detectors", "xlsr-conformer", "--bench-parts", "encoder"]
    told = bench(tmp_path, *cells, "--bench-durations", "0.5", f"--benchmark-json={out}")
    assert told.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert f"{out} could not be written: [Errno 28]" in told.stdout
    assert f"No space left on device: '{out}.journal'; later visits are not in it" in told.stdout
    assert told.stdout.count(f"{out}.journal") == 1
