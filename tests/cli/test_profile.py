"""What `fakemamba profile` writes and says, on a small detector."""

import csv
import gzip
import json
import statistics

import pytest

from fakemamba.cli.profile import profile
from fakemamba.models.scan import BACKENDS

PARTS = ["front-end", "encoder", "head"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What one run writes."""
    out = tmp_path_factory.mktemp("profile")
    profile("fake-mamba-s", 0.5, out, frontend="xls-r-tiny", device="cpu", calls=2)
    return out


@pytest.fixture
def summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture
def operators(folder):
    with (folder / "operators.csv").open() as file:
        return list(csv.DictReader(file))


def test_all_files_are_there_and_nothing_half_written(folder, summary):
    names = ["fake-mamba-s.pt.trace.json.gz", "operators.csv", "memory.csv", "memory.png"]
    assert summary["files"] == names
    assert {path.name for path in folder.iterdir()} == {*names, "summary.json"}


def test_the_trace_has_a_range_of_each_part_in_each_call(folder):
    trace = json.loads(gzip.decompress((folder / "fake-mamba-s.pt.trace.json.gz").read_bytes()))
    ranges = [
        event["name"] for event in trace["traceEvents"] if event.get("cat") == "user_annotation"
    ]
    assert [name for name in ranges if name in PARTS] == PARTS * 2
    assert sum(name.startswith("ProfilerStep#") for name in ranges) == 2


def test_shares_sum_to_one_and_all_of_them_are_in_the_table(summary, operators):
    shares = summary["attribution"]["part_shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["outside"] < 0.01
    for part in PARTS:
        assert shares[part] > 0
        rows = [float(row["share"]) for row in operators if row["part"] == part]
        assert sum(rows) == pytest.approx(shares[part])


def test_the_encoders_linear_layers_and_scan_are_in_the_encoder(operators):
    calls = {(row["part"], row["operator"]): int(row["calls"]) for row in operators}
    blocks, profiled = 4, 2
    assert calls["encoder", "_Scan"] == blocks * profiled
    assert calls["encoder", "aten::linear"] >= 4 * blocks * profiled
    assert ("front-end", "_Scan") not in calls and ("head", "_Scan") not in calls


def test_the_summary_has_the_clock_beside_the_trace(summary):
    check = summary["check"]
    assert 0 < check["coverage"] < 1.05
    assert check["trusted"] is (0.9 <= check["coverage"] <= 1.02)
    assert check["slowdown"] == check["profiled_latency_s"] / check["latency_s"]
    assert check["latency_s"] == statistics.median(summary["plain_s"])
    assert summary["attribution"]["idle_share"] is None
    assert summary["memory"]["snapshot_reason"]
    assert summary["cell"]["backend"] in BACKENDS
    assert summary["environment"]["device"].startswith("CPU: ")


def test_memory_is_a_timeline_with_its_peak_in_the_summary(folder, summary):
    with (folder / "memory.csv").open() as file:
        rows = list(csv.DictReader(file))
    times_s = [float(row["time_s"]) for row in rows]
    assert times_s == sorted(times_s) and times_s[0] >= 0
    peak = max(int(row["allocated_bytes"]) for row in rows)
    assert summary["memory"]["peak_allocated_bytes"] == peak
    assert peak >= 32 * 1599 * 4  # the first convolution's output: 32 channels, 1,599 frames
    assert (folder / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_an_attribution_that_cannot_be_believed_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fakemamba.bench.profile.attribution.LEAST_COVERAGE", 2.0)
    profile("fake-mamba-s", 0.5, tmp_path, frontend="xls-r-tiny", device="cpu", calls=1)
    printed = capsys.readouterr().out
    assert "UNTRUSTED: the trace accounts for" in printed
    assert "under the profiler (" in printed and "_Scan" in printed
    assert not json.loads((tmp_path / "summary.json").read_text())["check"]["trusted"]


def test_a_detector_without_mamba_has_no_scan_backend(tmp_path):
    profile("xlsr-conformer", 0.5, tmp_path, frontend="xls-r-tiny", device="cpu", calls=1)
    assert json.loads((tmp_path / "summary.json").read_text())["cell"]["backend"] == "none"


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"batch_size": 0}, {"duration": 0.0}], ids=str)
def test_nothing_to_profile_is_refused(wrong, tmp_path):
    arguments = {"detector": "fake-mamba-s", "duration": 0.5, "out": tmp_path} | wrong
    with pytest.raises(ValueError, match="more than nothing"):
        profile(**arguments, frontend="xls-r-tiny", device="cpu")
    assert not list(tmp_path.iterdir())
