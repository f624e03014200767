"""``fakemamba plot``: a benchmark's JSON to figures and a CSV."""

from __future__ import annotations

from pathlib import Path

import tyro


def plot(results: tyro.conf.Positional[tuple[Path, ...]], /, out: Path) -> None:
    """Draw RTF and latency over duration, and write all cells as one CSV.

    Args:
        results: JSON files written by `pytest bench/ --benchmark-json`.
        out: Folder to write to.
    """
    from fakemamba.analysis.plots import plot_results
    from fakemamba.analysis.results import read_results

    if not results:
        raise ValueError("no results given: fakemamba plot RESULTS.json ... --out FOLDER")
    for written in plot_results(read_results(results), out):
        print(written)
