"""``fakemamba profile``: which parts and operators of a detector its time goes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from rich.console import Console

from fakemamba.bench.cells import Cell
from fakemamba.bench.measuring.external import frontend_of
from fakemamba.bench.profile.files import write_profile
from fakemamba.bench.profile.profiled import CellProfile, profile_cell
from fakemamba.cli.printing import TextTable, say
from fakemamba.models.device import resolve_device
from fakemamba.models.scan import check_backend

TOP_OPERATORS = 8


def profile(
    detector: str,
    duration: float,
    out: Path,
    frontend: str = "xls-r-300m",
    device: str = "auto",
    precision: Literal["fp32", "tf32", "bf16", "fp16", "int8"] = "fp32",
    batch_size: int = 1,
    backend: str = "auto",
    calls: int = 3,
) -> None:
    """Attribute a detector's time to parts and operators, and say whether to believe it.

    Writes a trace for TensorBoard's profiler plug-in, ui.perfetto.dev and chrome://tracing;
    operators.csv, memory.csv and memory.png; and summary.json, with the check against the clock.

    Args:
        detector: A detector's name (see `fakemamba detectors`).
        duration: Of the audio, in seconds.
        out: Folder to write to.
        frontend: A named size, a .pt file, a Hugging Face folder or id.
        device: auto, cpu, or cuda:0 and so on.
        precision: As in the benchmarks.
        batch_size: Utterances in a call.
        backend: Of the scan (see `fakemamba backends`).
        calls: Profiled calls, and as many without the profiler to compare with.
    """
    if duration <= 0 or batch_size < 1 or calls < 1:
        raise ValueError("--duration, --batch-size and --calls must be more than nothing")
    cell = Cell(
        detector,
        frontend_of(detector, frontend),
        "end-to-end",
        duration,
        batch_size=batch_size,
        precision=precision,
        backend=check_backend(backend),
        device=str(resolve_device(device)),
    )
    done = profile_cell(cell, calls)
    Console().print(_table(done))
    for line in _verdict(done):
        say(line)
    for written in write_profile(done, out):
        say(written)


def _table(done: CellProfile) -> TextTable:
    """The largest operators of each part."""
    cell, shares = done.cell, done.attribution.part_shares
    title = f"{cell['detector']}, {cell['frontend']}, {cell['duration_s']:g} s, "
    title += f"{cell['precision']}, {len(done.calls.profiled_s)} calls · "
    title += done.environment["device"]
    table = TextTable("part", "operator", "calls", "traced (ms)", "share", title=title)
    for part, share in shares.items():
        rows = [row for row in done.attribution.operators if row.part == part]
        if not rows:
            continue
        traced_ms = sum(row.traced_self_s for row in rows) * 1e3
        table.add_section()
        table.add_row(part, "all", "", f"{traced_ms:.2f}", f"{share:.1%}", style="bold")
        for row in rows[:TOP_OPERATORS]:
            figures = (f"{row.calls:,}", f"{row.traced_self_s * 1e3:.2f}", f"{row.share:.1%}")
            table.add_row("", row.operator, *figures)
    return table


def _verdict(done: CellProfile) -> Iterator[str]:
    """Clock, coverage, launches and gaps, a line each."""
    check, found = done.check, done.attribution
    yield (
        f"clock: {check.latency_s * 1e3:.2f} ms a call, {check.profiled_latency_s * 1e3:.2f} ms "
        f"under the profiler ({check.slowdown:.2f} x)"
    )
    believed = "trusted" if check.trusted else f"UNTRUSTED: {check.reason}"
    yield f"attribution: coverage {check.coverage:.1%}, {believed}"
    yield f"{found.launches_kind}: {found.launches / len(done.calls.profiled_s):,.0f} a call"
    idle = found.idle_share_reason if found.idle_share is None else f"{found.idle_share:.1%}"
    yield f"idle: {idle}"
    if found.num_truncated:
        yield f"{found.num_truncated} events of the trace had no end and were left out"
