"""One cell measured: figures that agree with each other, and every other way to end."""

import json
import statistics
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments import resident
from fakemamba.bench.instruments.cache import CacheSizeUnknownError
from fakemamba.bench.instruments.rounds import Effort
from fakemamba.bench.measuring import measure
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.preparation import WorkloadCache
from fakemamba.bench.measuring.workload import DetectorWorkload
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.models.detector import Detector
from fakemamba.nvml import Reading
from fakemamba.result_schema import FIGURES

CELL = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, backend="torch")
THREE = Effort(least_visits=3, most_visits=3, time_s=0.0, visit_s=0.0, warmup_s=0.0)


def make_measurer(*instruments):
    return Measurer(Method(THREE, instruments), WorkloadCache())


@pytest.fixture
def measurer():
    return make_measurer()


def test_a_front_end_that_cannot_be_read_fails_its_cells_in_one_line(measurer, tmp_path):
    (tmp_path / "xlsr.pt").write_text("<html></html>")
    outcome = measurer.measure(replace(CELL, frontend=str(tmp_path / "xlsr.pt")))
    assert outcome.status == "failed" and "xlsr.pt is a web page" in outcome.reason
    assert outcome.traceback is None


def test_a_measured_cell_has_figures_that_agree():
    outcome = make_measurer("memory", "work").measure(CELL)
    figures = outcome.to_json()
    assert outcome.status == "measured" and outcome.reason is None
    assert len(outcome.samples_s) == 3 and figures["stopped_by"] in ("time", "precision")
    assert figures["latency_low_s"] <= figures["latency_s"] <= figures["latency_high_s"]
    assert figures["latency_s"] == statistics.median(outcome.samples_s)
    assert figures["rtf"] == pytest.approx(figures["latency_s"] / 0.5)
    assert figures["throughput"] == pytest.approx(0.5 / figures["latency_s"])
    assert figures["n_parameters"] == 1_412_901
    assert figures["weights_bytes"] > 4 * 1_412_901 - 1
    assert figures["max_abs_error"] is None
    assert figures["flops_per_byte"] == figures["flops"] / figures["bytes_moved"]
    rate = figures["flops"] / figures["latency_s"]
    assert figures["mfu"] is None or figures["mfu"] == rate / figures["matmul_flops_per_s"]
    assert figures["first_call_s"] > 0 and figures["load_s"] > 0
    assert 0 < figures["overhead_share"] < 0.01
    assert figures["host_latency_s"] == figures["latency_s"], "a CPU has one clock"
    json.dumps(outcome.to_json(), allow_nan=False)


def test_a_batch_has_throughput_but_no_rtf(measurer):
    figures = measurer.measure(replace(CELL, batch_size=3)).to_json()
    assert figures["rtf"] is None
    assert figures["throughput"] == pytest.approx(1.5 / figures["latency_s"])


@pytest.mark.parametrize("part", ["front-end", "encoder", "end-to-end"])
def test_half_precision_carries_its_error(measurer, part):
    details = measurer.measure(replace(CELL, part=part, precision="bf16")).details
    assert 0 < details["relative_error"] < 0.1 and details["max_abs_error"] > 0
    assert "real speech" in details["error_against"]


@pytest.mark.parametrize("part", ["front-end", "encoder", "end-to-end"])
@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_an_optimized_cell_carries_its_error_and_is_counted_whole(part, precision, error):
    measurer = make_measurer("work")
    cell = replace(CELL, part=part, precision=precision)
    plain = measurer.measure(cell).details
    outcome = measurer.measure(replace(cell, execution="optimized"))
    assert outcome.status == "measured", outcome.reason
    details = outcome.details
    assert details["relative_error"] < error and "real speech" in details["error_against"]
    # Casts and a mask cost nothing; the same layers are run.
    assert details["flops"] == pytest.approx(plain["flops"], rel=0.02)


@pytest.mark.skipif(not find_spec("onnxruntime") or not find_spec("onnx"), reason="not installed")
@pytest.mark.parametrize("part", ["front-end", "end-to-end"])
@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-5), ("int8", 0.1)])
def test_an_engines_cell_is_verified_and_has_its_cold_start_apart(
    tmp_path, monkeypatch, part, precision, error
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measurer = make_measurer("memory", "work")
    cell = replace(CELL, part=part, precision=precision, execution="onnxruntime")
    outcome = measurer.measure(cell)
    assert outcome.status == "measured", outcome.reason
    figures = outcome.to_json()
    assert 0 < figures["relative_error"] < error and "real speech" in figures["error_against"]
    assert figures["cold_start_s"] == figures["engine"]["cold_start_s"] > 0
    assert (
        figures["n_parameters"]
        == measurer.measure(replace(CELL, part=part)).details["n_parameters"]
    )
    assert figures["peak_bytes"] is None and "by itself" in figures["peak_bytes_reason"]
    assert "flops" not in figures or figures["flops"] is None
    assert all(holds(figures) for holds in map(figure_holds, FIGURES))


def figure_holds(name):
    return lambda figures: figures.get(name) is None or FIGURES[name].holds(figures[name])


def test_a_precision_that_this_cpu_is_slow_in_is_measured_and_says_so(monkeypatch):
    monkeypatch.setattr("fakemamba.models.execution.modes.has_fast", lambda precision: False)
    cell = replace(CELL, part="front-end", precision="fp16", execution="optimized")
    outcome = make_measurer().measure(cell)
    assert outcome.status == "measured", outcome.reason
    (note,) = outcome.details["notes"]
    assert note.startswith("slower than plain fp32") and "use fp32 there" in note
    after_it = make_measurer().measure(replace(cell, part="encoder"))
    assert "notes" not in after_it.details, "it is in fp32"


@pytest.mark.parametrize("execution", ["eager", "optimized"])
def test_detectors_that_take_one_front_end_otherwise_are_not_mixed_up(measurer, execution):
    for name in ("xlsr-transformer", "antideepfake", "df-arena", "wavlm-mhfa"):
        cell = replace(CELL, detector=name, backend="none", execution=execution)
        outcome = measurer.measure(cell)
        assert outcome.status == "measured", outcome.reason
        assert (outcome.details.get("relative_error") or 0.0) < 1e-5


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (replace(CELL, execution="onnxruntime", precision="bf16"), "ONNX Runtime has no bf16"),
        (replace(CELL, execution="onnxruntime", part="training-step"), "onnxruntime"),
        (replace(CELL, execution="optimized", attention="eager"), "no eager attention"),
        (replace(CELL, execution="optimized", precision="int8"), "is not quantised"),
        (replace(CELL, execution="optimized", part="training-step"), "optimized"),
        (replace(CELL, duration_s=0.01), "160 samples is too short"),
        (replace(CELL, detector="xlsr-aasist", duration_s=0.06), "needs 1040 samples"),
        (
            replace(CELL, detector="xlsr-conformer-tcm", part="encoder", duration_s=201),
            "positions end at 10000",
        ),
        (replace(CELL, clock="device"), "a CPU queues no launches"),
        (replace(CELL, precision="tf32"), "a CPU has no such precision"),
        (replace(CELL, execution="graph"), "CUDA graphs need a CUDA GPU"),
        (replace(CELL, part="training-step", precision="int8"), "not in int8"),
    ],
    ids=[
        "no-bf16",
        "no-training-by-engines",
        "no-eager",
        "no-int8",
        "no-training",
        "short",
        "short-aasist",
        "long-tcm",
        "clock",
        "tf32",
        "graph",
        "training-int8",
    ],
)
def test_what_cannot_be_is_unsupported(measurer, cell, reason):
    outcome = measurer.measure(cell)
    assert outcome.status == "unsupported" and reason in outcome.reason
    assert not outcome.samples_s


def test_compiling_without_a_compiler_is_unsupported(measurer, monkeypatch):
    monkeypatch.setenv("PATH", "")
    outcome = measurer.measure(replace(CELL, execution="compile"))
    assert outcome.status == "unsupported" and "needs a C++ compiler" in outcome.reason


def raise_from_forward(monkeypatch, error):
    def forward(self, waveforms, lengths=None):
        raise error

    monkeypatch.setattr(Detector, "forward", forward)


def test_the_end_of_memory_is_a_record(measurer, monkeypatch):
    raise_from_forward(monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried"))
    outcome = measurer.measure(CELL)
    assert outcome.status == "out-of-memory" and "Tried" in outcome.reason


def test_the_end_of_memory_is_a_record_also_where_memory_is_measured(monkeypatch):
    calls, forward = [], Detector.forward

    def forward_once(self, waveforms, lengths=None):
        calls.append(waveforms)
        if len(calls) == 2:
            torch.empty(1 << 60, dtype=torch.uint8)
        return forward(self, waveforms, lengths)

    monkeypatch.setattr(Detector, "forward", forward_once)
    outcome = make_measurer("memory").measure(CELL)
    assert (outcome.status, len(calls)) == ("out-of-memory", 2)
    assert make_measurer("memory").measure(CELL).details["peak_bytes"] > 0


def test_only_resident_growth_starts_a_process(monkeypatch):
    monkeypatch.setattr(resident, "answer_of", lambda *arguments, **options: Reading(12345))
    with_process = make_measurer("resident").measure(CELL).details
    assert with_process["resident_bytes"] == 12345 and "peak_bytes" not in with_process
    monkeypatch.delattr(resident, "answer_of")
    here = make_measurer("memory").measure(CELL).details
    assert here["activation_bytes"] == here["peak_bytes"] > 0 and here["baseline_bytes"] is None


def test_an_error_is_a_record_and_the_next_cell_goes_on(measurer, monkeypatch):
    with monkeypatch.context() as patched:
        raise_from_forward(patched, RuntimeError("a kernel\nwith a long story"))
        outcome = measurer.measure(CELL)
    assert outcome.status == "failed" and outcome.reason == "RuntimeError: a kernel"
    assert "with a long story" in outcome.traceback
    assert measurer.measure(CELL).status == "measured"


@pytest.mark.parametrize("part", ["training-step", "training-step-frozen"])
def test_a_training_step_trains_what_it_says(measurer, part):
    outcome = measurer.measure(replace(CELL, part=part, batch_size=2))
    figures = outcome.to_json()
    assert outcome.status == "measured" and figures["rtf"] is None and figures["loss"] > 0
    trained = figures["n_trained_parameters"]
    assert (trained == figures["n_parameters"]) == (part == "training-step")


def test_a_training_step_in_fp16_is_measured_once_its_loss_scale_has_settled(measurer):
    outcome = measurer.measure(replace(CELL, part="training-step", precision="fp16"))
    assert outcome.status == "measured", outcome.reason


def test_a_training_step_without_finite_gradients_is_wrong(measurer, monkeypatch):
    patch = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        torch.nn.functional,
        "cross_entropy",
        lambda *given: (patch(*given) - patch(*given).detach()).sqrt() + 1,
    )
    outcome = measurer.measure(replace(CELL, part="training-step"))
    assert outcome.status == "wrong" and "the gradient of" in outcome.reason


def test_a_training_step_leaves_no_trace_in_the_cells_after_it(measurer):
    before = measurer.measure(replace(CELL, precision="bf16")).details["max_abs_error"]
    measurer.measure(replace(CELL, part="training-step", batch_size=2))
    assert measurer.measure(replace(CELL, precision="bf16")).details["max_abs_error"] == before


def test_a_disturbed_visit_is_kept_and_marked(measurer, monkeypatch):
    seen = [["the GPU was throttled"], [], ["another process"]]
    answers = iter(seen)
    monkeypatch.setattr(measure, "disturbances", lambda before, after: next(answers))
    outcome = measurer.measure(CELL)
    assert [list(visit.disturbed_by) for visit in outcome.visits] == seen
    assert outcome.to_json()["disturbed_by"] == ["the GPU was throttled", "another process"]


def test_disturbed_visits_are_in_the_result_but_not_in_the_figures_where_three_others_are(
    monkeypatch,
):
    answers = iter([[], ["another process"], [], ["another process"], []])
    monkeypatch.setattr(measure, "disturbances", lambda before, after: next(answers))
    measurer = Measurer(
        Method(replace(THREE, most_visits=5, time_s=100.0, precision=0.0), ()), WorkloadCache()
    )
    outcome = measurer.measure(CELL)
    figures = outcome.to_json()
    assert len(figures["visits"]) == 5 and figures["disturbed_by"] == []
    quiet = [visit.figure_s for visit in outcome.visits if not visit.disturbed_by]
    assert list(outcome.samples_s) == quiet and len(quiet) == 3
    assert figures["latency_s"] == statistics.median(quiet)


def test_a_cell_that_was_disturbed_has_more_visits_but_not_more_than_twice_as_many(monkeypatch):
    seen = [["another process"]] * 6
    monkeypatch.setattr(measure, "disturbances", lambda before, after: seen.pop(0))
    method = Method(replace(THREE, most_visits=15), ())
    assert len(Measurer(method, WorkloadCache()).measure(CELL).visits) == 6
    seen[:] = [["another process"], [], ["another process"], [], [], []]
    outcome = Measurer(method, WorkloadCache()).measure(CELL)
    assert (len(outcome.visits), outcome.quiet) == (5, 3)


def test_visits_of_two_cells_that_share_a_model_are_each_cells_own(measurer):
    other = replace(CELL, part="encoder", attention="eager", backend="reference")
    alone = [measurer.visit(cell, 0).details["relative_error"] for cell in (CELL, other)]
    for number in (1, 2):
        for cell in (CELL, other):
            outcome = measurer.visit(cell, number)
            assert outcome.status == "measured" and outcome.details == {}
            assert [visit.number for visit in outcome.visits] == [number]
    assert alone == [None, alone[1]] and alone[1] < 1e-4
    model = measurer._preparer._get_detector(CELL)
    assert measurer._preparer._get_detector(other) is model


def test_a_front_end_is_verified_and_counted_once_for_all_detectors(monkeypatch):
    measurer, verified = make_measurer("memory", "work"), []
    verify = DetectorWorkload.verify
    monkeypatch.setattr(
        DetectorWorkload, "verify", lambda *given: verified.append(1) or verify(*given)
    )
    names = ("fake-mamba-s", "xlsr-conformer")
    cells = [replace(CELL, detector=name, part="front-end", backend="none") for name in names]
    one, other = (measurer.visit(cell, 0).details for cell in cells)
    assert verified == [1]
    for name in ("peak_bytes", "flops", "n_parameters", "relative_error"):
        assert one[name] == other[name]


def test_work_is_counted_once_for_all_backends(monkeypatch):
    measurer, counted = make_measurer("work"), []
    count = measure.count_work
    monkeypatch.setattr(measure, "count_work", lambda *given: counted.append(1) or count(*given))
    for backend in ("torch", "reference"):
        cell = replace(CELL, part="encoder", precision="bf16", backend=backend)
        assert measurer.visit(cell, 0).details["flops"] > 0
    assert counted == [1]


def test_where_memory_ends_others_make_room_once(measurer, monkeypatch):
    measurer.visit(CELL, 0)
    prepare, tries = WorkloadCache.prepare, []

    def prepare_at_the_second(self, cell):
        tries.append(cell)
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return prepare(self, cell)

    monkeypatch.setattr(WorkloadCache, "prepare", prepare_at_the_second)
    assert measurer.visit(replace(CELL, part="encoder"), 0).status == "measured"
    assert len(tries) == 2 and measurer.visit(CELL, 1).status == "measured" and len(tries) == 3


def test_a_cell_that_fails_in_a_later_pass_is_a_record(measurer, monkeypatch):
    first = measurer.visit(CELL, 0)
    raise_from_forward(monkeypatch, RuntimeError("gone"))
    both = first.and_then(measurer.visit(CELL, 1))
    assert (both.status, both.reason) == ("failed", "RuntimeError: gone")
    info = both.to_json()
    assert "latency_s" not in info and len(info["visits"]) == 1, "what was seen is not lost"
    assert Outcome.from_entry(CELL, {"extra_info": json.loads(json.dumps(info))}) == replace(
        both, traceback=None
    )


def test_a_record_is_the_outcome(measurer):
    outcome = measurer.measure(CELL)
    record = json.loads(json.dumps(outcome.to_record()))
    assert Outcome.from_record(CELL, record) == outcome


def test_inputs_of_rounds_differ():
    work = WorkloadCache().prepare(CELL)
    inputs = work.inputs()
    outputs = {tuple(work.run(given).flatten().tolist()) for given in inputs}
    assert len(outputs) == len(inputs) > 1


def test_a_cache_flush_costs_the_round_nothing(measurer, monkeypatch):
    from fakemamba.bench.measuring import timing

    flushed = []
    monkeypatch.setattr(timing, "make_flush", lambda device: lambda: flushed.append(device))
    method = Method(THREE, (), flush_cache=True)
    outcome = Measurer(method, WorkloadCache()).measure(CELL)
    assert outcome.status == "measured" and len(flushed) >= 3 + timing.OVERHEAD_ROUNDS


def test_a_cache_of_unknown_size_is_unsupported_and_says_so(measurer, monkeypatch):
    from fakemamba.bench.measuring import timing

    def unknown(device):
        raise CacheSizeUnknownError("the size of the caches is not known")

    monkeypatch.setattr(timing, "make_flush", unknown)
    method = Method(THREE, (), flush_cache=True)
    outcome = Measurer(method, WorkloadCache()).measure(CELL)
    assert outcome.status == "unsupported"
    assert outcome.reason == "the size of the caches is not known"
