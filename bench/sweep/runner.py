"""Runs a sweep: in passes, or each cell in a process of its own; with a journal and progress.

In a pass every cell that is not certain enough is visited once; while any have fewer visits than
they need, these alone. The first pass goes from cells of little work to those of much, so that
where memory or the budget ends the rest is known; later ones are in random order, so that what the
machine does meanwhile meets all cells alike. Quick cells are visited in every pass, others in every
third one, before them: those first that lack the most undisturbed visits, as the time may end
before the others. Cells of front-ends are visited inside those of their detectors, where they can
be.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from fakemamba.bench.cells import AnyCell, Cell, LimitCell, Measurable
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.measuring.measurers import CellMeasurer, make_measurer
from fakemamba.bench.measuring.within import cell_within
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.sweep.budget import Budget, expected_work
from fakemamba.bench.sweep.isolation import measure_in_child
from fakemamba.bench.sweep.journal import Journal

REPORT_EVERY_S = 10.0
LONG_EVERY = 3  # passes; in the others only quick cells are visited


@dataclass
class SweepRunner:
    """Measures cells; what is known already is gone on with.

    Attributes:
        method: how.
        isolate: each cell in a process of its own, one after the other.
        timeout_s: of such a process.
        budget_s: seconds for all of it; None for as many as it takes.
        seed: of the order.
        known: outcomes by cell id, first of an earlier run, in the end of all that was measured.
        journal: gets every visit.
        journal_error: why it no longer does, as when the disk is full.
        tell: is told the progress, every ten seconds.
        now: a clock.
    """

    method: Method
    isolate: bool = False
    timeout_s: float | None = None
    budget_s: float | None = None
    seed: int = 0
    known: dict[str, Outcome] = field(default_factory=dict)
    journal: Journal | None = None
    journal_error: str | None = None
    tell: Callable[[str], None] = lambda text: None
    now: Callable[[], float] = time.perf_counter
    _measurers: dict[type, CellMeasurer] = field(default_factory=dict)
    _memory_ended: dict[tuple[object, ...], AnyCell] = field(default_factory=dict)
    _told_s: float = 0.0

    def run(self, cells: Sequence[AnyCell]) -> None:
        """Measure cells, into ``known``.

        Raises:
            KeyboardInterrupt: it was asked to stop; ``known`` has what there is.
        """
        self._told_s = self.now()
        budget = Budget(self.method.effort, self.budget_s, self.now)
        for outcome in self.known.values():
            self._note_end_of_memory(outcome)
        try:
            if self.isolate:
                self._one_by_one(random.Random(self.seed).sample(cells, len(cells)))
            else:
                self._one_by_one([cell for cell in cells if isinstance(cell, LimitCell)])
                self._in_passes([cell for cell in cells if not isinstance(cell, LimitCell)], budget)
        except KeyboardInterrupt:
            self._end(cells, "interrupt")
            raise
        self._end(cells, "budget")

    def _one_by_one(self, cells: Sequence[AnyCell]) -> None:
        for number, cell in enumerate(cells):
            if cell.id not in self.known:
                self._add(self._not_tried(cell) or self._measure(cell))
                self._progress(f"{number + 1} of {len(cells)} cells")

    def _in_passes(self, cells: Sequence[AnyCell], budget: Budget) -> None:
        visits = [visit for one in self.known.values() for visit in one.visits]
        number = max((visit.number for visit in visits), default=-1) + 1
        rng = random.Random(self.seed)
        order, inner = self._unfinished(cells)
        order.sort(key=expected_work)
        while order:
            for place, cell in enumerate(order, 1):
                self._visit(cell, number, budget, inner.get(cell))
                left_s = budget.left_s(self.known)
                self._progress(
                    f"pass {number + 1}, {place} of {len(order)} cells, about {_duration(left_s)} "
                    "left at the most"
                )
            number += 1
            order, inner = self._unfinished(cells)
            order = [cell for cell in order if budget.allows(cell, self.known)]
            order = [cell for cell in order if budget.lacks(cell, self.known)] or order
            if number % LONG_EVERY and any(map(budget.is_quick, order)):
                order = [cell for cell in order if budget.is_quick(cell)]
            rng.shuffle(order)
            order.sort(key=lambda cell: self._turn(cell, budget))
        for cell in self._unfinished(cells)[0]:
            if cell.id not in self.known:
                for outcome in budget.leave_out(cell, inner.get(cell)):
                    self.known.setdefault(outcome.cell.id, outcome)  # not in the journal
        if (advice := budget.advice()) is not None:
            self.tell(advice)

    def _turn(self, cell: AnyCell, budget: Budget) -> tuple[float, float]:
        """By which a later pass, which is shuffled, is sorted."""
        known = self.known.get(cell.id)
        if known is None:
            return -math.inf, expected_work(cell)
        return math.inf if budget.is_quick(cell) else -known.lacking(self.method.effort), 0.0

    def _unfinished(self, cells: Sequence[AnyCell]) -> tuple[list[AnyCell], dict[AnyCell, AnyCell]]:
        """Those to visit that have no outcome, or too few visits; and what their visits hold."""
        effort, planned = self.method.effort, set(cells)
        open_ones = dict.fromkeys(
            cell
            for cell in cells
            if (known := self.known.get(cell.id)) is None
            or (known.status == "measured" and known.enough_by(effort) is None)
        )
        inner: dict[AnyCell, AnyCell] = {}
        for cell in open_ones:
            one = cell_within(cell)
            if one in planned and (one in open_ones or self.known[one.id].status == "measured"):
                inner[cell] = one
        held = set(inner.values())
        return [cell for cell in open_ones if cell not in held], inner

    def _visit(
        self, cell: AnyCell, number: int, budget: Budget, inner: AnyCell | None = None
    ) -> None:
        """Visit a cell, and the one that its visits hold; that by itself where they do not."""
        known = self.known.get(cell.id)
        outcomes = [outcome] if known is None and (outcome := self._not_tried(cell)) else []
        if not outcomes:
            if not budget.allows(cell, self.known):
                return
            begun_s = self.now()
            measurer = cast(Measurer, self._measurer(cell))  # a search has no visits
            if inner is None:
                outcomes = [measurer.visit(cast(Measurable, cell), number)]
            else:
                outcomes = measurer.visit_both(cast(Cell, cell), cast(Cell, inner), number)
            budget.note(cell, outcomes[0], self.now() - begun_s)
        for outcome in outcomes:
            self._add(outcome)
        if inner is not None and len(outcomes) < 2:
            self._visit(inner, number, budget)

    def _add(self, outcome: Outcome) -> None:
        """Take an outcome, or what a visit adds to it; and write that down."""
        known = self.known.get(outcome.cell.id)
        self.known[outcome.cell.id] = outcome if known is None else known.and_then(outcome)
        self._note_end_of_memory(outcome)
        if self.journal is None or self.journal_error is not None:
            return
        try:
            self.journal.add(outcome)
        except OSError as error:  # the result may still be written
            self.journal_error = f"{error}; later visits are not in it"

    def _end(self, cells: Sequence[AnyCell], otherwise: str) -> None:
        """Say of each cell why it has no more visits."""
        for cell in cells:
            known = self.known.get(cell.id)
            if known is not None and known.visits:
                why = known.enough_by(self.method.effort)
                self.known[cell.id] = known.stopped(why or otherwise)

    def _note_end_of_memory(self, outcome: Outcome) -> None:
        if outcome.status == "out-of-memory":
            cell = outcome.cell
            ended = self._memory_ended.get(cell.row, cell)
            self._memory_ended[cell.row] = min(ended, cell, key=lambda one: one.size)

    def _not_tried(self, cell: AnyCell) -> Outcome | None:
        ended = self._memory_ended.get(cell.row)
        if ended is None or cell.size <= ended.size:
            return None
        reason = f"not tried: memory had ended at {ended.size_text} already"
        return Outcome(cell, "out-of-memory", reason)

    def _measure(self, cell: AnyCell) -> Outcome:
        if self.isolate:
            return measure_in_child(cell, self.method, self.timeout_s)
        return self._measurer(cell).measure(cell)

    def _measurer(self, cell: AnyCell) -> CellMeasurer:
        kind = type(cell)
        if kind not in self._measurers:
            self._measurers[kind] = make_measurer(kind, self.method)
        return self._measurers[kind]

    def _progress(self, text: str) -> None:
        if self.now() - self._told_s >= REPORT_EVERY_S:
            self._told_s = self.now()
            self.tell(text)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02.0f} s"
