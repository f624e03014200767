"""Which detector is the fastest at which duration, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fakemamba.analysis.report.answer import Point, Statement
from fakemamba.analysis.report.sections import Section
from fakemamba.analysis.report.tables import Field, Record, tabulate
from fakemamba.analysis.report.words import interval, number
from fakemamba.analysis.scaling.ranking import Fastest
from fakemamba.analysis.setting import Group

TIE = "no clear winner"
FIELDS = (
    Field("duration (s)", "duration_s", is_key=True),
    Field("fastest", "line", is_key=True),
    Field("latency (ms)", "latency_s", 1e3, is_key=True),
    Field("next", "rival", is_key=True),
    Field("next takes (times)", "ratio", is_key=True),
    Field("95 % interval", lambda one: interval(one["ratio_ci"]) or None),
    Field("how sure", "reason", is_key=True),
)


def fastest_section(groups: Sequence[Group], ranked: Sequence[Fastest]) -> Iterator[Section]:
    """A table a setting and part: a row a duration."""
    tables = []
    for place, group in enumerate(groups):
        for part, those in _by_part(group, ranked):
            caption = f"{part}: {group.setting.words}"
            records = [_record(group, one) for one in those]
            tables.append(tabulate(f"fastest-{place}-{part}", caption, FIELDS, records))
    if tables:
        yield Section("fastest", "Fastest", "The fastest at each duration", (), tuple(tables))


def fastest_claims(group: Group, ranked: Sequence[Fastest]) -> Iterator[Statement]:
    """For each part: the detectors that are the fastest, from which duration on."""
    points = []
    for part, those in _by_part(group, ranked):
        runs = groupby(those, lambda one: _line(group, one) if one.is_sure else TIE)
        told = ", ".join(f"{name} from {number(next(run).duration_s)} s" for name, run in runs)
        points.append(Point("fastest", "", part, told))
    if points:
        yield Statement("Fastest", tuple(points))


def _by_part(group: Group, ranked: Sequence[Fastest]) -> Iterator[tuple[str, list[Fastest]]]:
    """The parts of a setting that are not the same for all detectors, as far as any are ranked."""
    for part in group.parts:
        those = [
            one for one in ranked if one.best.part == part and one.best.setting == group.setting
        ]
        if those and part != "front-end":
            yield part, those


def _line(group: Group, one: Fastest) -> str:
    return group.line_of(one.best.detector, one.best.backend)


def _record(group: Group, one: Fastest) -> Record:
    rival = group.line_of(one.rival.detector, one.rival.backend)
    return vars(one) | {"line": _line(group, one), "rival": rival}
