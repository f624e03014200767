"""``fakemamba report``: results to one page that answers how the costs grow."""

from __future__ import annotations

from pathlib import Path

import tyro

from fakemamba.cli.printing import say


def report(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    out: Path,
    comparison: Path | None = None,
) -> None:
    """Write one HTML page: the answer, charts, tables, and how to measure each number again.

    The page needs no network, and no JavaScript but for its charts, sorting and searching.

    Args:
        results: JSON files written by `pytest bench/ --benchmark-json`.
        out: File to write, e.g. report.html.
        comparison: What `fakemamba compare --json` wrote, to be shown beside.
    """
    from fakemamba.analysis.compare.from_json import read_comparison
    from fakemamba.analysis.report.page import write_report
    from fakemamba.analysis.results import read_launch, require_distinct

    if not results:
        raise ValueError("no results given: fakemamba report RESULTS.json ... --out report.html")
    require_distinct(results)
    launches = [read_launch(path) for path in results]
    compared = None if comparison is None else read_comparison(comparison)
    write_report(launches, out, compared)
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
