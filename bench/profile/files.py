"""What a profile leaves in a folder: trace, operators, memory over time, and a summary."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from fakemamba.bench.instruments.trace import RANGE
from fakemamba.bench.profile.attribution import OperatorShare
from fakemamba.bench.profile.profiled import CellProfile
from fakemamba.files import atomic_write, write_csv, write_json, write_whole
from fakemamba.names import in_file_name, in_spreadsheet

TRACE_SUFFIX = ".pt.trace.json.gz"  # what TensorBoard's profiler plug-in looks for
MEMORY_KINDS = {
    "cpu": "allocated by torch on the CPU since the profiler began; NumPy's own is not seen",
    "cuda": "allocated on the GPU, weights included",
}
MIB = 1 << 20


def write_profile(profile: CellProfile, folder: str | Path) -> Iterator[Path]:
    """Write the files and yield each one's path; the summary, which names the others, is last.

    The trace is for TensorBoard's profiler plug-in, ui.perfetto.dev and chrome://tracing, the
    snapshot, which only a GPU has, for pytorch.org/memory_viz.
    """
    folder = Path(folder)
    written = [folder / f"{in_file_name([profile.cell['detector']])}{TRACE_SUFFIX}"]
    write_whole(written[-1], gzip.compress(profile.calls.trace_json.encode()))
    yield written[-1]
    written.append(folder / "operators.csv")
    rows = (map(in_spreadsheet, vars(row).values()) for row in profile.attribution.operators)
    write_csv(written[-1], [field.name for field in fields(OperatorShare)], rows)
    yield written[-1]
    if profile.memory:
        written.append(folder / "memory.csv")
        points = ((point.time_s, point.allocated_bytes) for point in profile.memory)
        write_csv(written[-1], ("time_s", "allocated_bytes"), points)
        yield written[-1]
        written.append(folder / "memory.png")
        with atomic_write(written[-1]) as partial:
            _draw_memory(profile, partial)
        yield written[-1]
    if profile.calls.snapshot is not None:
        written.append(folder / "memory-snapshot.pickle")
        write_whole(written[-1], profile.calls.snapshot)
        yield written[-1]
    summary = summarise(profile) | {"files": [path.name for path in written]}
    write_json(folder / "summary.json", summary)
    yield folder / "summary.json"


def summarise(profile: CellProfile) -> dict[str, Any]:
    """All but the tables, as JSON."""
    calls, memory = profile.calls, profile.memory
    attribution = asdict(profile.attribution)
    del attribution["operators"]
    return {
        "cell": profile.cell,
        "calls": len(calls.profiled_s),
        "check": asdict(profile.check),
        "plain_s": calls.plain_s,
        "profiled_s": calls.profiled_s,
        "attribution": attribution,
        "memory": {
            "kind": MEMORY_KINDS[profile.device_type],
            "peak_allocated_bytes": max((at.allocated_bytes for at in memory), default=None),
            "reason": None if memory else "the profiler saw no allocation",
            "snapshot_reason": calls.snapshot_reason,
        },
        "environment": profile.environment,
    }


def _draw_memory(profile: CellProfile, path: Path) -> None:
    """Allocated memory over the profiled calls, with the parts' ranges behind it."""
    memory = profile.memory
    times_ms = [point.time_s * 1e3 for point in memory]
    allocated_mib = [point.allocated_bytes / MIB for point in memory]
    colours = {part: f"C{index}" for index, part in enumerate(profile.calls.parts)}
    begin_s = profile.trace.steps[0].start_s
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for event in profile.trace.select(RANGE):
        if event.name in colours and event.start_s >= begin_s:
            edges_ms = ((time_s - begin_s) * 1e3 for time_s in event.interval)
            axes.axvspan(*edges_ms, color=colours[event.name], alpha=0.18, linewidth=0)
    axes.step(times_ms, allocated_mib, where="post", color="black", linewidth=0.8)
    axes.set(
        xlabel="time under the profiler (ms)", ylabel="allocated (MiB)", xlim=(0, times_ms[-1])
    )
    axes.set_ylim(bottom=min(0, *allocated_mib))
    handles = [Patch(color=colour, alpha=0.3, label=part) for part, colour in colours.items()]
    axes.legend(handles=handles, ncols=len(handles), loc="lower left", bbox_to_anchor=(0, 1))
    cell = profile.cell
    axes.set_title(
        f"{cell['detector']}, {cell['frontend']}, {cell['duration_s']:g} s, {cell['precision']}\n"
        f"{profile.environment['device']}",
        loc="right",
        fontsize="small",
        parse_math=False,
    )
    figure.savefig(path, dpi=150, format="png")
    plt.close(figure)
