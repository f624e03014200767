"""The answer of a sweep in plain sentences, made from its verdicts: for the page and the terminal.

Asked is how the encoder's latency grows, and who is faster from where on; then what that is worth
end to end, behind the largest front-end that was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.open_verdicts import Undecided, undecided_verdicts
from fakemamba.analysis.report.words import UNKNOWN, enumerate_names, is_known, number, share
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.scaling.verdicts import Scaling
from fakemamba.analysis.setting import WHOLE, Group
from fakemamba.analysis.shares import frontend_share
from fakemamba.analysis.ties import is_tie

ASKED = ("fake-mamba-l", "xlsr-conformer", "xlsr-mamba")  # of the paper's question
FEW = 4  # detectors that a sentence each is made of
COUNTS = {2: "both", 3: "all three", 4: "all four"}
QUARTILES = 1.349  # standard deviations between them, of a normal distribution
ENCODER = "encoder"


@dataclass(frozen=True)
class Answers:
    """What the first screen says.

    Attributes:
        question: what is answered.
        sentences: the answer.
        figures: rows of the table of decisions of the detectors asked for, with their ``line``.
        figures_title: what the figures are of.
        machine: the device, its noise, and how much of the results it disturbed.
        undecided: what is open, and what decides it; None if nothing is.
        growth: the setting that the sentences on growth are about, and its ``part``; None if no
            cell of a detector was measured.
        lines: of that setting, those that were asked for.
    """

    question: str
    sentences: tuple[str, ...]
    figures: tuple[dict[Any, Any], ...]
    figures_title: str
    machine: str
    undecided: Undecided | None
    growth: Group | None
    part: str
    lines: tuple[str, ...]

    def text(self) -> str:
        """All of it as lines for a terminal."""
        told = [self.question, *self.sentences]
        if self.figures:
            each = "; ".join(map(_figures_in_words, self.figures))
            told.append(f"{self.figures_title}, end to end: {each}.")
        told.append(self.machine)
        if self.undecided is not None:
            told += [self.undecided.line, self.undecided.command or ""]
        lines = (" ".join(line.split()) for line in told)  # a name may have a line break in it
        return "\n".join(filter(None, lines))


def answers(
    results: pd.DataFrame,
    groups: Sequence[Group],
    scalings: Sequence[Scaling],
    crossed: Sequence[Crossover],
    decisions: pd.DataFrame,
) -> Answers:
    """Answer the question of the results.

    Args:
        results: from `read_results`.
        groups: from `groups_of`, of the same results.
        scalings: from `scale`.
        crossed: from `crossovers`.
        decisions: from `decision_table`.
    """
    machine = _machine(results)
    if not groups:
        said = ("No detector was measured on whole utterances, so there is no answer.",)
        return Answers(_question([]), said, (), "", machine, None, None, ENCODER, ())
    growth, part = _growth_setting(groups, scalings)
    lines = _asked(growth, part)
    whole = _whole_setting(groups, growth)
    sentences = [*_growth(growth, part, lines, scalings), *_faster(growth, part, lines, crossed)]
    title, figures = _figures(whole, decisions) if whole is not None else ("", [])
    if whole is not None and part != WHOLE:
        sentences += _end_to_end(whole, scalings, crossed)
    sentences += _without_a_time(results)
    return Answers(
        _question(lines),
        tuple(sentences),
        tuple(figures),
        title,
        machine,
        undecided_verdicts(groups, scalings),
        growth,
        part,
        tuple(lines),
    )


def _question(lines: Sequence[str]) -> str:
    subject = lines[0] if len(lines) == 1 else "a detector"
    return f"Does the cost of {subject} grow near-linearly with the length of the audio?"


def _growth_setting(groups: Sequence[Group], scalings: Sequence[Scaling]) -> tuple[Group, str]:
    """Where most lines have a fit of the encoder's latency, else of any part's."""
    for part in (ENCODER, WHOLE):
        having = [group for group in groups if part in group.parts]
        if having:
            fits = [one.setting for one in _latencies(scalings, part) if one.a_s is not None]
            return max(having, key=lambda group: fits.count(group.setting)), part
    return groups[0], groups[0].parts[0]


def _whole_setting(groups: Sequence[Group], growth: Group) -> Group | None:
    """Where end to end was measured with most parameters, if it can be otherwise as in growth."""

    def rank(group: Group) -> tuple[bool, float]:
        beside = replace(group.setting, frontend=growth.setting.frontend)
        return beside == growth.setting, float(_whole_cells(group)["n_parameters"].max())

    having = [group for group in groups if len(_whole_cells(group))]
    return max(having, key=rank) if having else None


def _whole_cells(group: Group) -> pd.DataFrame:
    cells = group.cells[(group.cells["part"] == WHOLE) & (group.cells["status"] == "measured")]
    return cells.assign(n_parameters=cells["n_parameters"].fillna(0))


def _asked(group: Group, part: str) -> list[str]:
    """The lines with most durations, the paper's first; of more than a few, those alone.

    A duration for which there was no time, or no memory, was asked for as well.
    """
    cells = group.cells[group.cells["part"] == part]
    asked = cells.groupby("line", sort=False)["duration_s"].nunique()
    cells = cells[cells["status"] == "measured"]
    if cells.empty:
        return []
    durations = cells.groupby("line", sort=False)["duration_s"].nunique()
    detectors = cells.groupby("line")["detector"].first()
    lines = [str(name) for name in durations.index if asked[name] >= durations.max()]
    known = [name for first in ASKED for name in lines if detectors[name] == first]
    if len(lines) > FEW:
        return known[:FEW] or lines[:FEW]
    return known + [name for name in lines if name not in known]


def _latencies(scalings: Iterable[Scaling], part: str) -> list[Scaling]:
    return [one for one in scalings if one.part == part and one.quantity == "latency"]


def _growth(
    group: Group, part: str, lines: Sequence[str], scalings: Sequence[Scaling]
) -> Iterator[str]:
    """How each line asked for grows, then the others by their verdicts."""
    own = [one for one in _latencies(scalings, part) if one.setting == group.setting]
    named = {group.line_of(one.detector, one.backend): one for one in own}
    for told, names in grouped(
        (_told(named[name]), name) for name in lines if name in named
    ).items():
        yield f"{_of_all(names, part)}: {told}."
    others = grouped(
        (one.verdict, name)
        for name, one in named.items()
        if name not in lines and (one.durations > 1 or one.verdict != "undecided")
    )
    if others:
        told = "; ".join(
            f"{verdict}: {enumerate_names(names)}" for verdict, names in others.items()
        )
        yield f"Of the others {told}."


def _told(scaling: Scaling) -> str:
    """A verdict in a few words, with the quadratic share and its interval."""
    if scaling.verdict == "fixed-length input":
        return "input cut to a fixed length, so the cost does not grow"
    told: str = scaling.verdict
    if scaling.t_max_s is not None:
        told += f" up to {number(scaling.t_max_s)} s"
    if scaling.quadratic_share is not None and scaling.quadratic_share_ci is not None:
        percent = [f"{100 * one:.0f}" for one in scaling.quadratic_share_ci if one is not None]
        told += f", {100 * scaling.quadratic_share:.0f} % quadratic ({'–'.join(percent)})"
    return told


def _faster(
    group: Group, part: str, lines: Sequence[str], crossed: Sequence[Crossover]
) -> Iterator[str]:
    """The first line against each other one."""
    pairs = _pairs(group, part, lines[:1], lines[1:], crossed)
    for one in pairs:
        if one.ratio is not None:
            yield _comparison(group, part, one)
    without = [one.reason for one in pairs if one.ratio is None]
    if without:
        yield f"Which is the faster was not decided: {without[0]}."


def _comparison(group: Group, part: str, one: Crossover) -> str:
    """Who is faster since when, and by how much at the end."""
    winner = _of(group.line_of(one.detector, one.backend), part)
    loser = group.line_of(one.rival, one.rival_backend) + ("" if part == WHOLE else "’s")
    end = f"at {number(one.to_s)} s"
    if one.from_s is None:
        if one.ratio_ci is not None and is_tie(*one.ratio_ci):
            return f"{winner} and {loser} take equally long {end}, within noise."
        return f"Whether {winner} or {loser} is faster {end} is undecided."
    times = f"{_rough(one.ratio)} times"
    if one.ratio_ci is not None:
        times += f" ({'–'.join(map(_rough, one.ratio_ci))})"
    if number(one.from_s) == number(one.to_s):
        return f"At {number(one.to_s)} s, not before, {winner} is faster than {loser}, {times}."
    since = f"From {_rough(one.from_s)} s on"
    if one.verdict == "throughout":
        since = f"From {number(one.start_s)} to {number(one.to_s)} s"
    return f"{since} {winner} is faster than {loser}, {end} {times}."


def _pairs(
    group: Group,
    part: str,
    ours: Sequence[str],
    theirs: Sequence[str],
    crossed: Sequence[Crossover],
) -> list[Crossover]:
    """The comparisons of latency of one of ours with one of theirs."""

    def is_asked(one: Crossover) -> bool:
        names = (
            group.line_of(one.detector, one.backend),
            group.line_of(one.rival, one.rival_backend),
        )
        return any(a in ours and b in theirs for a, b in (names, names[::-1]))

    return [
        one
        for one in crossed
        if one.quantity == "latency" and one.part == part and one.setting == group.setting
        if is_asked(one)
    ]


def _end_to_end(
    group: Group, scalings: Sequence[Scaling], crossed: Sequence[Crossover]
) -> Iterator[str]:
    """The front-end's share of the time, and whether the detectors differ at all end to end."""
    lines = _asked(group, WHOLE)
    cells = group.cells[group.cells["line"].isin(lines)]
    behind = cells[~cells["own_frontend"]] if "own_frontend" in cells else cells
    found = [frontend_share(of_line) for _, of_line in behind.groupby("line")]
    shares = [one for one in found if one is not None]
    said = []
    if shares:
        ends = [end for one in shares for end in (one.interval or (one.share,))]
        least, most = (round(100 * min(1.0, one(ends))) for one in (min, max))
        span = f"{most} %" if least == most else f"{least} to {most} %"
        said.append(f"the front-end has {span} of the time")
    own = [
        one
        for one in _latencies(scalings, WHOLE)
        if one.setting == group.setting and group.line_of(one.detector, one.backend) in lines
    ]
    said += _alike(group, lines, own, _pairs(group, WHOLE, lines, lines, crossed))
    if said:
        yield f"End to end behind {group.setting.frontend_words} {', and '.join(said)}."


def _alike(
    group: Group, lines: Sequence[str], scalings: Sequence[Scaling], pairs: Sequence[Crossover]
) -> Iterator[str]:
    """Whether all grow alike, or take equally long; else each verdict with its lines."""
    them = COUNTS.get(len(lines), f"all {len(lines)}")
    verdicts = grouped(
        (one.verdict, group.line_of(one.detector, one.backend))
        for one in scalings
        if one.durations > 1
    )
    is_one = len(lines) > 1 and [*map(len, verdicts.values())] == [len(lines)]
    if is_one and "undecided" not in verdicts:
        yield f"{them} grow alike: {next(iter(verdicts))}{_until(scalings)}"
    elif pairs and all(one.ratio_ci and is_tie(*one.ratio_ci) for one in pairs):
        yield f"{them} take equally long at {number(pairs[0].to_s)} s, within noise"
    elif is_one:
        yield f"how {them} grow is undecided"
    elif verdicts:
        yield "growth is " + ", ".join(
            f"{verdict} for {enumerate_names(names)}" for verdict, names in verdicts.items()
        )


def _until(scalings: Sequence[Scaling]) -> str:
    ends_s = [one.t_max_s for one in scalings if one.t_max_s is not None]
    return f" up to {number(min(ends_s))} s" if ends_s else ""


def _without_a_time(results: pd.DataFrame) -> Iterator[str]:
    """Which detectors nothing was measured of, and why."""
    lost = results.groupby("detector", sort=False).filter(
        lambda cells: (cells["status"] != "measured").all()
    )
    first = lost.drop_duplicates("detector")
    told = grouped(
        (
            "left out for want of time"
            if cell["status"] == "left-out"
            else f"{cell['status']}: {cell['reason']}",
            cell["detector"],
        )
        for cell in first.to_dict("records")
    )
    if told:
        each = "; ".join(f"{enumerate_names(names)} ({why})" for why, names in told.items())
        yield f"Nothing was measured of {each}."


def _figures(group: Group, decisions: pd.DataFrame) -> tuple[str, list[dict[Any, Any]]]:
    """Real-time factor, latency and memory of the lines asked for, and what they are of."""
    lines = _asked(group, WHOLE)
    known = group.rows_of(decisions).dropna(subset="rtf")
    asked = known[known["line"].isin(lines)].to_dict("records")
    if not asked:
        return "", []
    for one in asked:
        if one["own_frontend"]:
            one["line"] = f"{one['line']} (own front-end)"
    return f"At {number(asked[0]['at_s'])} s behind {group.setting.frontend_words}", asked


def _figures_in_words(one: dict[Any, Any]) -> str:
    memory = f"{number(one['memory_bytes'] * 1e-6)} MB with weights"
    if not is_known(one["memory_bytes"]):
        memory = "memory unknown"
    return f"{one['line']} RTF {number(one['rtf'])}, {number(one['latency_s'] * 1e3)} ms, {memory}"


def _machine(results: pd.DataFrame) -> str:
    """The device, how far measurements of one cell are apart, and how many were disturbed."""
    measured = results[results["status"] == "measured"] if len(results) else results
    if measured.empty:
        return ""
    told = [enumerate_names(dict.fromkeys(measured["device_name"]))]
    visits = int(measured["visits"].sum())
    samples = [np.log(one) for one in measured["samples_s"].dropna() if len(one) > 2]
    if samples:
        apart = [np.subtract(*np.quantile(one, (0.75, 0.25))) / QUARTILES for one in samples]
        of_cell = "visits" if visits else "rounds"
        told.append(f"{of_cell} of a cell vary by {share(float(np.median(apart)))}")
    cells = f"{measured['disturbed'].sum()} of {len(measured):,} cells"
    disturbed = f"{cells} were disturbed"
    if visits:
        count = measured["disturbed_visits"].sum()
        disturbed = f"{count} of {visits:,} visits were disturbed"
        if count:
            disturbed += f", and count only in {cells}, for want of others"
    return "; ".join([*told, disturbed]) + "."


def _of(name: str, part: str) -> str:
    return f"{name} end to end" if part == WHOLE else f"{name}’s {part}"


def _of_all(names: Sequence[str], part: str) -> str:
    if len(names) == 1:
        return _of(names[0], part)
    return (
        f"{enumerate_names(names)} end to end"
        if part == WHOLE
        else (f"The {part}s of {enumerate_names(names)}")
    )


def _rough(value: float | None) -> str:
    """Two significant digits: a ratio is known no better."""
    return UNKNOWN if value is None else number(float(f"{value:.2g}"))
