"""Who spent the time, on traces made by hand whose shares, gaps and losses are known."""

import json
import pickle
from itertools import pairwise

import pytest
import torch
from torch import nn

from fakemamba.bench.cells import Cell
from fakemamba.bench.instruments.trace import RANGE, parse_trace
from fakemamba.bench.profile.attribution import OUTSIDE, attribute, cross_check
from fakemamba.bench.profile.profiled import (
    named_ranges,
    profile_calls,
    profile_cell,
    record_allocations,
)

PARTS = ("front-end", "encoder", "head")
CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


def record(name, category, start_us, end_us, lane=1, **args):
    times = {"ts": 1000 + start_us, "dur": end_us - start_us}
    return {"ph": "X", "name": name, "cat": category, "pid": 1, "tid": lane, "args": args} | times


def operator(name, start_us, end_us):
    return record(name, "cpu_op", start_us, end_us)


def launch(correlation, at_us, name="cudaLaunchKernel"):
    return record(name, "cuda_runtime", at_us, at_us + 1, correlation=correlation)


def kernel(correlation, start_us, end_us, stream=7, category="kernel"):
    return record("gemm", category, start_us, end_us, lane=stream, correlation=correlation)


# One call of 100 µs: 40 of the front-end, 40 of the encoder, 10 of the head, 10 of none.
CALL = [
    record("ProfilerStep#1", "user_annotation", 0, 100),
    record("front-end", "user_annotation", 0, 40),
    record("encoder", "user_annotation", 40, 80),
    record("head", "user_annotation", 80, 90),
]


def attributed(records, device_type):
    trace = parse_trace(json.dumps({"traceEvents": records}))
    return attribute(trace, PARTS, device_type)


def microseconds(attribution):
    rows = attribution.operators
    return {(row.part, row.operator): round(row.traced_self_s * 1e6, 6) for row in rows}


def test_on_a_cpu_an_operator_has_its_own_time_only():
    records = [
        operator("aten::linear", 0, 30),
        operator("aten::addmm", 5, 25),
        operator("aten::linear", 40, 56),
        operator("aten::fill_", 92, 96),
        operator("aten::late", 120, 150),  # after the call
    ]
    found = attributed(CALL + records, "cpu")
    assert list(microseconds(found).items()) == [
        (("front-end", "aten::addmm"), 20),
        (("encoder", "aten::linear"), 16),
        (("front-end", "aten::linear"), 10),
        ((OUTSIDE, "aten::fill_"), 4),
    ]
    assert [row.share for row in found.operators] == pytest.approx([0.4, 0.32, 0.2, 0.08])
    assert found.part_shares == pytest.approx(
        {"front-end": 0.6, "encoder": 0.32, "head": 0, OUTSIDE: 0.08}
    )
    assert found.busy_s == pytest.approx(50e-6)
    assert (found.launches, found.launches_without_kernel) == (4, None)
    assert found.idle_share is None and "Python" in found.idle_share_reason


def test_on_a_gpu_kernels_belong_to_who_launched_them_not_to_who_ran_meanwhile():
    records = [
        operator("aten::linear", 2, 12),
        operator("aten::addmm", 3, 11),
        launch(1, 5),
        operator("_Scan", 45, 50),
        launch(2, 46, "cuLaunchKernel"),
        launch(3, 84),  # by no operator
        kernel(1, 50, 70),  # the encoder has been launching since 40
        kernel(2, 70, 76),
        kernel(3, 86, 90),
    ]
    found = attributed(CALL + records, "cuda")
    assert microseconds(found) == {
        ("front-end", "aten::addmm"): 20,
        ("encoder", "_Scan"): 6,
        ("head", "gemm"): 4,
    }
    assert found.part_shares["front-end"] == pytest.approx(20 / 30)
    assert (found.launches, found.launches_without_kernel) == (3, 0)
    assert found.idle_share == pytest.approx(0.7)


def test_streams_that_overlap_are_busy_once_and_an_operator_is_one_call():
    records = [
        operator("aten::mm", 0, 10),
        launch(1, 1),
        launch(2, 3),
        kernel(1, 10, 60),
        kernel(2, 40, 80, stream=8),
        kernel(3, 80, 90, category="gpu_memcpy"),
    ]
    found = attributed(CALL + records, "cuda")
    assert found.busy_s == pytest.approx(80e-6)
    assert found.idle_share == pytest.approx(0.2)
    assert [(row.operator, row.calls) for row in found.operators] == [("aten::mm", 1), ("gemm", 1)]
    assert sum(found.part_shares.values()) == pytest.approx(1)


def test_kernels_that_the_trace_lost_are_counted():
    records = [launch(1, 5), launch(2, 6), launch(3, 7), kernel(2, 10, 20)]
    records.append(record("cudaDeviceSynchronize", "cuda_runtime", 90, 99, correlation=4))
    assert attributed(CALL + records, "cuda").launches_without_kernel == 2


def test_a_replayed_graph_is_one_launch_of_many_kernels():
    records = [launch(1, 5, "cudaGraphLaunch"), kernel(1, 10, 20), kernel(1, 20, 30)]
    found = attributed(CALL + records, "cuda")
    assert (found.launches, found.launches_without_kernel) == (1, 0)
    assert found.busy_s == pytest.approx(20e-6)


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
@pytest.mark.parametrize("records", [[], CALL], ids=["empty", "no work"])
def test_a_trace_without_work_has_no_shares_and_is_not_believed(records, device_type):
    found = attributed(records, device_type)
    assert (found.operators, found.part_shares, found.busy_s) == ((), {}, 0)
    assert found.idle_share is None and found.idle_share_reason
    check = cross_check(found, [1e-4], [1e-4])
    assert check.coverage == 0 and not check.trusted


@pytest.mark.parametrize(
    ("profiled_us", "trusted"), [(50, True), (55, True), (49.1, True), (56, False), (48.5, False)]
)
def test_a_trace_is_believed_if_it_has_the_time_that_the_clock_has(profiled_us, trusted):
    found = attributed([*CALL, operator("aten::mm", 0, 50)], "cpu")
    check = cross_check(found, [20e-6, 25e-6, 90e-6], [profiled_us * 1e-6])
    assert check.trusted is trusted and (check.reason is None) is trusted
    assert check.coverage == pytest.approx(50 / profiled_us)
    assert check.latency_s == 25e-6
    assert check.slowdown == pytest.approx(profiled_us / 25)


def test_low_coverage_on_a_gpu_says_whether_kernels_are_missing():
    found = attributed([*CALL, launch(1, 5), launch(2, 9), kernel(1, 10, 20)], "cuda")
    assert "1 launches have none" in cross_check(found, [1e-4], [1e-4]).reason


def ranges_of(call):
    with torch.profiler.profile(acc_events=True) as profiler:
        call()
    ranges = [event for event in profiler.events() if event.name in PARTS]
    for before, after in pairwise(ranges):
        assert before.time_range.end <= after.time_range.start  # none was left open
    return [event.name for event in ranges]


def test_ranges_are_there_inside_and_gone_outside_whatever_fails():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    parts = {"front-end": model[0], "encoder": model[1]}

    def fail():
        with pytest.raises(RuntimeError):
            model[1](torch.ones(1, 5))
        model(torch.ones(1, 2))

    with named_ranges(parts):
        assert ranges_of(fail) == ["encoder", "front-end", "encoder"]
    assert ranges_of(lambda: model(torch.ones(1, 2))) == []


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_quantised_copy_has_its_parts_too(precision):
    cell = Cell("fake-mamba-s", "xls-r-tiny", "end-to-end", 0.5, 1, precision, "auto")
    found = profile_cell(cell, 1)
    assert found.calls.parts == PARTS
    assert all(found.attribution.part_shares[part] > 0 for part in PARTS)


def test_a_part_alone_has_no_parts_to_profile():
    with pytest.raises(ValueError, match="no detector runs end to end"):
        profile_cell(Cell("fake-mamba-s", "xls-r-tiny", "encoder", 0.5, backend="auto"), 1)


def test_the_trace_has_the_profiled_calls_and_no_other(make_detector, waveforms):
    detector = make_detector("fake-mamba-s")

    def call():
        with torch.inference_mode():
            detector(waveforms[:, :8000])

    found = profile_calls(call, detector.parts, CPU, 2)
    trace = parse_trace(found.trace_json)
    assert len(trace.steps) == len(found.profiled_s) == 2
    assert len(found.plain_s) == 4
    names = [event.name for event in trace.select(RANGE) if event.name in PARTS]
    assert names == [*PARTS, *PARTS]
    scans = [event for event in trace.select("cpu_op") if event.name == "_Scan"]
    assert len(scans) == 2 * len(detector.encoder.blocks)
    with pytest.raises(ValueError, match="nothing to profile"):
        profile_calls(call, detector.parts, CPU, 0)


class History:
    """Stands in for ``torch.cuda.memory``."""

    def __init__(self):
        self.enabled = False

    def _record_memory_history(self, enabled="all", max_entries=0):
        self.enabled = enabled is not None

    def _snapshot(self):
        return {"recorded": self.enabled}


def test_the_allocators_history_is_recorded_and_stopped(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    history, calls = History(), []
    snapshot, reason = record_allocations(lambda: calls.append(history.enabled), GPU, history)
    assert pickle.loads(snapshot) == {"recorded": True} and reason is None
    assert calls == [True] and not history.enabled

    with pytest.raises(ZeroDivisionError):
        record_allocations(lambda: 1 / 0, GPU, history)
    assert not history.enabled


def test_no_history_has_a_reason():
    assert record_allocations(lambda: None, CPU) == (
        None,
        "only the CUDA allocator keeps a history",
    )
    snapshot, reason = record_allocations(lambda: None, GPU, memory=object())
    assert snapshot is None and "cannot record" in reason
