"""Runs the cells of a sweep: here or each in a process of its own, with a journal and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.isolation import measure_in_child
from fakemamba.bench.journal import Journal
from fakemamba.bench.measurers import CellMeasurer, make_measurer
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome

REPORT_EVERY_S = 10.0


class Progress:
    """How far a sweep is, and for how long it will go on, told every ten seconds.

    A cell is expected to cost as much as the ones before it, per second of audio.
    """

    def __init__(
        self,
        cells: Sequence[AnyCell],
        tell: Callable[[str], None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._work_left = sum(_expected_work(cell) for cell in cells)
        self._work_done = 0.0
        self._count, self._finished = len(cells), 0
        self._tell, self._now = tell, now
        self._start_s = self._told_s = now()

    def advance(self, cell: AnyCell) -> None:
        """A cell has ended."""
        self._finished += 1
        self._work_left -= _expected_work(cell)
        self._work_done += _expected_work(cell)
        now_s = self._now()
        if now_s - self._told_s >= REPORT_EVERY_S and self._finished < self._count:
            self._told_s = now_s
            left_s = (now_s - self._start_s) * self._work_left / self._work_done
            self._tell(f"{self._finished} of {self._count} cells, about {_duration(left_s)} left")


@dataclass
class SweepRunner:
    """Measures cells one after the other; an outcome that is known already is not measured again.

    Attributes:
        method: how.
        isolate: each cell in a process of its own.
        timeout_s: of such a process.
        known: outcomes by cell id, of an earlier run.
        journal: gets every new outcome.
        journal_error: why it no longer does, as when the disk is full.
    """

    method: Method
    isolate: bool = False
    timeout_s: float | None = None
    known: dict[str, Outcome] = field(default_factory=dict)
    journal: Journal | None = None
    journal_error: str | None = None
    _measurers: dict[type, CellMeasurer] = field(default_factory=dict)
    _memory_ended: dict[tuple[object, ...], AnyCell] = field(default_factory=dict)

    def run(self, cell: AnyCell) -> Outcome:
        """How the cell ended."""
        outcome = self.known.get(cell.id)
        if outcome is None:
            outcome = self._not_tried(cell) or self._measure(cell)
            self._write_down(outcome)
        if outcome.status == "out-of-memory":
            ended = self._memory_ended.get(cell.row, cell)
            self._memory_ended[cell.row] = min(ended, cell, key=lambda one: one.size)
        return outcome

    def _write_down(self, outcome: Outcome) -> None:
        """Add to the journal; once it cannot be written, go on without: the result may still be."""
        if self.journal is None or self.journal_error is not None:
            return
        try:
            self.journal.add(outcome)
        except OSError as error:
            self.journal_error = f"{self.journal.path}: {error}; later cells are not in it"

    def _not_tried(self, cell: AnyCell) -> Outcome | None:
        ended = self._memory_ended.get(cell.row)
        if ended is None or cell.size <= ended.size:
            return None
        reason = f"not tried: memory had ended at {ended.size_text} already"
        return Outcome(cell, "out-of-memory", reason)

    def _measure(self, cell: AnyCell) -> Outcome:
        if self.isolate:
            return measure_in_child(cell, self.method, self.timeout_s)
        kind = type(cell)
        if kind not in self._measurers:
            self._measurers[kind] = make_measurer(kind, self.method)
        return self._measurers[kind].measure(cell)


def _expected_work(cell: AnyCell) -> float:
    """In arbitrary units; the 1 is for what every cell costs."""
    return 1.0 + cell.duration_s * cell.batch_size


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02.0f} s"
