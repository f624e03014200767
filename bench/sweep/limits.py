"""How long an utterance, and how large a batch, a part of a detector can take: by bisection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from fakemamba.bench.cells import Cell, LimitCell
from fakemamba.bench.measuring.measure import Measurer
from fakemamba.bench.outcome import Outcome

START_S = 4.0  # a usual utterance; also the duration at which batches grow
MOST = {"duration_s": 2.0**16, "batch_size": 2.0**16}
CLOSENESS = 1.05  # of the smallest that does not fit to the largest that does
MOST_TRIAL_S = 20.0  # making the input included


@dataclass(frozen=True)
class Limit:
    """What a search found: the largest value that fits, the smallest known that does not.

    ``ended_by`` is ``out-of-memory``, another status of a cell, ``time`` where the next trial would
    have taken long, or ``most`` where nobody would ask for more. ``fits`` is None if the first
    value did not.
    """

    fits: float | None
    fails: float | None
    ended_by: str
    reason: str | None
    trials: int


class LimitMeasurer:
    """Searches for limits, and measures the largest cell that fits."""

    def __init__(self, measurer: Measurer) -> None:
        self._measurer = measurer

    def measure(self, cell: LimitCell) -> Outcome:
        """The outcome of the largest cell that fits, with the ``limit`` in its details."""

        def sized(value: float) -> Cell:
            return replace(cell.base, **{cell.vary: type(getattr(cell.base, cell.vary))(value)})

        first = getattr(cell.base, cell.vary)
        limit = find_limit(lambda value: self._measurer.probe(sized(value)), first, MOST[cell.vary])
        if limit.fits is None:
            return Outcome(cell, limit.ended_by, limit.reason)
        largest = sized(limit.fits)
        outcome = self._measurer.measure(largest)
        details = {**outcome.details, "cell": largest.to_json()["cell"], "limit": asdict(limit)}
        return replace(outcome, cell=cell, details=details)


def find_limit(probe: Callable[[float], Outcome], first: float, most: float) -> Limit:
    """Double a value until the probe fails, then halve the interval until it is close.

    The probe's outcome is ``measured``, with ``trial_s`` in its details, if the value fits.
    """
    fits, fails, ended_by, reason, trials = None, None, "most", None, 0
    value = first
    while value <= most:
        outcome = probe(value)
        trials += 1
        if outcome.status != "measured":
            fails, ended_by, reason = value, outcome.status, outcome.reason
            break
        fits = value
        # Attention is quadratic, so twice the value may take four times as long.
        if 4 * outcome.details["trial_s"] > MOST_TRIAL_S:
            ended_by = "time"
            reason = f"the next trial would have taken more than {MOST_TRIAL_S:g} s"
            break
        value *= 2
    while fits is not None and fails is not None:
        middle = _between(fits, fails)
        if middle is None:
            break
        outcome = probe(middle)
        trials += 1
        if outcome.status == "measured":
            fits = middle
        else:
            fails, ended_by, reason = middle, outcome.status, outcome.reason
    return Limit(fits, fails, ended_by, reason, trials)


def plan_limits(cells: Sequence[Cell]) -> list[LimitCell]:
    """For all that a sweep's cells are but long and many: the longest, and the largest batch.

    Raises:
        ValueError: there are cells of streams.
    """
    if any(cell.hop_s is not None for cell in cells):
        raise ValueError(
            "--bench-find-limits searches for the longest utterance and the largest batch, which "
            "no stream has: leave out --bench-stream"
        )
    bases = dict.fromkeys(
        replace(cell, duration_s=START_S, batch_size=1, recording=None) for cell in cells
    )
    return [LimitCell(base, vary) for base in bases for vary in MOST]


def _between(fits: float, fails: float) -> float | None:
    """A value to try, whole if both are, or None if they are close enough."""
    if fails <= fits * CLOSENESS or (isinstance(fits, int) and fails - fits <= 1):
        return None
    return (fits + fails) // 2 if isinstance(fits, int) else (fits * fails) ** 0.5
