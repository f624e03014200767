"""What the time of a sweep allows: which cells are begun, so that each of them gets its visits."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.instruments.rounds import DEAR_CALL_S, Effort
from fakemamba.bench.measuring.work_by_formula import flops_of
from fakemamba.bench.outcome import Outcome

QUICK_VISIT_S = 0.3
CURVE = 5  # cells that differ in duration alone
QUICK_VISITS = 7  # of quick cells, before others have what they need: most curves are decided,
MORE_VISITS = 9  # and before others have more; on a noisy machine always. See docs/scaling.md
NOISY = 0.1  # of all visits were disturbed
QUICK_SHARE = 0.4  # of the budget, for such visits of the quickest curves
ENOUGH = 1.2  # times what it is expected to take
SLOWER = 2.5  # times the shortest visits these may take on a noisy machine
CALLS = 4  # of a first visit: for memory, to be verified, and timed
AROUND_S = 0.05  # the rounds of a later visit, while none is known
GUESSED_FLOPS = 1e12  # a second of audio, of what has no formula: behind all that has one


class Budget:
    """Seconds from now on, or as many as it takes.

    A cell is visited for the first time if that leaves quick cells the least that they need, so
    that as few as can be are left out; and again, if it leaves them as many visits as make them
    sure. What quick cells turn out not to need is there for cells that were passed over.
    """

    def __init__(
        self, effort: Effort, seconds: float | None, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._effort, self._seconds, self._now = effort, seconds, now
        self._start_s = now()
        self._left_out_s: dict[str, float] = {}  # by cell id
        self._first_s: dict[AnyCell, float] = {}  # what a cell's first visit took, ready made
        self._call_s: dict[AnyCell, float] = {}  # and a call in it
        self._visit_s: dict[AnyCell, float] = {}  # and what another one takes,
        self._row_s: defaultdict[object, dict[AnyCell, float]] = defaultdict(dict)  # at the least
        self._quick_kinds: set[object] | None = None
        self._visits = self._disturbed = 0

    def note(self, cell: AnyCell, outcome: Outcome, took_s: float) -> None:
        """A visit took so long, with all that belongs to it."""
        if cell not in self._first_s:
            self._first_s[cell] = max(0.0, took_s - _made_once_s(outcome))
            took_s = outcome.timed_s + AROUND_S
        if outcome.visits:
            self._call_s[cell] = outcome.visits[-1].figure_s
            self._visits += len(outcome.visits)
            self._disturbed += len(outcome.visits) - outcome.quiet
            least_s = self._row_s[cell.row].get(cell, took_s)
            self._visit_s[cell], self._row_s[cell.row][cell] = took_s, min(took_s, least_s)
            self._quick_kinds = None

    def left_s(self, known: Mapping[str, Outcome]) -> float:
        """What there is; without a limit, what the cells that were begun need at the least."""
        if self._seconds is None:
            return self._needed_s(known)
        return max(0.0, self._seconds - (self._now() - self._start_s))

    def allows(self, cell: AnyCell, known: Mapping[str, Outcome]) -> bool:
        """Whether there is time for a cell's first visit, or for one more."""
        if self._seconds is None:
            return True
        if cell.id not in known:
            needed_s = self._expected_s(cell) + self._least_kept_s(known)
        else:
            needed_s = self._visit_s.get(cell, 0.0)
            if not self.is_quick(cell):
                needed_s += self._kept_s(known, known[cell.id].lacking(self._effort) > 0)
        return needed_s <= self.left_s(known)

    def lacks(self, cell: AnyCell, known: Mapping[str, Outcome]) -> bool:
        """Whether it has fewer helpful visits than it needs, or than are kept free for it."""
        outcome = known.get(cell.id)
        if outcome is None or not self.is_quick(cell):
            return outcome is None or outcome.lacking(self._effort) > 0
        return outcome.helpful < self._wanted(self._visit_s.get(cell, 0.0), beside_lacking=True)

    def leave_out(self, cell: AnyCell, inner: AnyCell | None = None) -> list[Outcome]:
        """The outcomes of a cell for whose first visit there was no time, and of one inside it."""
        self._left_out_s[cell.id] = own_s = self._expected_s(cell)
        reason = f"about {own_s:.2g} s for it do not fit into the budget of {self._seconds:g} s"
        outcomes = [Outcome(cell, "left-out", reason)]
        if inner is not None:
            self._left_out_s[inner.id] = 0.0
            outcomes.append(Outcome(inner, "left-out", reason))
        return outcomes

    def advice(self) -> str | None:
        """Which budget would have been enough; None if this one was."""
        if not self._left_out_s or self._seconds is None:
            return None
        needed_s = sum(self._left_out_s.values())
        enough_s = self._seconds + ENOUGH * self._effort.dear_visits * needed_s
        return (
            f"{len(self._left_out_s)} cells were left out, as they do not fit into --bench-budget "
            f"{self._seconds:g}: {', '.join(self._left_out_s)}; --bench-budget {enough_s:.0f} "
            "would do"
        )

    def is_quick(self, cell: AnyCell) -> bool:
        """Whether visits cost so little that there can be more of them than of others.

        A curve is as sure as its least sure duration, and compared with those of its kind: if
        there is time for all visits of all of them, all their cells are quick.
        """
        if self._visit_s.get(cell, 0.0) < QUICK_VISIT_S:
            return True
        if self._quick_kinds is None:
            self._quick_kinds = self._find_quick_kinds()
        return _kind(cell) in self._quick_kinds

    def _find_quick_kinds(self) -> set[object]:
        costs_s: defaultdict[object, float] = defaultdict(float)
        durations: defaultdict[object, int] = defaultdict(int)
        for row_s in self._row_s.values():
            kind = _kind(next(iter(row_s)))
            durations[kind] = max(durations[kind], len(row_s))
            costs_s[kind] += sum(
                self._wanted(one_s, beside_lacking=False) * one_s for one_s in row_s.values()
            )
        left_s, quick = QUICK_SHARE * (self._seconds or 0.0), set[object]()
        curves = [kind for kind, count in durations.items() if count >= CURVE]
        for curve in sorted(curves, key=lambda one: costs_s[one]):
            left_s -= costs_s[curve]
            if left_s >= 0:
                quick.add(curve)
        return quick

    @property
    def _is_noisy(self) -> bool:
        return self._disturbed > NOISY * self._visits

    def _wanted(self, visit_s: float, *, beside_lacking: bool) -> int:
        """The visits of a quick cell that are kept free, also beside cells that lack visits."""
        effort = self._effort
        most = effort.dear_visits if visit_s > DEAR_CALL_S else effort.most_visits
        return min(QUICK_VISITS if beside_lacking and not self._is_noisy else MORE_VISITS, most)

    def _needed_s(self, known: Mapping[str, Outcome]) -> float:
        """What the cells that were begun still need at the least."""
        return self._lacking_s(known, self._visit_s, self._effort.visits_needed)

    def _least_kept_s(self, known: Mapping[str, Outcome]) -> float:
        """What is kept free for quick cells beside the first visit of another: the least."""
        return sum(
            max(0, self._effort.visits_needed(one_s) - len(known[cell.id].visits)) * one_s
            for cell, one_s in self._visit_s.items()
            if self.is_quick(cell)
        )

    def _kept_s(self, known: Mapping[str, Outcome], beside_lacking: bool) -> float:
        """What is kept free for quick cells beside further visits of one that may lack some."""
        quick = filter(self.is_quick, self._visit_s)
        wanted = functools.partial(self._wanted, beside_lacking=beside_lacking)
        return (SLOWER if self._is_noisy else 1.0) * self._lacking_s(known, quick, wanted)

    def _lacking_s(
        self,
        known: Mapping[str, Outcome],
        cells: Iterable[AnyCell],
        wanted: Callable[[float], int],
    ) -> float:
        lacking_s = 0.0
        for cell in cells:
            outcome = known.get(cell.id)
            if outcome is not None and outcome.enough_by(self._effort) is not None:
                continue  # it gets no more, though all of its visits may have been disturbed
            visits = outcome.helpful if outcome is not None else 0
            least_s = self._row_s[cell.row][cell]
            lacking_s += max(0, wanted(least_s) - visits) * least_s
        return lacking_s

    def _expected_s(self, cell: AnyCell) -> float:
        """Of a first visit: as long as that of the most similar cell, its calls by their work.

        Work without a formula says nothing of how much longer they are.
        """
        similar = [*self._row_s.get(cell.row, ())]
        if not similar:
            similar = [one for one in self._visit_s if _kind(one) == _kind(cell)]
        similar = similar or [*self._visit_s]
        if not similar:
            return 0.0
        nearest = max(similar, key=expected_work)
        first_s = self._first_s[nearest]
        if None in (flops_of(cell), flops_of(nearest)):
            return first_s
        calls_s = min(first_s, CALLS * self._call_s[nearest])
        return first_s - calls_s + calls_s * expected_work(cell) / expected_work(nearest)


def _made_once_s(outcome: Outcome) -> float:
    """Of a first visit, for models and for what the first call of its kind compiles."""
    if not outcome.visits:
        return 0.0
    details = outcome.details
    compiled_s = max(0.0, details.get("first_call_s", 0.0) - outcome.visits[-1].figure_s)
    return float(details.get("load_s", 0.0) + compiled_s)


def expected_work(cell: AnyCell) -> float:
    """By which cells can be ordered: flops where there is a formula."""
    flops = flops_of(cell)
    return flops if flops is not None else GUESSED_FLOPS * cell.duration_s * cell.batch_size


def _kind(cell: AnyCell) -> tuple[object, ...]:
    """Equal for cells that take about as long for as much work."""
    fields = cell.to_json()["cell"]
    return tuple(fields[name] for name in ("frontend", "part", "precision", "execution", "clock"))
