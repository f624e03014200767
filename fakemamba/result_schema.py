"""What a result holds: the fields of its JSON in this schema, and what older schemas lack of it.

`bench` writes it and `analysis` reads it. Since schema 4 there are cells of streams, with a hop.
Since schema 3 a cell has visits, each in a pass over all cells. In schemas 1 and 2 it was visited
once and its samples are the rounds of that visit; it is read as it is, without ``visits``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from fakemamba.kernel_checks import CHECK_STATUSES

SCHEMA = 4
STREAM_PARTS = ("stream", "stream-cached")  # a window computed anew; with kept convolutions
OWN_FRONTEND = "own"  # of a cell whose detector brings its own, which is in no other
WITH_VISITS = 3  # the first that has them
WITH_STREAMS = 4  # likewise
MOST = 2.0**63  # of any figure: beyond, whole numbers do not fit into a table's column
LEAST_COVERAGE = 0.9  # of a cell's time with a formula; below, its count of flops says nothing
ROUNDING = 1e-9
Status = Literal["measured", "wrong", "out-of-memory", "unsupported", "failed", "left-out"]
STATUSES = get_args(Status)


@dataclass(frozen=True)
class Kind:
    """What a value has to be, and whether it is."""

    words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and -MOST < value < MOST  # which NaN is not


def _is_whole(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


NUMBER = Kind("a number", _is_number)
TIME = Kind("a time in seconds, more than 0", lambda value: _is_number(value) and value > 0)
TIME_OR_NULL = Kind(f"{TIME.words}, or null", lambda value: value is None or TIME.holds(value))
AMOUNT = Kind("a number, 0 or more", lambda value: _is_number(value) and value >= 0)
SHARE = Kind(
    "a number from 0 to 1",
    lambda value: _is_number(value) and -ROUNDING <= value <= 1 + ROUNDING,
)
COUNT = Kind("a whole number, 0 or more", lambda value: _is_whole(value) and value >= 0)
SIZE = Kind("a whole number, 1 or more", lambda value: _is_whole(value) and value >= 1)
TEXT = Kind("a text", lambda value: isinstance(value, str))
TEXT_OR_NULL = Kind("a text or null", lambda value: value is None or isinstance(value, str))
STATUS = Kind(f"one of {', '.join(STATUSES)}", lambda value: value in STATUSES)
CHECK_STATUS = Kind(f"one of {', '.join(CHECK_STATUSES)}", lambda value: value in CHECK_STATUSES)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
LIST = Kind("a list", lambda value: isinstance(value, list))
TEXTS = Kind(
    "a list of texts",
    lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
)
COMMANDS = Kind(
    "a list of commands, each a list of texts",
    lambda value: isinstance(value, list) and all(map(TEXTS.holds, value)),
)
TIMES = Kind(
    f"a list of {TIME.words}, one a round",
    lambda value: isinstance(value, list) and bool(value) and all(map(TIME.holds, value)),
)
AMOUNTS = Kind(
    "a list of numbers, 0 or more",
    lambda value: isinstance(value, list) and all(map(AMOUNT.holds, value)),
)
DIFFERENCES = Kind(
    "an object of numbers, 0 or more",
    lambda value: isinstance(value, dict) and all(map(AMOUNT.holds, value.values())),
)
SCALAR = Kind(
    "a text, a number, true, false or null",
    lambda value: value is None or isinstance(value, str | bool) or _is_number(value),
)

CELL = {
    "detector": TEXT,
    "frontend": TEXT_OR_NULL,
    "part": TEXT,
    "duration_s": TIME,
    "batch_size": SIZE,
    "precision": TEXT,
    "backend": TEXT,
    "execution": TEXT,
    "device": TEXT,
    "attention": TEXT_OR_NULL,
    "clock": TEXT,
    "hop_s": TIME_OR_NULL,  # of a stream
}
INFO = {"status": STATUS, "reason": TEXT_OR_NULL, "input": TEXT, "recording": TEXT_OR_NULL}
# Of a decision on a stream, over all calls of the visits that count; and their levels.
PERCENTILES = {"latency_p50_s": 0.50, "latency_p95_s": 0.95, "latency_p99_s": 0.99}
# May be absent or null: not every cell has all figures.
FIGURES = {
    "latency_s": TIME,
    "latency_low_s": TIME,
    "latency_high_s": TIME,
    "host_latency_s": TIME,
    "enqueue_s": TIME,
    "device_only_s": TIME,
    "launch_bound_share": SHARE,
    "rtf": AMOUNT,
    "throughput": AMOUNT,
    "cost_s_per_s": AMOUNT,  # of a stream: latency over hop
    **dict.fromkeys(PERCENTILES, TIME),
    "load_s": TIME,
    "first_call_s": TIME,
    "cold_start_s": TIME,  # of an engine, before its first call
    "peak_bytes": COUNT,
    "activation_bytes": COUNT,
    "baseline_bytes": COUNT,
    "reserved_bytes": COUNT,
    "process_bytes": COUNT,
    "resident_bytes": COUNT,
    "weights_bytes": COUNT,
    "n_parameters": COUNT,
    "max_abs_error": AMOUNT,
    "relative_error": AMOUNT,
    "flops": COUNT,
    "bytes_moved": COUNT,
    "flop_coverage": SHARE,
    "mfu": AMOUNT,
    "bandwidth_share": AMOUNT,
    "copy_bytes_per_s": AMOUNT,
    "matmul_flops_per_s": AMOUNT,
    "bytes_per_s": AMOUNT,
    "net_energy_j_per_audio_s": NUMBER,  # net of idle: may be less than 0 by noise
    "overhead_share": AMOUNT,
    "attempts": COUNT,
}
NOTES = {
    "stopped_by": TEXT,
    "error_reason": TEXT,
    "disturbed_by": TEXTS,
    "fixed_length": TEXT,  # why the cost is known not to grow
    "notes": TEXTS,  # of a detector of others, of a slow precision
}
# Numbers in objects in objects, any of which may be absent or null: where, and the last name.
DEEP_FIGURES = {("energy",): "net_energy_j", ("machine", "after", "gpu"): "sm_clock_mhz"}
FACTS = ("gpu", "git", "packages", "kernels")  # of the environment: objects, if they are there
# Of a kernel that was compared with torch before it was used: `fakemamba.kernel_checks`.
KERNEL = {"status": CHECK_STATUS, "error": TEXT_OR_NULL, "differences": DIFFERENCES}
STATS = {"min": TIME, "max": TIME, "median": TIME, "iqr": AMOUNT, "rounds": SIZE, "data": TIMES}
VISIT = {"pass": COUNT, "rounds_s": TIMES, "disturbed_by": TEXTS}
# By formula, over durations that need not be measured; equal in number, or none and the reason.
WORK = {
    "detector": TEXT,
    "frontend": TEXT_OR_NULL,
    "part": TEXT,
    "batch_size": SIZE,
    "durations_s": AMOUNTS,
    "flops": AMOUNTS,
    "bytes_moved": AMOUNTS,
    "reason": TEXT_OR_NULL,
}


def is_cell(entry: dict[str, Any]) -> bool:
    """Whether an entry of ``benchmarks`` is a cell, not somebody else's benchmark."""
    return not entry["extra_info"].keys().isdisjoint(("cell", "cell_id"))


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """A result of any schema with the fields that cells of this one have; its visits stay."""
    schema = content["fakemamba"]["schema"]
    if schema == 1:
        content = _upgraded_from_1(content)
    return content if schema >= WITH_STREAMS else _changed(content, _without_hop)


def _upgraded_from_1(content: dict[str, Any]) -> dict[str, Any]:
    """A result of schema 1 as schema 2 has it: there was one clock, and a cell's id did not say so.

    What a launch has to share with another to be a part of its sweep was not kept.
    """
    block = content["fakemamba"] | {"schema": 2, "identity": {}}
    return _changed(content | {"fakemamba": block}, _with_clock)


def _changed(
    content: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """A result with its cells' entries changed."""
    entries = [change(one) if is_cell(one) else one for one in content["benchmarks"]]
    return content | {"benchmarks": entries}


def _with_clock(entry: dict[str, Any]) -> dict[str, Any]:
    info = entry["extra_info"]
    named = {"cell_id": f"{entry['param']}-latency"} if TEXT.holds(entry.get("param")) else {}
    cell = info["cell"] | {"clock": "latency"}
    return entry | {"extra_info": info | named | {"cell": cell}}


def _without_hop(entry: dict[str, Any]) -> dict[str, Any]:
    info, cell = entry["extra_info"], entry["extra_info"]["cell"]
    return entry | {"extra_info": info | {"cell": cell | {"hop_s": cell.get("hop_s")}}}
