"""A claim: who says what of which cells, what was found, and whether that holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fakemamba.analysis.compare.wording import figure as with_unit
from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.report.words import number, share
from fakemamba.analysis.setting import in_words

STAMP = {"schema": 1}  # of `to_json`
PAPER = "arXiv 2508.09294 as quoted, not verified"
GOAL = "this project"

Verdict = Literal["holds", "does not hold", "cannot tell"]
HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
OPEN: Verdict = "cannot tell"
FORMS: Mapping[str, Callable[[float], str]] = {
    "s": lambda value: with_unit("latency", value),
    "share": share,
    "": number,
    "times": lambda value: f"{number(value)}×",
    "1/s": lambda value: f"{number(value)}/s",
}


@dataclass(frozen=True)
class Figure:
    """One number that was found.

    Attributes:
        name: what it is, such as ``at 4 s``.
        value: in ``unit``.
        unit: ``s``, ``share`` (of 1), ``times``, ``1/s``, or empty for a plain number.
        low, high: ends of its 95 % interval; None where it is exact, or where that is not known.
    """

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        form = FORMS[self.unit]
        if self.low is None or self.high is None:
            return f"{self.name}: {form(self.value)}"
        return f"{self.name}: {form(self.value)} ({form(self.low)} to {form(self.high)})"


@dataclass(frozen=True)
class Claim:
    """A claim, and what results say of it.

    Attributes:
        name: a short one, the same for all cells that it is judged on.
        by: ``paper``, or ``goal`` for our own.
        source: where it was published.
        statement: what is claimed.
        device_name: where it was measured.
        frontend: of the cells; None where the claim is about none.
        cells: what the cells have in common, of their fields; what is not known is left out.
        verdict: ``holds``, ``does not hold`` or ``cannot tell``, here and nowhere else.
        reason: of the verdict.
        figures: what was found.
        interval: what the figures' intervals are made of; None where there are none.
    """

    name: str
    by: Literal["paper", "goal"]
    source: str
    statement: str
    device_name: str
    frontend: str | None
    cells: Mapping[str, Any]
    verdict: Verdict
    reason: str
    figures: tuple[Figure, ...] = field(default=())
    interval: str | None = None

    @property
    def cells_in_words(self) -> str:
        """Such as ``fake-mamba-l, encoder, fp32, eager, sdpa attention, batch 1``."""
        return in_words(self.cells)


def to_json(claims: Sequence[Claim], device_name: str, sources: Sequence[str]) -> dict[str, Any]:
    """All of it, for a file; ``sources`` are the names of the results."""
    every = [asdict(claim) for claim in claims]
    return {**STAMP, "device_name": device_name, "results": [*sources], "claims": every}


def counts(claims: Sequence[Claim]) -> str:
    """How many claims have which verdict: ``3 hold, 1 does not hold, 2 cannot be told``."""
    verdicts = [claim.verdict for claim in claims]
    hold, fail, is_open = (verdicts.count(one) for one in (HOLDS, FAILS, OPEN))
    return (
        f"{hold} hold{'s' * (hold == 1)}, {fail} do{'es' * (fail == 1)} not hold, "
        f"{is_open} cannot be told"
    )


def by_frontend(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    """Claims under a heading each."""
    return grouped((claim.frontend or "offline scoring", claim) for claim in claims)
