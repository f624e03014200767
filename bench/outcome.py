"""The record that every cell ends in, whether it has a time or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fakemamba.bench.cells import AnyCell

Status = Literal["measured", "wrong", "out-of-memory", "unsupported", "failed"]
STATUSES = get_args(Status)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Attributes:
        cell: what was to be measured.
        status: one of ``STATUSES``; only ``measured`` has a time.
        reason: why there is none.
        details: figures, with units in their names.
        samples_s: what every round took, in seconds.
        traceback: of a cell that failed.
    """

    cell: AnyCell
    status: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    samples_s: tuple[float, ...] = ()
    traceback: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The result's ``extra_info``."""
        return {
            **self.cell.to_json(),
            "status": self.status,
            "reason": self.reason,
            **self.details,
        }

    def to_record(self) -> dict[str, Any]:
        """All but the cell, as JSON; `from_record` reads it."""
        return {name: value for name, value in vars(self).items() if name != "cell"}

    @classmethod
    def from_entry(cls, cell: AnyCell, entry: dict[str, Any]) -> Outcome:
        """The outcome of a cell in a result's ``benchmarks``, where `to_json` is ``extra_info``.

        The entry is one that `fakemamba.bench.saved.saved_result` has checked.
        """
        info = dict(entry["extra_info"])
        planned = {**cell.to_json(), "status": info["status"], "reason": info["reason"]}
        details = {
            name: value
            for name, value in info.items()
            if name not in planned or planned[name] != value
        }
        samples_s = tuple(entry["stats"].get("data") or ())
        return cls(cell, info["status"], info["reason"], details, samples_s)

    @classmethod
    def from_record(cls, cell: AnyCell, record: dict[str, Any]) -> Outcome:
        """The outcome of a cell that `to_record` wrote."""
        return cls(cell, **{**record, "samples_s": tuple(record["samples_s"])})
