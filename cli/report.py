"""``fakemamba report``: results to one page that answers how the costs grow."""

from __future__ import annotations

from pathlib import Path

import tyro

from fakemamba.analysis.compare.from_json import read_comparison
from fakemamba.analysis.report.page import Extras, write_report
from fakemamba.analysis.results import read_launch, require_distinct
from fakemamba.cli.printing import say
from fakemamba.cli.rates import read_rates
from fakemamba.data.lengths import read_lengths
from fakemamba.load_record import read_load


def report(
    results: tyro.conf.Positional[tuple[Path, ...]],
    /,
    out: Path,
    comparison: Path | None = None,
    lengths: str | None = None,
    eer: Path | None = None,
    published_eer: str | None = None,
    load: tuple[Path, ...] = (),
) -> None:
    """Print the answer, and write one HTML page: with charts, tables, and how to measure it again.

    The page needs no network, and no JavaScript but for its charts, sorting and searching.

    Args:
        results: JSON files written by `fakemamba bench --benchmark-json`.
        out: File to write, e.g. report.html.
        comparison: What `fakemamba compare --json` wrote, to be shown beside.
        lengths: A table of lengths by its name, or its .json (see `fakemamba lengths`): what such a
            corpus costs.
        eer: CSV with a column `detector` and one `eer` in per cent, and `low` and `high` if known.
        published_eer: Instead of it a data set, such as In-the-Wild: take what was published.
        load: load.json files of `fakemamba load`, to be shown beside.
    """
    if not results:
        raise ValueError("no results given: fakemamba report RESULTS.json ... --out report.html")
    require_distinct(results)
    rates, source = read_rates(eer, published_eer)
    extras = Extras(
        None if comparison is None else read_comparison(comparison),
        None if lengths is None else read_lengths(lengths),
        rates,
        source,
        tuple(map(read_load, load)),
    )
    found = write_report([read_launch(path) for path in results], out, extras)
    say(found.text())
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
