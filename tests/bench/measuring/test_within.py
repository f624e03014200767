"""A front-end's cell inside the end-to-end cell of its detector: the same figures at no cost."""

from dataclasses import replace

import pytest
import torch
from kinds import KINDS

from fakemamba.bench.cells import Cell, ScanCell
from fakemamba.bench.instruments.memory import measure_peak
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.within import Watch, cell_within, standing_in
from fakemamba.bench.measuring.workload import DetectorWorkload
from fakemamba.bench.method import Method
from fakemamba.models.frontend import Frontend
from fakemamba.models.registry import create_detector

WHOLE = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch")
FRONTEND = replace(WHOLE, part="front-end")
TWO = Effort(least_visits=2, most_visits=2, time_s=0.0, visit_s=0.0, warmup_s=0.0, least_rounds=3)
SAME = ("peak_bytes", "activation_bytes", "n_parameters", "weights_bytes")


@pytest.fixture
def measurer():
    return Measurer(Method(TWO), WorkloadCache())


def test_a_visit_of_the_whole_is_one_of_its_front_end(measurer):
    for number in (0, 1):
        whole, inner = measurer.visit_both(WHOLE, FRONTEND, number)
        assert (whole.cell, inner.cell) == (WHOLE, FRONTEND)
        assert whole.status == inner.status == "measured", inner.reason
        (outer_visit,), (inner_visit,) = whole.visits, inner.visits
        assert inner_visit.number == outer_visit.number == number
        assert len(inner_visit.rounds_s) == len(outer_visit.rounds_s) == 3
        for took_s, whole_s in zip(inner_visit.rounds_s, outer_visit.rounds_s, strict=True):
            assert 0 < took_s < whole_s
        assert bool(inner.details) == (number == 0)


@pytest.mark.parametrize("detector", KINDS)
def test_inside_or_alone_memory_is_the_same_to_the_byte(detector):
    measurer = Measurer(Method(TWO, ("memory",)), WorkloadCache())
    whole = replace(WHOLE, detector=detector, duration_s=1.0)
    together = measurer.visit_both(whole, replace(whole, part="front-end"), 0)
    work = WorkloadCache().prepare(whole)
    peak = measure_peak(lambda: work.run(work.first), work.device)
    assert together[0].details["peak_bytes"] == peak.peak_bytes > 0
    alone = Measurer(Method(TWO, ("memory",)), WorkloadCache()).visit(together[1].cell, 0)
    for name in SAME:
        assert together[1].details[name] == alone.details[name] != 0, name
    assert together[1].details["timed_within"] == whole.id
    assert together[1].details["load_s"] < 1.0


def test_a_front_end_is_run_twice_for_a_first_visit_and_once_for_the_next_that_uses_it_alike(
    monkeypatch,
):
    measurer, runs = Measurer(Method(replace(TWO, least_rounds=1)), WorkloadCache()), []
    forward = Frontend.forward

    def counted(self, waveforms, lengths=None):
        if waveforms.device.type != "meta":
            runs.append(waveforms.shape[1])
        return forward(self, waveforms, lengths)

    monkeypatch.setattr(Frontend, "forward", counted)
    detectors = ("antideepfake", "fake-mamba-s", "fake-mamba-l", "wavlm-mhfa", "xlsr-conformer")
    for detector, own in zip(detectors, (2, 2, 1, 2, 1), strict=True):
        whole = replace(WHOLE, detector=detector)
        measurer.visit_both(whole, replace(whole, part="front-end"), 0)
        assert runs.count(8_000) == own
        runs.clear()


def test_outputs_of_the_whole_are_verified_though_the_front_end_answered_from_memory(
    measurer, monkeypatch
):
    seen = []
    verify = DetectorWorkload.verify

    def see(self, output, other):
        seen.append((self, output, other))
        return verify(self, output, other)

    monkeypatch.setattr(DetectorWorkload, "verify", see)
    measurer.visit_both(WHOLE, FRONTEND, 0)
    assert [work.cell.part for work, _, _ in seen] == ["end-to-end", "front-end"]
    for work, output, other in seen:
        inputs = work.inputs()
        torch.testing.assert_close(work.run(inputs[0]), output, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(work.run(inputs[1]), other, atol=1e-6, rtol=1e-5)


def test_where_the_whole_fails_there_is_no_front_end_inside(measurer):
    short = replace(WHOLE, detector="xlsr-aasist", backend="none", duration_s=0.06)
    (outcome,) = measurer.visit_both(short, replace(short, part="front-end"), 0)
    assert outcome.status == "unsupported"
    assert measurer.visit(replace(short, part="front-end"), 0).status == "unsupported"


@pytest.mark.parametrize(
    "changed",
    [
        {"part": "encoder"},
        {"part": "training-step"},
        {"device": "cuda"},
        {"execution": "optimized"},
        {"execution": "compile"},
        {"precision": "int8"},
        {"clock": "throughput"},
    ],
    ids=lambda changed: next(iter(changed.values())),
)
def test_only_an_eager_end_to_end_cell_on_a_cpu_holds_another(changed):
    assert cell_within(WHOLE) == FRONTEND
    assert cell_within(replace(WHOLE, precision="bf16", batch_size=4)) is not None
    assert cell_within(replace(WHOLE, **changed)) is None
    assert cell_within(ScanCell("torch", 50, 1, "fp32", "one", "forward", "cpu")) is None


def test_a_front_end_is_as_before_after_something_stood_in_or_watched():
    detector = create_detector("fake-mamba-s", "xls-r-tiny").eval()
    frontend, waveforms = detector.frontend, torch.zeros(1, 8_000)
    watch = Watch(lambda: frontend)
    with pytest.raises(ZeroDivisionError), torch.inference_mode():
        wanted = frontend(waveforms)[0]
        with watch, standing_in(frontend, lambda *given: (wanted + 1, None)):
            assert torch.equal(frontend(waveforms)[0], wanted + 1)
            raise ZeroDivisionError
    with torch.inference_mode():
        assert torch.equal(frontend(waveforms)[0], wanted)
    assert len(watch.calls) == 1 and watch.output is not None
