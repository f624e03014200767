"""The page: what results say, rendered into one file that needs nothing else.

The same inputs give the same bytes. A content security policy allows the page's own scripts, by
their hashes, and no request at all; strings of results are escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fakemamba.analysis.answers import Answers, answers
from fakemamba.analysis.compare.verdict import Comparison
from fakemamba.analysis.decision import decision_table
from fakemamba.analysis.load.section import load_section
from fakemamba.analysis.palette import looks_of
from fakemamba.analysis.published import beside_ours, read_published
from fakemamba.analysis.report.answer import answer
from fakemamba.analysis.report.chart_data import chart_data, first_chart_data
from fakemamba.analysis.report.decision_section import decision_section
from fakemamba.analysis.report.environment import environment_table
from fakemamba.analysis.report.fastest import fastest_claims, fastest_section
from fakemamba.analysis.report.reproduce import replay
from fakemamba.analysis.report.sections import (
    Section,
    cells_section,
    comparison_section,
    growth_sections,
    published_section,
    stream_sections,
    trouble_section,
)
from fakemamba.analysis.report.words import number, share
from fakemamba.analysis.results import Launch, together
from fakemamba.analysis.scaling.crossover import Crossover, crossovers
from fakemamba.analysis.scaling.ranking import Fastest, fastest
from fakemamba.analysis.scaling.verdicts import Scaling, Thresholds, scale
from fakemamba.analysis.setting import Group, groups_of
from fakemamba.data.lengths import LengthTable
from fakemamba.files import write_whole
from fakemamba.kernel_checks import unused_kernels
from fakemamba.load_record import LoadRecord
from fakemamba.names import shorten, visible

PACKAGE = "fakemamba.analysis.report"
INTERVAL = re.compile(r"(\([^()\s]+\))")
SLUGS = (
    *("near-linear", "quadratic", "undecided", "fixed-length input"),
    *("measured", "wrong", "failed", "out-of-memory", "unsupported", "left-out"),
    *("regressed", "unanswerable", "accepted", "fine", "inside", "outside"),
    *("holds", "fails"),
)
POLICY = (
    "default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Extras:
    """What results do not hold themselves, and the page can show beside them.

    Attributes:
        comparison: from `read_comparison`.
        lengths: of a corpus, for what it costs.
        rates: error rates, from `read_eer` or `published_eer`.
        rates_source: what these are of.
        loads: load tests, from `read_load`.
    """

    comparison: Comparison | None = None
    lengths: LengthTable | None = None
    rates: pd.DataFrame | None = None
    rates_source: str = ""
    loads: tuple[LoadRecord, ...] = ()


NOTHING = Extras()


def write_report(launches: Sequence[Launch], path: str | Path, extras: Extras = NOTHING) -> Answers:
    """Write the page, and give what its first screen answers.

    Args:
        launches: from `read_launch`.
        path: file to write.
        extras: to show beside them.

    Raises:
        ResultsError: the table of published figures cannot be read.
    """
    page, found = render(launches, extras)
    write_whole(path, page)
    return found


def render(launches: Sequence[Launch], extras: Extras = NOTHING) -> tuple[str, Answers]:
    """The page as HTML, and its answers; see `write_report`."""
    results = together(launches)
    groups, looks = groups_of(results), looks_of(results["detector"])
    thresholds = Thresholds()
    scalings = scale(results, thresholds) if groups else []
    crossed = crossovers(results) if groups else []
    ranked = fastest(results) if groups else []
    decisions = decision_table(results, extras.lengths, extras.rates)
    found = answers(results, groups, scalings, crossed, decisions)
    sections = list(_sections(results, groups, ranked, scalings, crossed, extras))
    first = decision_section(decisions, extras.lengths, extras.rates_source)
    scripts = [Markup(text) for text in (_asset("tables.js"), get_plotlyjs(), _asset("charts.js"))]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    html = (
        _environment()
        .get_template("page.html")
        .render(
            policy=Markup(POLICY.format(hashes=hashes)),
            style=Markup(_asset("style.css")),
            scripts=scripts,
            found=found,
            status_line=_status_line(launches, results),
            sections=[
                ("answer", "Answer"),
                (first.anchor, first.link),
                ("charts", "Charts"),
                ("verdicts", "Verdicts"),
                *((section.anchor, section.link) for section in sections),
                ("reproduce", "Measure again"),
                ("environment", "Environment"),
            ],
            decision=first,
            answers=[(answer(one, scalings), tuple(fastest_claims(one, ranked))) for one in groups],
            thresholds=_told(thresholds),
            table_sections=sections,
            replays=[replay(launch) for launch in launches],
            environment=environment_table(launches),
            unused_kernels=_unused_kernels(launches),
            first_chart=first_chart_data(found, scalings, looks),
            charts=chart_data(groups, scalings, crossed, decisions, extras.rates_source, looks),
            version=version("fakemamba"),
        )
    )
    return html, found


def _sections(
    results: pd.DataFrame,
    groups: Sequence[Group],
    ranked: Sequence[Fastest],
    scalings: Sequence[Scaling],
    crossed: Sequence[Crossover],
    extras: Extras,
) -> Iterator[Section]:
    if extras.comparison is not None:
        yield comparison_section(extras.comparison)
    if extras.loads:
        yield load_section(extras.loads)
    yield from fastest_section(groups, ranked)
    yield from growth_sections(scalings, crossed)
    yield from stream_sections(results)
    published = read_published()
    yield published_section(beside_ours(published, results), published)
    yield trouble_section(results)
    yield cells_section(results)


def _status_line(launches: Sequence[Launch], results: pd.DataFrame) -> str:
    """How many files and cells there are, and how the cells ended."""
    counts = Counter(results["status"]) if len(results) else Counter()
    ended = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    noun = "file" if len(launches) == 1 else "files"
    disturbed = int(results["disturbed"].sum()) if len(results) else 0
    doubt = f", {disturbed:,} of them disturbed" if disturbed else ""
    return f"{len(launches)} {noun}, {len(results):,} cells: {ended or 'none'}{doubt}"


def _unused_kernels(launches: Sequence[Launch]) -> list[str]:
    """What is to be told of kernels that were not right on a device: a sentence each."""
    told = [
        f"On {launch.environment['device']}, {sentence}."
        for launch in launches
        for sentence in unused_kernels(launch.environment.get("kernels") or {})
    ]
    return list(dict.fromkeys(told))


def _told(thresholds: Thresholds) -> str:
    """By which thresholds the verdicts were given."""
    return (
        "Near-linear: the quadratic share’s interval ends below "
        f"{share(thresholds.share_near_linear)} and the exponent’s below "
        f"{thresholds.exponent_near_linear:g}. Quadratic: the share’s begins above "
        f"{share(thresholds.share_quadratic)} or the exponent’s above "
        f"{thresholds.exponent_quadratic:g}."
    )


def _environment() -> Environment:
    """Jinja with escaping, where strings of results cannot hide characters."""
    environment = Environment(
        loader=PackageLoader(PACKAGE, "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "separators": (",", ":"),
        "sort_keys": True,
    }
    environment.filters["short"] = shorten
    environment.filters["number"] = number
    environment.filters["slug"] = _slug
    environment.filters["unbroken"] = _unbroken
    return environment


def _slug(word: str) -> str:
    """The style's class of a verdict or status; of another word, none."""
    return word.replace(" ", "-") if word in SLUGS else "other"


def _unbroken(text: str) -> Markup:
    """Text in which no interval in brackets is broken between two lines."""
    pieces = INTERVAL.split(visible(text))
    looks = (Markup("{}"), Markup('<span class="unbroken">{}</span>'))
    return Markup("").join(looks[place % 2].format(one) for place, one in enumerate(pieces))


def _asset(name: str) -> str:
    return (files(PACKAGE) / "assets" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
