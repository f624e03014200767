"""All pictures that results can answer, the table behind them, and why the others are not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fakemamba.analysis.palette import looks_of
from fakemamba.analysis.pictures.crossover import plot_crossover
from fakemamba.analysis.pictures.durations import plot_durations
from fakemamba.analysis.pictures.figures import Outcome, part_cells
from fakemamba.analysis.pictures.kernels import plot_degradation, plot_kernels
from fakemamba.analysis.pictures.lengths import plot_lengths
from fakemamba.analysis.pictures.pareto import plot_pareto
from fakemamba.analysis.pictures.roofline import plot_roofline
from fakemamba.analysis.pictures.scan import plot_scan
from fakemamba.analysis.pictures.shares import plot_shares
from fakemamba.analysis.published import read_published
from fakemamba.analysis.scaling.crossover import crossovers
from fakemamba.analysis.scaling.verdicts import curves, judge_growth
from fakemamba.files import write_whole
from fakemamba.names import in_spreadsheet

LONG = ("samples_s", "passes", "steady_s", "drift", "work")  # a list a cell


@dataclass(frozen=True)
class Beside:
    """What results do not hold themselves, and pictures can show beside them.

    Attributes:
        eer: from `read_eer` or `published_eer`.
        eer_source: what these are of.
        lengths_s: durations of corpora by their names.
        kernels: a file of ``fakemamba kernels --json``.
        against: the detector that the crossover chart compares all others with.
    """

    eer: pd.DataFrame | None = None
    eer_source: str = ""
    lengths_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    kernels: Path | None = None
    against: str | None = None


def plot_results(
    results: pd.DataFrame, folder: str | Path, beside: Beside | None = None
) -> Iterator[Outcome]:
    """Write ``cells.csv`` and all pictures to ``folder``.

    Args:
        results: from `read_results`.
        folder: to write to; it is made.
        beside: what else to draw.

    Yields:
        Each file that was written, and for each picture that the results cannot answer, why.

    Raises:
        ResultsError: the file of kernels is something else.
    """
    folder, beside = Path(folder), beside or Beside()
    yield write_table(results, folder / "cells.csv")
    parts = part_cells(results)
    latencies = [] if parts.empty else curves(parts, ("latency",))
    fits = [judge_growth(curve) for curve in latencies]
    yield from plot_durations(results, folder, fits, read_published())
    yield from plot_shares(results, folder)
    pairs = [] if parts.empty else crossovers(parts)
    against = [beside.against] if beside.against else list(dict.fromkeys(parts["detector"]))
    yield from plot_crossover(pairs, against, looks_of(results["detector"]), folder)
    yield from plot_roofline(results, folder)
    yield from plot_pareto(results, beside.eer, beside.eer_source, folder)
    yield from plot_degradation(results, folder)
    yield from plot_scan(results, folder)
    yield from plot_lengths(results, beside.lengths_s, folder)
    if beside.kernels is not None:
        yield plot_kernels(beside.kernels, folder)


def write_table(results: pd.DataFrame, path: Path) -> Path:
    """Write all cells as a CSV, without the single visits and the work by formula."""
    table = results.drop(columns=list(LONG), errors="ignore")
    table["disturbed_by"] = table["disturbed_by"].map("; ".join)
    write_whole(path, table.map(in_spreadsheet).to_csv(index=False))
    return path
