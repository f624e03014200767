"""Decisions on streams as cells: what they cost, that they are right, and what cannot be."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.instruments.work import count_work
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.method import Method
from fakemamba.models.streaming import _KeptFrames

# 31 frames, of which 5 are new.
CELL = Cell("xlsr-transformer", "xls-r-tiny", "stream", 0.64, hop_s=0.1)
CACHED = replace(CELL, part="stream-cached")
EFFORT = Effort(least_visits=2, most_visits=2, time_s=0.0, visit_s=0.0, warmup_s=0.0)


@pytest.fixture(scope="module")
def cache():
    return WorkloadCache()


@pytest.fixture
def measure(cache):
    def measure(cell, *instruments, **effort):
        return Measurer(Method(replace(EFFORT, **effort), instruments), cache).measure(cell)

    return measure


def test_a_stream_has_a_cost_for_a_second_of_audio(measure):
    for cell in (CELL, CACHED):
        outcome = measure(cell, least_rounds=10)
        assert outcome.status == "measured", outcome.reason
        figures = outcome.to_json()
        assert figures["cell"]["hop_s"] == 0.1 and "every-0.1s" in figures["cell_id"]
        assert figures["cost_s_per_s"] == pytest.approx(figures["latency_s"] / 0.1)
        assert "rtf" not in figures and "throughput" not in figures
        assert figures["latency_p50_s"] <= figures["latency_p95_s"]
        assert "latency_p99_s" not in figures, "of 20 decisions it is not known"
        assert figures["n_parameters"] > 0


def test_whole_utterances_have_no_cost_of_a_stream(measure):
    figures = measure(CELL.of_window).to_json()
    assert figures["cell"]["hop_s"] is None and "every" not in figures["cell_id"]
    assert figures["rtf"] > 0
    assert not {"cost_s_per_s", "latency_p50_s"} & figures.keys()


def test_kept_frames_are_work_that_is_not_done(measure, cache):
    anew, kept = (measure(cell, "memory", "work").details for cell in (CELL, CACHED))
    window = measure(CELL.of_window, "work").details
    assert anew["flops"] == window["flops"]
    convolutions = cache.prepare(CELL.of_window).detector.frontend.model.feature_extractor
    with torch.inference_mode():
        whole, new = (
            count_work(partial(convolutions, torch.zeros(1, samples)), torch.device("cpu"))
            for samples in (10_240, 1_920)
        )
    assert anew["flops"] - kept["flops"] == whole.flops - new.flops
    assert kept["flop_coverage"] > 0.9 and kept["peak_bytes"] > 0
    assert kept["max_abs_error"] < 1e-5 and "anew" in kept["error_against"]


@pytest.mark.parametrize(
    "cell", [CELL, CACHED, replace(CACHED, hop_s=0.05)], ids=lambda one: one.id
)
def test_a_decision_is_of_the_last_window_and_comes_from_a_stream_in_its_course(cache, cell):
    work = cache.prepare(cell)
    inputs, made = work.inputs(), []
    audio = work.window
    extractor = work.whole.detector.frontend.model.feature_extractor
    with extractor.register_forward_hook(lambda module, given, out: made.append(out.shape[-1])):
        for hop in inputs:
            found = work.run(hop)
            audio = torch.cat([audio, hop], 1)[:, -10_240:]
            assert torch.equal(work.window, audio)
            with torch.inference_mode():
                assert float((found - work.whole.detector(audio)).abs().max()) < 1e-5
    assert made[::2] == [31 if cell is CELL else 5] * 4


def test_a_frame_that_is_not_the_windows_is_found(measure, monkeypatch):
    run = _KeptFrames.forward

    def shifted(self, waveforms):
        return run(self, waveforms).roll(1, -1)

    monkeypatch.setattr(_KeptFrames, "forward", shifted)
    outcome = measure(CACHED)
    assert outcome.status == "wrong" and "a window with kept frames" in outcome.reason


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_other_precisions_can_keep_frames(measure, precision):
    outcome = measure(replace(CACHED, precision=precision))
    assert outcome.status == "measured", outcome.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"frontend": "wav2vec2-tiny"}, "first convolution of wav2vec2-tiny is normalised"),
        ({"execution": "optimized"}, "optimized front-end"),
        ({"execution": "compile"}, "runs eager, not as compile"),
        ({"hop_s": 0.64}, "share a frame"),
        ({"hop_s": 0.01, "duration_s": 0.02}, "320 samples is too short"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_kept_is_unsupported_with_the_reason(measure, changes, told):
    outcome = measure(replace(CACHED, **changes))
    assert outcome.status == "unsupported" and told in outcome.reason


def test_a_detector_of_others_has_a_stream_computed_anew(measure, code):
    module = code("def detector(waveforms):\n    return waveforms.square().mean(1)\n")
    of_others = {"detector": f"{module}:detector", "frontend": "own"}
    outcome = measure(replace(CELL, **of_others))
    assert outcome.status == "measured", outcome.reason
    outcome = measure(replace(CACHED, **of_others))
    assert outcome.status == "unsupported" and "code of others" in outcome.reason
