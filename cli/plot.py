"""``fakemamba plot``: a benchmark's JSON to figures and a CSV."""

from __future__ import annotations

from pathlib import Path

import tyro


def plot(results: tyro.conf.Positional[tuple[Path, ...]], /, out: Path) -> None:
    """Draw RTF and latency over duration and rooflines, and write all cells as one CSV.

    Args:
        results: JSON files written by `pytest bench/ --benchmark-json`.
        out: Folder to write to.
    """
    from fakemamba.analysis.plots import plot_results
    from fakemamba.analysis.results import read_results
    from fakemamba.analysis.roofline import LEAST_COVERAGE, plot_roofline

    if not results:
        raise ValueError("no results given: fakemamba plot RESULTS.json ... --out FOLDER")
    table = read_results(results)
    for written in plot_results(table, out):
        print(written)
    if (table["flop_coverage"] >= LEAST_COVERAGE).any():
        for written in plot_roofline(table, out):
            print(written)
