"""``fakemamba kernels``: what each backend of the scans costs on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from fakemamba.bench.cells import Cell
from fakemamba.bench.kernels.degradation import measure_degradation
from fakemamba.bench.kernels.encoder_paths import measure_encoder_paths
from fakemamba.bench.kernels.scans import measure_scans
from fakemamba.bench.measuring.external import frontend_of
from fakemamba.bench.measuring.scan_workload import backends_for
from fakemamba.cli.printing import TextTable, counting
from fakemamba.environment import describe_device, describe_environment
from fakemamba.files import write_json
from fakemamba.kernel_checks import KernelCheck
from fakemamba.models.device import resolve_device
from fakemamba.models.trust import check_all
from fakemamba.names import one_line

ENCODER_FRAMES = (200, 800, 3000)  # of the scans by themselves, too


def kernels(
    detector: str = "fake-mamba-l",
    frontend: str = "xls-r-300m",
    duration: float = 4.0,
    rounds: int = 5,
    device: str = "auto",
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print the slowdown of every scan backend against the best one here, with its error.

    A second table has Fake-Mamba-L's encoder at 200, 800 and 3,000 frames, beside other packages'
    Mamba on the same weights, and its matrix products alone; a third both scans by themselves, the
    selective one of Mamba and the SSD scan of Mamba-2, in both directions. On a GPU another one
    comes first: whether each kernel that `auto` may use gives there what torch gives.

    Args:
        detector: One that scans.
        frontend: A named size, a .pt file, a Hugging Face folder or id.
        duration: Of the audio, in seconds.
        rounds: Timed calls of each backend; the backends take turns.
        device: auto, cpu, or cuda:0 and so on.
        json_out: File to write the tables to, with the environment.
    """
    if rounds < 1 or duration <= 0:
        raise ValueError("--rounds and --duration must be more than nothing")
    place = resolve_device(device)
    if checks := check_all(place):
        Console().print(_check_table(checks, describe_device(place)))
    backends = backends_for(place.type)
    cell = Cell(detector, frontend_of(detector, frontend), "encoder", duration, device=str(place))
    losses = measure_degradation(cell, ("encoder", "end-to-end"), backends, rounds)
    paths = [
        path
        for frames in counting("encoder")(ENCODER_FRAMES)
        for path in measure_encoder_paths(frames, backends, rounds, place)
    ]
    scans = [
        row
        for frames in counting("scans")(ENCODER_FRAMES)
        for row in measure_scans(frames, backends, rounds, place)
    ]
    title = f"{detector}, {frontend}, {duration:g} s, fp32 · {describe_device(place)}"
    table = TextTable(
        "part", "scan backend", "latency (ms)", "slowdown", "max |error|", title=title
    )
    for loss in losses:
        figures = (f"{loss.latency_s * 1e3:.2f}", f"{loss.slowdown:.2f} x")
        table.add_row(loss.part, loss.backend, *figures, f"{loss.max_abs_error:.1e}")
    Console().print(table)
    title = f"encoder of fake-mamba-l, batch 1, fp32 · {describe_device(place)}"
    table = TextTable("frames", "way", "latency (ms)", "of matrix products", "error", title=title)
    for path in paths:
        error = "-" if path.relative_error is None else f"{path.relative_error:.1e}"
        figures = (f"{path.latency_s * 1e3:.2f}", f"{path.ratio_to_matrix_products:.2f} x")
        table.add_row(f"{path.num_frames:,}", path.path, *figures, error)
    Console().print(table)
    title = f"scans alone, both directions, batch 1, fp32 · {describe_device(place)}"
    table = TextTable("scan", "frames", "backend", "latency (ms)", "slowdown", "error", title=title)
    for row in scans:
        cost = (f"{row.latency_s * 1e3:.2f}", f"{row.slowdown:.2f} x", f"{row.relative_error:.1e}")
        table.add_row(row.scan, f"{row.num_frames:,}", row.backend, *cost)
    Console().print(table)
    if json_out is not None:
        content = {
            "environment": describe_environment(place),
            "rounds": rounds,
            "degradation": {**cell.to_json()["cell"], "backends": [asdict(x) for x in losses]},
            "encoder": [asdict(path) for path in paths],
            "scans": [asdict(row) for row in scans],
        }
        write_json(json_out, content)


def _check_table(checks: dict[str, KernelCheck], device: str) -> TextTable:
    title = f"kernels against torch · {device}"
    table = TextTable("kernel", "check", "used by auto", "differences", "error", title=title)
    for name, check in checks.items():
        differences = ", ".join(f"{key} {one:.1e}" for key, one in check.differences.items())
        used = "yes" if check.status == "passed" else "no, torch"
        table.add_row(name, check.status, used, differences or "-", one_line(check.error or "-"))
    return table
