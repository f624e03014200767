"""What a comparison says: rules, a verdict for each cell and quantity, and one for all of them.

docs/gate.md explains every reason code and exit code.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1
QUANTITIES = ("latency", "peak-memory", "energy", "error")
STATUS = "status"  # stands for a quantity where a cell has none to compare
VERDICTS = ("regressed", "unanswerable", "undecided", "accepted", "fine")  # the gravest first
REASON_CODES = {
    "regressed": ("above-effect",),
    "unanswerable": (
        "missing",
        "failed",
        "wrong",
        "newly-out-of-memory",
        "newly-unsupported",
        "mixed-status",
        "disturbed",
        "other-size",
        "unknown-figure",
        "too-few-pairs",
    ),
    "undecided": ("across-effect", "not-shown", "noise-floor", "clock", "not-positive"),
    "accepted": ("accepted",),
    "fine": ("below-effect", "below-floor", "out-of-memory", "unsupported", "newly-measured"),
}
PROBLEM_CODES = (
    "too-few-launches",
    "unpaired-launches",
    "other-machine",
    "other-method",
    "no-cells",
    "nothing-measured",
)


@dataclass(frozen=True)
class Rules:
    """When a change counts. Effects are shares of base, floors absolute; a change has to beat both.

    Attributes:
        min_effect: of latency.
        floor_s: of latency.
        confidence: of each end of an interval by itself.
        family_error: the largest probability of an alarm in a sweep in which nothing changed.
        memory_effect: of peak memory.
        memory_floor_bytes: of peak memory.
        energy_effect: of energy net of idle.
        error_effect: of the relative error against fp32.
        error_floor: of the same.
        noise_floor: the least effect on latency that the machine can show, from a comparison of
            base with itself; None if that is not known.
        strict: undecided cells fail.
    """

    min_effect: float = 0.025
    floor_s: float = 50e-6
    confidence: float = 0.95
    family_error: float = 0.01
    memory_effect: float = 0.01
    memory_floor_bytes: int = 1 << 20
    energy_effect: float = 0.10
    error_effect: float = 1.0
    error_floor: float = 1e-5
    noise_floor: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in ("strict", "confidence", "family_error") or value is None:
                continue
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} {value!r} has to be a number of 0 or more")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence {self.confidence!r} has to be above 0.5 and below 1")
        if not 0 < self.family_error < 1:
            raise ValueError(f"family_error {self.family_error!r} has to be between 0 and 1")


DEFAULT_RULES = Rules()


@dataclass(frozen=True)
class CellVerdict:
    """How one quantity of one cell compares.

    Attributes:
        cell_id: of the cell.
        quantity: one of ``QUANTITIES``, or ``STATUS``.
        verdict: one of ``VERDICTS``.
        reason_code: one of the verdict's ``REASON_CODES``.
        reason: the same for people.
        ratio: head / base, the geometric mean over pairs; None where it is not known.
        ratio_low: the lower end of its interval; None where the comparison is exact.
        ratio_high: the upper end.
        base_value: the median over base's launches, in s, bytes, J, or without unit.
        head_value: the same of head.
        pairs: of launches in which the cell was measured.
    """

    cell_id: str
    quantity: str
    verdict: str
    reason_code: str
    reason: str
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    base_value: float | None = None
    head_value: float | None = None
    pairs: int = 0


@dataclass(frozen=True)
class Problem:
    """Why launches cannot be compared at all: one of ``PROBLEM_CODES``, and the same for people."""

    reason_code: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """The verdicts of all cells, the gravest first, and what they rest on.

    Attributes:
        cells: a verdict for each cell and quantity that can be told.
        problems: why there can be none.
        notes: what a reader has to know beside them.
        rules: by which they were judged.
        pairs: of launches.
        base: facts about base's machine and software.
        head: the same of head.
    """

    cells: tuple[CellVerdict, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    rules: Rules
    pairs: int
    base: dict[str, str]
    head: dict[str, str]

    @property
    def verdict(self) -> str:
        """``regressed``, ``unanswerable``, ``undecided`` or ``fine``: the gravest that there is.

        A regression that is shown stays one, whatever else is not known.
        """
        found = {cell.verdict for cell in self.cells}
        if self.problems:
            found.add("unanswerable")
        return next((verdict for verdict in VERDICTS[:3] if verdict in found), "fine")

    @property
    def exit_code(self) -> int:
        """0: no regression is shown; 1: one is, or strictly any doubt; 2: there is no answer."""
        codes = {"regressed": 1, "unanswerable": 2, "undecided": int(self.rules.strict), "fine": 0}
        return codes[self.verdict]

    @property
    def undecided_cell_ids(self) -> tuple[str, ...]:
        """Cells that more pairs of launches may decide."""
        undecided = [cell.cell_id for cell in self.cells if cell.verdict == "undecided"]
        return tuple(dict.fromkeys(undecided))

    def counts(self) -> dict[str, int]:
        """How many cells and quantities have which verdict, of those verdicts that there are."""
        counted = Counter(cell.verdict for cell in self.cells)
        return {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]}

    def to_json(self) -> dict[str, Any]:
        """All of it; `compare_json.validate_comparison` reads it."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            **asdict(self),
        }
