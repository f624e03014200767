"""One cell measured: figures that agree with each other, and every other way to end."""

from dataclasses import replace

import pytest
import torch

from fakemamba.bench.cells import Cell
from fakemamba.bench.measure import Effort, Measurer
from fakemamba.bench.workload import WorkloadCache
from fakemamba.models.detector import Detector

CELL = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch")


@pytest.fixture
def measurer():
    return Measurer(Effort(min_rounds=3, time_s=0.0), WorkloadCache())


def never():
    raise AssertionError("there is nothing to time")


def test_a_measured_cell_has_figures_that_agree(measurer, benchmark):
    outcome = measurer.measure(CELL, lambda: benchmark)
    figures = outcome.details
    assert outcome.status == "measured" and outcome.reason is None
    if benchmark.stats is not None:
        assert figures["latency_s"] == benchmark.stats.stats.median
        assert benchmark.stats.stats.rounds == 3
    assert figures["rtf"] == pytest.approx(figures["latency_s"] / 0.5)
    assert figures["throughput"] == pytest.approx(0.5 / figures["latency_s"])
    assert figures["n_parameters"] == 1_412_901
    assert figures["max_abs_error"] is None


def test_a_batch_has_throughput_but_no_rtf(measurer, benchmark):
    figures = measurer.measure(replace(CELL, batch_size=3), lambda: benchmark).details
    assert figures["rtf"] is None
    assert figures["throughput"] == pytest.approx(1.5 / figures["latency_s"])


@pytest.mark.parametrize("part", ["front-end", "encoder", "end-to-end"])
def test_half_precision_carries_its_error(measurer, benchmark, part):
    cell = replace(CELL, part=part, precision="bf16")
    error = measurer.measure(cell, lambda: benchmark).details["max_abs_error"]
    assert 0 < error < 0.5


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (replace(CELL, duration_s=0.01), "160 samples is too short"),
        (replace(CELL, detector="xlsr-aasist", duration_s=0.06), "needs 1040 samples"),
        (
            replace(CELL, detector="xlsr-conformer-tcm", part="encoder", duration_s=201),
            "positions of XLSR-Conformer",
        ),
    ],
    ids=["short", "short-for-aasist", "long-for-tcm"],
)
def test_what_a_detector_cannot_take_is_unsupported(measurer, cell, reason):
    outcome = measurer.measure(cell, never)
    assert outcome.status == "unsupported" and reason in outcome.reason


def raise_from_forward(monkeypatch, error):
    calls = []

    def forward(self, waveforms, lengths=None):
        calls.append(waveforms.shape)
        raise error

    monkeypatch.setattr(Detector, "forward", forward)
    return calls


def test_once_memory_has_ended_longer_cells_are_not_tried(measurer, monkeypatch):
    calls = raise_from_forward(monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried"))
    first = measurer.measure(CELL, never)
    longer = measurer.measure(replace(CELL, duration_s=1.0), never)
    shorter = measurer.measure(replace(CELL, duration_s=0.25), never)
    assert [first.status, longer.status, shorter.status] == ["out-of-memory"] * 3
    assert "Tried" in first.reason
    assert longer.reason == "not tried: memory had ended at 0.5 s already"
    assert len(calls) == 2


def test_an_error_is_a_record_and_the_next_cell_goes_on(measurer, monkeypatch, benchmark):
    with monkeypatch.context() as patched:
        raise_from_forward(patched, RuntimeError("a kernel\nwith a long story"))
        outcome = measurer.measure(CELL, never)
    assert outcome.status == "failed" and outcome.reason == "RuntimeError: a kernel"
    assert isinstance(outcome.exception, RuntimeError)
    assert measurer.measure(CELL, lambda: benchmark).status == "measured"


def test_an_output_that_is_not_finite_has_no_time(measurer, monkeypatch):
    monkeypatch.setattr(Detector, "forward", lambda *_: torch.tensor([[float("nan"), 0.0]]))
    outcome = measurer.measure(CELL, never)
    assert outcome.status == "failed" and "is not finite" in outcome.reason
