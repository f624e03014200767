"""The answer first: how each detector's cost grows, in words, and what could not be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.report.words import enumerate_names, interval, number, share
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import Group

SIGNS = {
    "near-linear": "✓",
    "quadratic": "▲",
    "undecided": "?",
    "fixed-length input": "■",
}
DECIDED = ("near-linear", "quadratic")
LATENCIES = {"encoder": "Latency of the encoder", "end-to-end": "End-to-end latency"}
QUANTITIES = ("latency", "peak-memory", "flops")
FIRST_PARTS = ("encoder", "end-to-end")  # those that a reader asks about
FEW = 3  # detectors whose shares are told beside their names


@dataclass(frozen=True)
class Point:
    """One line of a claim: a verdict, as told, and the detectors that it is on."""

    verdict: str
    sign: str
    told: str
    names: str


@dataclass(frozen=True)
class Statement:
    """What is claimed about one thing."""

    what: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class VerdictCell:
    """One entry of the table of verdicts; ``detail`` has the quadratic share, with its interval."""

    verdict: str
    sign: str
    detail: str


@dataclass(frozen=True)
class UndecidedReason:
    """What was not decided for one and the same reason."""

    what: str
    reason: str


@dataclass(frozen=True)
class SettingAnswer:
    """The answer of one setting.

    Attributes:
        setting: in words, with the durations that were measured.
        claims: the latency of the parts that matter most.
        columns: part and quantity of the table of verdicts.
        rows: a line's name and its verdicts, None where there is none.
        undecided: what was not decided and why.
    """

    setting: str
    claims: tuple[Statement, ...]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[VerdictCell | None, ...]], ...]
    undecided: tuple[UndecidedReason, ...]


def answer(group: Group, scalings: Sequence[Scaling]) -> SettingAnswer:
    """The verdicts of a setting, as claims and as a table."""
    own = [one for one in scalings if one.setting == group.setting]
    present = {(one.part, one.quantity) for one in own}
    columns = tuple(
        (part, quantity)
        for part in group.parts
        for quantity in QUANTITIES
        if (part, quantity) in present
    )
    found = {(group.line_of(one.detector, one.backend), one.part, one.quantity): one for one in own}
    lines = [name for name in group.lines if any(key[0] == name for key in found)]
    rows = tuple(
        (name, tuple(_verdict(found.get((name, *column))) for column in columns)) for name in lines
    )
    return SettingAnswer(
        f"{group.setting.words}: {group.durations} of audio",
        tuple(_claims(group, own)),
        columns,
        rows,
        tuple(_undecided(group, own)),
    )


def _verdict(scaling: Scaling | None) -> VerdictCell | None:
    if scaling is None:
        return None
    return VerdictCell(scaling.verdict, SIGNS[scaling.verdict], _share_of(scaling))


def _share_of(scaling: Scaling) -> str:
    """The quadratic share at the longest duration with its interval, in per cent."""
    if scaling.quadratic_share is None:
        return ""
    return f"{share(scaling.quadratic_share)} {interval(scaling.quadratic_share_ci, 100, 1)}"


def _claims(group: Group, scalings: Sequence[Scaling]) -> Iterator[Statement]:
    """For each part: the verdicts with the detectors that have them, and up to which duration."""
    for part in [part for part in FIRST_PARTS if part in group.parts] or group.parts[:1]:
        own = [one for one in scalings if one.part == part and one.quantity == "latency"]
        points = []
        for verdict, sign in SIGNS.items():
            for end_s, those in _by_end(one for one in own if one.verdict == verdict):
                told = verdict if end_s is None else f"{verdict} up to {number(end_s)} s"
                points.append(Point(verdict, sign, told, _names(group, those)))
        if points:
            yield Statement(LATENCIES.get(part, f"Latency of the {part}"), tuple(points))


def _names(group: Group, scalings: Sequence[Scaling]) -> str:
    names = []
    for scaling in scalings:
        name = group.line_of(scaling.detector, scaling.backend)
        told = len(scalings) <= FEW and scaling.verdict in DECIDED
        names.append(f"{name} (quadratic share {_share_of(scaling)})" if told else name)
    return enumerate_names(names)


def _by_end(scalings: Iterable[Scaling]) -> Iterator[tuple[float | None, list[Scaling]]]:
    """The longest duration, and the scalings that end there; an open verdict has no range."""
    ends = grouped((one.t_max_s if one.verdict in DECIDED else None, one) for one in scalings)
    yield from ends.items()


def _undecided(group: Group, scalings: Sequence[Scaling]) -> Iterator[UndecidedReason]:
    def what(one: Scaling) -> str:
        name = group.line_of(one.detector, one.backend)
        return f"{name}, {one.part}, {one.quantity.replace('-', ' ')}"

    is_open = [one for one in scalings if one.verdict not in DECIDED]
    for reason, those in grouped((one.reason or "", what(one)) for one in is_open).items():
        everything = len(those) == len(scalings) > 1
        yield UndecidedReason("everything" if everything else "; ".join(those), reason)
