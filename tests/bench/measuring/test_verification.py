"""Correct before fast: what is found wrong, and what is not."""

from dataclasses import replace

import pytest
import torch

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.verification import ERROR_BOUNDS, WrongResultError, require_close
from fakemamba.bench.method import Method
from fakemamba.models import mamba
from fakemamba.models.detector import Detector

ONCE = Effort(least_visits=1, dear_visits=1, most_visits=1, most_rounds=1, warmup_s=0.0)
CELL = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 2.0, backend="torch")


@pytest.fixture
def measurer():
    return Measurer(Method(ONCE, instruments=()), WorkloadCache())


def patched_forward(monkeypatch, change):
    """Let a detector's logits be what ``change`` makes of (forward, waveforms, lengths)."""
    forward = Detector.forward
    monkeypatch.setattr(Detector, "forward", lambda s, w, n=None: change(
        lambda *given: forward(s, *given), w, n))  # fmt: skip


def test_a_right_cell_is_measured(measurer):
    assert measurer.measure(CELL).status == "measured"


def test_nan_is_wrong(measurer, monkeypatch):
    patched_forward(monkeypatch, lambda forward, w, n: forward(w, n) * float("nan"))
    outcome = measurer.measure(CELL)
    assert outcome.status == "wrong" and "not finite" in outcome.reason
    assert not outcome.samples_s and "latency_s" not in outcome.details


def test_a_detector_that_cuts_its_input_is_wrong(measurer, monkeypatch):
    patched_forward(monkeypatch, lambda forward, w, n: forward(w[:, :16_000]))
    outcome = measurer.measure(CELL)
    assert outcome.status == "wrong" and "end of its input changes" in outcome.reason


def test_scores_that_depend_on_the_batch_are_wrong(measurer, monkeypatch):
    def leaking(forward, w, n):
        logits = forward(w, n)
        return logits + logits.mean(0) if len(w) > 1 else logits

    patched_forward(monkeypatch, leaking)
    outcome = measurer.measure(CELL)
    assert outcome.status == "wrong" and "a batch against its rows alone" in outcome.reason


def test_a_scan_that_drops_its_gate_is_wrong(measurer, monkeypatch):
    scan = mamba.directional_scan

    def without_gate(u, delta, A, B, C, D, z, delta_bias, *, backend, **options):
        gate = z if backend == "torch" else None
        return scan(u, delta, A, B, C, D, gate, delta_bias, backend="torch", **options)

    monkeypatch.setattr(mamba, "directional_scan", without_gate)
    for part in ("encoder", "end-to-end"):
        outcome = measurer.measure(replace(CELL, part=part, backend="reference"))
        assert outcome.status == "wrong" and "relative error" in outcome.reason
    assert measurer.measure(CELL).status == "measured"


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_low_precision_is_within_a_third_of_its_bound(measurer, precision):
    details = measurer.measure(replace(CELL, precision=precision)).details
    assert 0 < details["relative_error"] < ERROR_BOUNDS[precision] / 3
    assert details["max_abs_error"] > 0


def test_an_output_that_is_remembered_is_wrong(measurer, monkeypatch):
    remembered = {}

    def remembering(forward, w, n):
        return remembered.setdefault(w.shape, forward(w, n))

    patched_forward(monkeypatch, remembering)
    outcome = measurer.measure(CELL)
    assert outcome.status == "wrong" and "or remembered" in outcome.reason


def test_the_error_names_the_bound():
    with pytest.raises(WrongResultError, match=r"relative error 1 against fp32, but bf16 may"):
        require_close(torch.zeros(3), torch.ones(3), "bf16", "logits")


def test_where_fp32_does_not_fit_the_error_is_unknown_not_the_cell_lost(measurer, monkeypatch):
    def ends(self, cell, detector, run):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(WorkloadCache, "_on_speech", ends)
    outcome = measurer.measure(replace(CELL, precision="bf16"))
    assert outcome.status == "measured" and outcome.details["max_abs_error"] is None
    assert outcome.details["error_reason"] == "memory ended while fp32 was run"
