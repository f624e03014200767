"""A profiler's Chrome trace as plain events, and the arithmetic of their intervals.

The trace says what ran when, not how long a call takes: profiling slows calls down, and a GPU's
events can be lost. Durations are therefore summed as unions, never as sums: streams overlap and
operators nest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fakemamba.records import in_part, parse_record

OPERATOR, RANGE = "cpu_op", "user_annotation"
RUNTIME_CALLS = ("cuda_runtime", "cuda_driver")
DEVICE_WORK = ("kernel", "gpu_memcpy", "gpu_memset")
STEP_PREFIX = "ProfilerStep#"  # torch.profiler's own range around each step of its schedule
DEVICE_TYPES = {0: "cpu", 1: "cuda"}  # c10::DeviceType
MICROSECOND_S = 1e-6

Interval = tuple[float, float]


@dataclass(frozen=True)
class Event:
    """Something with a start and an end; ``lane`` is a thread of the host or a stream of a GPU.

    ``correlation`` is shared by a launch and what it made the GPU do.
    """

    category: str
    name: str
    lane: tuple[object, object]
    start_s: float
    end_s: float
    correlation: int | None = None

    @property
    def interval(self) -> Interval:
        """Start and end."""
        return self.start_s, self.end_s


@dataclass(frozen=True)
class MemoryPoint:
    """What an allocator had given out after one of its calls."""

    device_type: str
    time_s: float
    allocated_bytes: int


@dataclass(frozen=True)
class Trace:
    """Times are seconds since the first event. ``num_truncated`` events had no end."""

    events: tuple[Event, ...]
    memory: tuple[MemoryPoint, ...]
    num_truncated: int

    def select(self, *categories: str) -> list[Event]:
        """The events of some categories, as they began."""
        return [event for event in self.events if event.category in categories]

    @property
    def steps(self) -> list[Event]:
        """The profiled calls."""
        return [event for event in self.select(RANGE) if event.name.startswith(STEP_PREFIX)]


@in_part
@dataclass(frozen=True)
class _Exported:
    traceEvents: list[dict[str, Any]]


def parse_trace(text: str) -> Trace:
    """Read the JSON that `torch.profiler` exports.

    Raises:
        ValueError: it is cut off, or no Chrome trace.
    """
    remedy = "it is not a whole Chrome trace: profile again"
    records = parse_record(text, _Exported, "what was profiled", ValueError, remedy).traceEvents
    known = {OPERATOR, RANGE, *RUNTIME_CALLS, *DEVICE_WORK}
    timed = [record for record in records if record.get("cat") in known and record["ph"] == "X"]
    whole = [record for record in timed if _is_whole(record)]
    instants = [record for record in records if record.get("name") == "[memory]"]
    origin = min((record["ts"] for record in (*whole, *instants)), default=0.0)
    events = sorted((_event(record, origin) for record in whole), key=lambda event: event.start_s)
    memory = sorted((_memory(record, origin) for record in instants), key=lambda at: at.time_s)
    return Trace(tuple(events), tuple(memory), len(timed) - len(whole))


def _is_whole(record: dict[str, Any]) -> bool:
    """An operator that was running when the trace ended is marked, and its end is made up."""
    times = record.get("ts"), record.get("dur")
    if not all(isinstance(time, int | float) for time in times) or record["dur"] < 0:
        return False
    return record.get("args", {}).get("finished", True) is not False


def _event(record: dict[str, Any], origin: float) -> Event:
    start_s = (record["ts"] - origin) * MICROSECOND_S
    end_s = (record["ts"] + record["dur"] - origin) * MICROSECOND_S
    lane = (record.get("pid"), record.get("tid"))
    correlation = record.get("args", {}).get("correlation")
    return Event(record["cat"], record["name"], lane, start_s, end_s, correlation)


def _memory(record: dict[str, Any], origin: float) -> MemoryPoint:
    found = record["args"]
    device_type = DEVICE_TYPES.get(found["Device Type"], "other")
    time_s = (record["ts"] - origin) * MICROSECOND_S
    return MemoryPoint(device_type, time_s, found["Total Allocated"])


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The time that any interval covers: disjoint intervals, in order, none of them empty."""
    merged: list[Interval] = []
    for start_s, end_s in sorted(intervals):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        elif end_s > start_s:
            merged.append((start_s, end_s))
    return merged


def clip(intervals: Iterable[Interval], windows: Iterable[Interval]) -> list[Interval]:
    """What of the intervals' union lies in the windows' union."""
    pieces, others = union(intervals), union(windows)
    clipped, here, there = [], 0, 0
    while here < len(pieces) and there < len(others):
        start_s = max(pieces[here][0], others[there][0])
        end_s = min(pieces[here][1], others[there][1])
        if end_s > start_s:
            clipped.append((start_s, end_s))
        if pieces[here][1] <= others[there][1]:
            here += 1
        else:
            there += 1
    return clipped


def covered_s(intervals: Iterable[Interval]) -> float:
    """Seconds of the intervals' union."""
    return sum(end_s - start_s for start_s, end_s in union(intervals))


def enclosing(events: Sequence[Event]) -> list[int | None]:
    """For each event the index of the innermost one that it began in, on the same lane."""
    parents: list[int | None] = [None] * len(events)
    open_on: dict[tuple[object, object], list[int]] = {}
    for index in sorted(range(len(events)), key=lambda i: (events[i].start_s, -events[i].end_s)):
        event = events[index]
        stack = open_on.setdefault(event.lane, [])
        while stack and events[stack[-1]].end_s <= event.start_s:
            stack.pop()
        parents[index] = stack[-1] if stack else None
        stack.append(index)
    return parents


def self_times_s(events: Sequence[Event]) -> list[float]:
    """Each event's duration without those of the events directly inside it."""
    inside: list[list[Interval]] = [[] for _ in events]
    for event, parent in zip(events, enclosing(events), strict=True):
        if parent is not None:
            inside[parent].append(event.interval)
    return [
        event.end_s - event.start_s - covered_s(clip(children, [event.interval]))
        for event, children in zip(events, inside, strict=True)
    ]


class Timetable:
    """Which of some ranges, that do not overlap, a moment lies in."""

    def __init__(self, ranges: Iterable[Event]) -> None:
        self._ranges = sorted(ranges, key=lambda event: event.start_s)
        self._starts_s = [event.start_s for event in self._ranges]

    def at(self, time_s: float) -> str | None:
        """The name of the range, or None between ranges."""
        index = bisect_right(self._starts_s, time_s) - 1
        if index < 0 or time_s >= self._ranges[index].end_s:
            return None
        return self._ranges[index].name
