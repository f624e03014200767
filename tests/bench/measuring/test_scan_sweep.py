"""The scan's own sweep, and what `fakemamba kernels` measures."""

import json

import pytest
import torch

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.kernels.degradation import measure_degradation
from fakemamba.bench.kernels.encoder_paths import FLOOR, measure_encoder_paths
from fakemamba.bench.kernels.scans import measure_scans
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.scan_workload import (
    PASSES,
    SCANS,
    ScanPreparer,
    backends_for,
    bytes_that_must_move,
    plan_scans,
)
from fakemamba.bench.method import Method

CELL = ScanCell("torch", 50, 2, "fp32", "both-shared", "forward", "cpu")

ONCE = Effort(least_visits=1, dear_visits=1, most_visits=1, warmup_s=0.0)


@pytest.fixture(scope="module")
def measurer():
    """One for all cells, as a sweep has it: it measures once what the machine can do at best."""
    return Measurer(Method(ONCE), ScanPreparer())


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("directions", ["one", "both-shared", "both-separate"])
@pytest.mark.parametrize("backend", backends_for("cpu"))
@pytest.mark.parametrize("scan", SCANS)
def test_every_backend_is_measured_with_its_error(measurer, scan, backend, directions, passes):
    sizes = {"channels": 12, "states": 4, "scan": scan}
    cell = ScanCell(backend, 20, 1, "fp32", directions, passes, "cpu", **sizes)
    outcome = measurer.measure(cell)
    assert outcome.status == "measured", outcome.reason
    figures = outcome.to_json()
    assert figures["relative_error"] < 1e-5
    moved = bytes_that_must_move(cell)
    assert figures["bytes_per_s"] == pytest.approx(moved / figures["latency_s"])


@pytest.mark.parametrize(("precision", "execution"), [("int8", "eager"), ("fp32", "graph")])
def test_what_a_scan_cannot_be_is_unsupported(measurer, precision, execution):
    cell = ScanCell("torch", 20, 1, precision, "one", "forward", "cpu", execution)
    outcome = measurer.measure(cell)
    assert outcome.status == "unsupported"


def test_a_scan_with_a_large_error_is_wrong(measurer, monkeypatch):
    from fakemamba.bench.measuring import scan_workload

    monkeypatch.setitem(scan_workload.ERROR_BOUNDS, "fp32", 1e-12)
    outcome = measurer.measure(CELL)
    assert outcome.status == "wrong" and "against float64" in outcome.reason


def test_bytes_are_those_of_each_tensor_once():
    frames = 2 * 50  # batch and time; shared directions read one gate
    inputs = frames * (2 * 288 + 2 * 288 + 288 + 2 * 2 * 16) * 4
    outputs = frames * 2 * 288 * 4
    assert bytes_that_must_move(CELL) == inputs + outputs
    both = ScanCell(**{**vars(CELL), "passes": "forward+backward"})
    assert bytes_that_must_move(both) == 3 * inputs + 2 * outputs
    half = ScanCell(**{**vars(CELL), "precision": "bf16"})
    assert bytes_that_must_move(half) == (inputs + outputs) // 2
    ssd = ScanCell(**{**vars(CELL), "channels": 256, "states": 64, "scan": "ssd"})
    inputs = frames * (256 + 2 * 4 + 2 * 2 * 64) * 4  # x is shared; of 4 heads each has a step
    assert bytes_that_must_move(ssd) == inputs + frames * 2 * 256 * 4


def test_the_full_plan_goes_from_50_to_51200_frames():
    cells = plan_scans("full", "cpu", ["fp32", "bf16"])
    assert {cell.num_frames for cell in cells} >= {50, 51_200}
    assert {cell.precision for cell in cells} == {"fp32", "bf16"}
    assert {cell.backend for cell in cells} == set(backends_for("cpu"))
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.at_length
def test_the_scan_has_a_sweep_of_its_own(run_pytest, tmp_path):
    arguments = ["bench/bench_scan.py", "-k", "torch and 50f", "--bench-instruments", ""]
    arguments += ["--bench-time", "0", "--bench-min-rounds", "1"]
    finished = run_pytest(*arguments, f"--benchmark-json={tmp_path / 'scan.json'}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    entries = json.loads((tmp_path / "scan.json").read_text())["benchmarks"]
    assert len(entries) == 12  # two scans, three kinds of direction, two kinds of pass
    detectors = [entry["extra_info"]["cell"]["detector"] for entry in entries]
    assert detectors.count("selective-scan") == detectors.count("ssd-scan") == 6
    for entry in entries:
        assert entry["extra_info"]["cell"]["part"] == "scan"
        assert entry["extra_info"]["cell"]["duration_s"] == 1.0
        assert entry["extra_info"]["relative_error"] < 1e-5


def test_degradation_compares_every_backend_with_the_best():
    cell = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5)
    rows = measure_degradation(cell, ["encoder"], ["reference", "torch"], rounds=2)
    assert {row.backend for row in rows} == {"reference", "torch"}
    assert rows[0].slowdown == 1.0 and rows[1].slowdown >= 1.0
    assert all(row.max_abs_error < 1e-4 for row in rows)


def test_both_scans_are_timed_with_their_errors_against_float64():
    rows = measure_scans(30, ["torch", "reference"], 1, torch.device("cpu"))
    assert {(row.scan, row.backend) for row in rows} == {
        (scan, backend) for scan in SCANS for backend in ("torch", "reference")
    }
    assert all(0 <= row.relative_error < 1e-5 and row.slowdown >= 1 for row in rows)


def test_every_way_through_the_encoder_gives_the_same_output():
    paths = measure_encoder_paths(30, backends_for("cpu"), 1, torch.device("cpu"))
    names = {path.path for path in paths}
    assert names >= {FLOOR, "fakemamba, torch", "transformers, MambaMixer"}
    for path in paths:
        assert path.latency_s > 0
        assert path.relative_error is None if path.path == FLOOR else path.relative_error < 1e-4
