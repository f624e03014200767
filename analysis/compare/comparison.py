"""Two sides of a change, several launches each, compared cell by cell: slower, not slower, unknown.

Launches pair up in order. Latency, energy and the peak of a CPU that older files have differ from
launch to launch, so they are judged by an interval over pairs; a GPU's allocated peak and the error
against fp32 are the same in every launch, so they are judged as they are. docs/gate.md has the
rules and all codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from fakemamba.analysis.compare.accepted import Accepted
from fakemamba.analysis.compare.cells import PairedFigures, figures_of, pair_cells, without_figures
from fakemamba.analysis.compare.judge import judge_figures
from fakemamba.analysis.compare.machine import describe, differences, took_turns
from fakemamba.analysis.compare.plain import PlainLaunch
from fakemamba.analysis.compare.verdict import (
    DEFAULT_RULES,
    QUANTITIES,
    VERDICTS,
    CellVerdict,
    Comparison,
    Problem,
    Rules,
)
from fakemamba.analysis.results import Launch


def compare(
    base: Sequence[Launch],
    head: Sequence[Launch],
    rules: Rules = DEFAULT_RULES,
    accepted: Sequence[Accepted] = (),
    today: date | None = None,
) -> Comparison:
    """Judge every cell and quantity of launches that took turns.

    Later pairs may hold fewer cells than earlier ones: a cell is judged by the pairs that have it.

    Args:
        base: launches before the change, in order.
        head: launches with the change; the n-th is the partner of base's n-th.
        rules: when a change counts.
        accepted: slow-downs that are let through.
        today: the day by which accepted slow-downs may have expired; the current one by default.
    """
    day = today or date.today()
    problems = tuple(_problems(base, head))
    cells = [] if problems else _judge(base, head, rules)
    if not problems and not any(cell.base_value is not None for cell in cells):
        problems = (Problem("nothing-measured", "no cell has figures on both sides"),)
    valid = [entry for entry in accepted if entry.expires >= day]
    cells = [_accept(cell, valid) for cell in cells]
    expired = [
        f"an accepted slow-down has expired on {entry.expires}: {entry.pattern}"
        for entry in accepted
        if entry.expires < day
    ]
    return Comparison(
        cells=tuple(sorted(cells, key=_gravity)),
        problems=problems,
        notes=(*expired, *(() if problems else _notes(base, head, cells))),
        rules=rules,
        pairs=min(len(base), len(head)),
        base=describe(base),
        head=describe(head),
    )


def _problems(base: Sequence[Launch], head: Sequence[Launch]) -> Iterator[Problem]:
    """Why nothing can be compared."""
    if len(base) != len(head):
        text = f"{len(base)} launches of base, but {len(head)} of head; give as many of each"
        yield Problem("unpaired-launches", text)
    if min(len(base), len(head)) < 2:
        text = "one pair of launches has no spread, so there is no interval; make two, better six"
        yield Problem("too-few-launches", text)
    if base and head:
        yield from differences((*base, *head))
        before, after = (
            {cell_id for launch in side for cell_id in launch.cells["cell_id"]}
            for side in (base, head)
        )
        if not before & after:
            yield Problem("no-cells", "base and head have no cell in common")


def _judge(base: Sequence[Launch], head: Sequence[Launch], rules: Rules) -> list[CellVerdict]:
    verdicts: list[CellVerdict] = []
    comparable: list[PairedFigures] = []
    for cell in pair_cells(base, head):
        ended = without_figures(cell)
        for one in figures_of(cell) if ended is None else (ended,):
            if isinstance(one, PairedFigures):
                comparable.append(one)
            else:
                verdicts.append(one)
    return verdicts + judge_figures(comparable, rules)


def _accept(cell: CellVerdict, accepted: Sequence[Accepted]) -> CellVerdict:
    """The verdict, or ``accepted`` if it is a regression that an entry is wide enough for."""
    upper = cell.ratio if cell.ratio_high is None else cell.ratio_high
    if cell.verdict != "regressed" or upper is None:
        return cell
    for entry in accepted:
        if entry.covers(cell.cell_id, cell.quantity) and upper < entry.factor:
            reason = f"up to {entry.factor:g} times until {entry.expires}: {entry.reason}"
            return replace(cell, verdict="accepted", reason_code="accepted", reason=reason)
    return cell


def _notes(
    base: Sequence[Launch], head: Sequence[Launch], cells: Sequence[CellVerdict]
) -> Iterator[str]:
    if took_turns(base, head) is False:
        yield "launches of base and head did not take turns: the machine's drift is in the ratios"
    absent = [name for name in QUANTITIES if name not in {cell.quantity for cell in cells}]
    if absent and not isinstance(base[0], PlainLaunch):
        yield f"not compared, as no cell has it: {', '.join(absent)}"
    versions = [describe(side).get("torch") for side in (base, head)]
    if versions[0] != versions[1]:
        yield f"torch is {versions[0]} in base and {versions[1]} in head"


def _gravity(cell: CellVerdict) -> tuple[int, float]:
    """The gravest verdict first, then the largest ratio."""
    return VERDICTS.index(cell.verdict), -(cell.ratio or 0.0)
