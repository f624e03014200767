"""``fakemamba plot``: a benchmark's JSON to figures and a CSV."""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from fakemamba.analysis.pictures.figures import NotDrawn
from fakemamba.analysis.pictures.plots import Beside, plot_results
from fakemamba.analysis.results import read_results
from fakemamba.cli.printing import say
from fakemamba.cli.rates import read_rates
from fakemamba.data.lengths import read_lengths


def plot(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    out: Path,
    eer: Path | None = None,
    published_eer: str | None = None,
    lengths: tuple[str, ...] = (),
    kernels: Path | None = None,
    against: str | None = None,
) -> int:
    """Draw all that the results can answer, write all cells as one CSV, and say what is not drawn.

    Args:
        results: JSON files written by `fakemamba bench --benchmark-json`.
        out: Folder to write to.
        eer: CSV with a column `detector` and one `eer` in per cent, and `low` and `high` if known:
            error rates, to be drawn against real-time factor and memory.
        published_eer: Instead of it a data set, such as In-the-Wild: take what was published.
        lengths: Corpora to draw beside the results' recordings: names or JSON files of
            `fakemamba lengths`.
        kernels: JSON written by `fakemamba kernels --json`, to be drawn too.
        against: The detector that the crossover charts compare all others with; by default the
            first of the results.
    """
    if not results:
        raise ValueError("no results given: fakemamba plot RESULTS.json ... --out FOLDER")
    rates, source = read_rates(eer, published_eer)
    beside = Beside(rates, source, _lengths_s(lengths), kernels, against)
    figures = 0
    for outcome in plot_results(read_results(results), out, beside):
        if isinstance(outcome, NotDrawn):
            say(outcome, file=sys.stderr)
        else:
            say(outcome)
            figures += outcome.suffix == ".png"
    return 0 if figures else 1


def _lengths_s(names: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """Durations of each table of lengths, by its name."""
    tables = [read_lengths(name) for name in names]
    return {f"{table.name}, {table.count:,} recordings": table.durations_s for table in tables}
