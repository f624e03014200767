"""``fakemamba kernels``: what each backend of the selective scan costs on this machine."""

from __future__ import annotations


def kernels(
    detector: str = "fake-mamba-l",
    frontend: str = "xls-r-300m",
    duration: float = 4.0,
    rounds: int = 5,
    device: str = "auto",
) -> None:
    """Print the slowdown of every scan backend against the best one here.

    Args:
        detector: One with a Mamba.
        frontend: A named size, a .pt file, a Hugging Face folder or id.
        duration: Of the audio, in seconds.
        rounds: Timed calls of each backend; the backends take turns.
        device: auto, cpu, or cuda:0 and so on.
    """
    from fakemamba.bench.cells import Cell
    from fakemamba.bench.degradation import measure_degradation
    from fakemamba.bench.instruments.environment import describe_device
    from fakemamba.bench.scan_workload import backends_for
    from fakemamba.models.device import resolve_device
    from rich.console import Console
    from rich.table import Table

    if rounds < 1 or duration <= 0:
        raise ValueError("--rounds and --duration must be more than nothing")
    place = resolve_device(device)
    cell = Cell(detector, frontend, "encoder", duration, device=str(place))
    rows = measure_degradation(cell, ("encoder", "end-to-end"), backends_for(place.type), rounds)
    title = f"{detector}, {frontend}, {duration:g} s, fp32 · {describe_device(place)}"
    table = Table("part", "scan backend", "latency (ms)", "slowdown", "max |error|", title=title)
    for row in rows:
        cells = (f"{row.latency_s * 1e3:.2f}", f"{row.slowdown:.2f} x", f"{row.max_abs_error:.1e}")
        table.add_row(row.part, row.backend, *cells)
    Console().print(table)
