"""Intervals against counted seconds, nesting against known families, and how a trace is read."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.instruments.trace import (
    Event,
    Timetable,
    clip,
    covered_s,
    enclosing,
    parse_trace,
    self_times_s,
    union,
)

# Whole seconds, so that an interval is the set of seconds in it.
INTERVALS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 6)).map(lambda at: (at[0], at[0] + at[1])),
    max_size=8,
)


def seconds(intervals):
    return {second for start, end in intervals for second in range(start, end)}


def event(start_s, end_s, name="op", lane=(0, 0)):
    return Event("cpu_op", name, lane, start_s, end_s)


def record(start_us, duration_us, name="aten::mm", category="cpu_op", thread=1, **args):
    times = {"ts": start_us, "dur": duration_us}
    where = {"pid": 1, "tid": thread}
    return {"ph": "X", "cat": category, "name": name, "args": args} | times | where


def parse(*records):
    return parse_trace(json.dumps({"traceEvents": records}))


@given(INTERVALS)
def test_a_union_has_every_second_once(intervals):
    merged = union(intervals)
    assert seconds(merged) == seconds(intervals)
    assert covered_s(intervals) == len(seconds(intervals))
    assert all(before[1] < after[0] for before, after in pairwise(merged))


@given(INTERVALS, INTERVALS)
def test_clipping_keeps_the_seconds_in_both(intervals, windows):
    clipped = clip(intervals, windows)
    assert seconds(clipped) == seconds(intervals) & seconds(windows)
    assert covered_s(clipped) == len(seconds(clipped))


@given(INTERVALS)
def test_a_gap_is_what_a_window_has_beside_the_work(intervals):
    window = [(0, 30)]
    gaps = 30 - covered_s(clip(intervals, window))
    assert gaps == len(seconds(window) - seconds(intervals))


@st.composite
def families(draw, start=0, end=64, parent=None):
    """Properly nested events with the name of their parent, in any order."""
    made = []
    edges = sorted(set(draw(st.lists(st.integers(start, end), max_size=4))))
    for left, right in zip(edges[::2], edges[1::2], strict=False):
        name = f"{left}-{right}-{parent}"
        made.append((event(left, right, name), parent))
        if right - left > 1:
            made += draw(families(left, right - 1, name))
    return made


@given(families().flatmap(st.permutations))
def test_nested_events_have_their_parents_and_share_time_out_without_rest(family):
    events = [member for member, _ in family]
    found = [None if i is None else events[i].name for i in enclosing(events)]
    assert found == [parent for _, parent in family]
    own_s = self_times_s(events)
    assert min(own_s, default=0) >= 0
    assert sum(own_s) == covered_s(member.interval for member in events)


def test_events_on_other_lanes_are_no_children():
    events = [event(0, 10), event(2, 5, lane=(0, 1))]
    assert enclosing(events) == [None, None]
    assert self_times_s(events) == [10, 3]


def test_a_child_that_ends_late_takes_no_more_than_its_parent_has():
    assert self_times_s([event(0, 4), event(3, 6)]) == [3, 3]


def test_a_timetable_tells_ranges_from_what_is_between_them():
    table = Timetable([event(4, 6, "encoder"), event(0, 3, "front-end")])
    found = [table.at(second) for second in (-1, 0, 2.9, 3, 4, 6)]
    assert found == [None, "front-end", "front-end", None, "encoder", None]
    assert Timetable([]).at(0) is None


def test_a_trace_is_read_in_seconds_from_its_first_event():
    trace = parse(
        record(5e12 + 30, 10, "kernel", "kernel", correlation=7),
        record(5e12, 20),
        record(5e12, 90, "ProfilerStep#1", "user_annotation"),
        record(5e12, 90, "GC", "python_function"),
        {"ph": "M", "name": "process_name", "ts": 0},
    )
    assert [found.name for found in trace.events] == ["aten::mm", "ProfilerStep#1", "kernel"]
    kernel = trace.events[-1]
    assert kernel.interval == pytest.approx((30e-6, 40e-6)) and kernel.correlation == 7
    assert [step.name for step in trace.steps] == ["ProfilerStep#1"]
    assert trace.select("kernel") == [kernel]


def test_memory_is_read_by_device():
    def instant(at_us, device_type, total):
        args = {"Device Type": device_type, "Total Allocated": total, "Bytes": 1}
        return {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "ts": at_us} | {
            "args": args
        }

    trace = parse(instant(3, 1, 50), instant(1, 0, 64))
    assert [(at.device_type, at.allocated_bytes) for at in trace.memory] == [
        ("cpu", 64),
        ("cuda", 50),
    ]
    assert trace.memory[1].time_s == pytest.approx(2e-6)


def test_events_without_an_end_are_counted_and_left_out():
    endless = record(0, 1)
    del endless["dur"]
    trace = parse(endless, record(0, -3), record(0, 9, finished=False), record(0, 9, finished=True))
    assert trace.num_truncated == 3
    assert len(trace.events) == 1


def test_an_empty_trace_is_one():
    trace = parse()
    assert (trace.events, trace.memory, trace.num_truncated, trace.steps) == ((), (), 0, [])


@pytest.mark.parametrize("text", ['{"traceEvents": [{"ph": "X", "ca', "{}", "[]", ""])
def test_what_is_cut_off_or_no_trace_is_refused(text):
    with pytest.raises(ValueError, match="not a whole Chrome trace"):
        parse_trace(text)
