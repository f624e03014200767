"""From a trace to who spent the time: operators by part, launches, gaps, and whether to believe it.

On a GPU an operator's time is that of the kernels it launched, on a CPU its own without those of
the operators that it called. A trace is believed only if it accounts for the time that the clock
measured around the same calls; latencies themselves come from the clock.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fakemamba.bench.instruments.trace import (
    DEVICE_WORK,
    OPERATOR,
    RANGE,
    RUNTIME_CALLS,
    Event,
    Interval,
    Timetable,
    Trace,
    clip,
    covered_s,
    enclosing,
    self_times_s,
)

OUTSIDE = "outside"  # of all parts
LEAST_COVERAGE, MOST_COVERAGE = 0.9, 1.02
LAUNCH_NAMES = ("LaunchKernel", "GraphLaunch")


@dataclass(frozen=True)
class OperatorShare:
    """One operator in one part: its calls in all profiled calls, and its share of all their time.

    ``traced_self_s`` is the profiler's, and good for shares only.
    """

    part: str
    operator: str
    calls: int
    traced_self_s: float
    share: float


@dataclass(frozen=True)
class Attribution:
    """What a trace says of all profiled calls together.

    ``operators`` begins with the largest share; the shares of parts, with what is ``outside`` of
    them, sum to 1, and there are none if nothing was traced. ``busy_s`` is the union of the GPU's
    work, on a CPU of the operators. ``idle_share`` is the share of the calls in which the GPU did
    nothing, None with a reason where that is not known. ``launches_without_kernel`` is how many
    kernels the trace has lost; None on a CPU, where nothing is launched.
    """

    operators: tuple[OperatorShare, ...]
    part_shares: dict[str, float]
    busy_s: float
    launches: int
    launches_kind: str
    launches_without_kernel: int | None
    idle_share: float | None
    idle_share_reason: str | None
    num_truncated: int


@dataclass(frozen=True)
class CrossCheck:
    """A trace against the clock; the latency is that of calls without a profiler.

    ``coverage`` is the traced share of the time that the clock measured around the profiled calls.
    """

    latency_s: float
    profiled_latency_s: float
    slowdown: float
    coverage: float
    trusted: bool
    reason: str | None


@dataclass(frozen=True)
class _Work:
    """Time spent, by whom, and when it was asked for; ``caller`` tells calls apart."""

    operator: str
    caller: object
    asked_at_s: float
    interval: Interval
    own_s: float


def attribute(trace: Trace, parts: Collection[str], device_type: str) -> Attribution:
    """Attribute what happened in a trace's profiled calls to operators and parts.

    Args:
        trace: of calls in which each part ran in a range of its own name.
        parts: the names.
        device_type: ``cpu`` or ``cuda``.
    """
    on_gpu = device_type == "cuda"
    calls = Timetable(trace.steps)
    all_work = _device_work(trace) if on_gpu else _operator_work(trace)
    work = [piece for piece in all_work if calls.at(piece.asked_at_s)]
    operators, part_shares = _shares(work, trace, parts)
    call_intervals = [event.interval for event in trace.steps]
    busy_s = covered_s(clip([piece.interval for piece in work], call_intervals))
    launches = [event for event in _launches(trace) if calls.at(event.start_s)]
    with_kernel = {event.correlation for event in trace.select(*DEVICE_WORK)}
    idle_share, reason = None, None
    if not on_gpu:
        reason = "a CPU runs its operators itself; the time between them is Python's"
    elif not work:
        reason = "the trace has no work of the GPU"
    else:
        idle_share = 1 - busy_s / covered_s(call_intervals)
    return Attribution(
        operators=operators,
        part_shares=part_shares,
        busy_s=busy_s,
        launches=len(launches) if on_gpu else len(work),
        launches_kind="kernel launches" if on_gpu else "operator calls, nested ones included",
        launches_without_kernel=(
            sum(event.correlation not in with_kernel for event in launches) if on_gpu else None
        ),
        idle_share=idle_share,
        idle_share_reason=reason,
        num_truncated=trace.num_truncated,
    )


def cross_check(
    attribution: Attribution, plain_s: Sequence[float], profiled_s: Sequence[float]
) -> CrossCheck:
    """Compare a trace with the clock.

    Args:
        attribution: of the profiled calls.
        plain_s: the clock's times of calls without a profiler.
        profiled_s: its times of the profiled calls, all of them.
    """
    latency_s, profiled_latency_s = statistics.median(plain_s), statistics.median(profiled_s)
    coverage = attribution.busy_s / sum(profiled_s)
    reason = None
    if coverage < LEAST_COVERAGE:
        reason = f"the trace accounts for {coverage:.0%} of the time only: "
        if attribution.launches_without_kernel is None:
            reason += "the rest is Python's, between operators"
        else:
            lost = attribution.launches_without_kernel
            reason += f"the GPU waited, or kernels are missing ({lost} launches have none)"
    elif coverage > MOST_COVERAGE:
        reason = f"the trace has more time than there was: {coverage:.0%}"
    return CrossCheck(
        latency_s=latency_s,
        profiled_latency_s=profiled_latency_s,
        slowdown=profiled_latency_s / latency_s,
        coverage=coverage,
        trusted=reason is None,
        reason=reason,
    )


def _shares(
    work: Sequence[_Work], trace: Trace, parts: Collection[str]
) -> tuple[tuple[OperatorShare, ...], dict[str, float]]:
    ranges = Timetable(event for event in trace.select(RANGE) if event.name in parts)
    own_s: dict[tuple[str, str], float] = defaultdict(float)
    callers: dict[tuple[str, str], set[object]] = defaultdict(set)
    for piece in work:
        key = (ranges.at(piece.asked_at_s) or OUTSIDE, piece.operator)
        own_s[key] += piece.own_s
        callers[key].add(piece.caller)
    total_s = sum(own_s.values())
    if not total_s:
        return (), {}
    operators = tuple(
        OperatorShare(*key, len(callers[key]), own_s[key], own_s[key] / total_s)
        for key in sorted(own_s, key=own_s.__getitem__, reverse=True)
    )
    part_shares = {
        part: sum((row.share for row in operators if row.part == part), 0.0)
        for part in (*parts, OUTSIDE)
    }
    return operators, part_shares


def _operator_work(trace: Trace) -> list[_Work]:
    operators = trace.select(OPERATOR)
    return [
        _Work(event.name, index, event.start_s, event.interval, own_s)
        for index, (event, own_s) in enumerate(zip(operators, self_times_s(operators), strict=True))
    ]


def _device_work(trace: Trace) -> list[_Work]:
    """Kernels and copies by the operator that launched them, or by their own name if none did."""
    host = trace.select(OPERATOR, *RUNTIME_CALLS)
    parents = enclosing(host)
    launched_by = {
        event.correlation: index
        for index, event in enumerate(host)
        if event.category in RUNTIME_CALLS and event.correlation is not None
    }
    work = []
    for number, event in enumerate(trace.select(*DEVICE_WORK)):
        launch = None if event.correlation is None else launched_by.get(event.correlation)
        caller = launch
        while caller is not None and host[caller].category != OPERATOR:
            caller = parents[caller]
        work.append(
            _Work(
                operator=event.name if caller is None else host[caller].name,
                caller=("kernel", number) if caller is None else caller,
                asked_at_s=event.start_s if launch is None else host[launch].start_s,
                interval=event.interval,
                own_s=event.end_s - event.start_s,
            )
        )
    return work


def _launches(trace: Trace) -> list[Event]:
    return [
        event
        for event in trace.select(*RUNTIME_CALLS)
        if any(name in event.name for name in LAUNCH_NAMES)
    ]
