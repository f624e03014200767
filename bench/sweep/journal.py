"""Outcomes on disk while a sweep runs: a line a visit, so that a killed run can be resumed.

The journal lies beside the result, ``out.json.journal``, until the result is written. A run with
other settings or on another machine is not resumed. A line that a kill cut short is measured again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.sweep.saved import VisitRecord, saved_result
from fakemamba.journals import JournalError, JournalFile, require_same
from fakemamba.result_schema import Status


@dataclass(frozen=True)
class _Line:
    """A visit of a cell, with the details if it was the first; or how else the cell ended."""

    cell_id: str
    status: Status
    reason: str | None
    details: dict[str, Any]
    visits: list[VisitRecord]
    traceback: str | None


class Journal(JournalFile[_Line]):
    """Appends outcomes to a file; every line is on the disk before the next visit begins."""

    format = 3
    form = _Line
    is_on_disk = True
    remedy = "remove that line"
    anew = "move it away and measure again"
    alike = "Use the same settings and machine, or move the file away"

    def add(self, outcome: Outcome) -> None:
        """Append one outcome; raises as `append`."""
        self.append([{"cell_id": outcome.cell.id, **outcome.to_record()}])

    def read(self, cells: Iterable[AnyCell]) -> dict[str, Outcome]:
        """The outcomes of cells that are in the file, by cell id; empty if there is no file.

        Raises:
            JournalError: the file is of another sweep, machine or version, or is damaged.
        """
        known = {cell.id: cell for cell in cells}
        outcomes: dict[str, Outcome] = {}
        self.mend()
        for _, line in self.lines():
            cell = known.get(line.cell_id)
            if cell is not None:
                record = {name: value for name, value in vars(line).items() if name != "cell_id"}
                outcome = Outcome.from_record(cell, record)
                before = outcomes.get(cell.id)
                outcomes[cell.id] = outcome if before is None else before.and_then(outcome)
        return outcomes

    def discard(self) -> None:
        """Remove the file: the result is written."""
        self.path.unlink(missing_ok=True)


def read_result(path: Path, identity: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ``benchmarks`` of a finished result by cell id; empty if there is no file.

    Raises:
        JournalError: the file is no result of this benchmark, or of another machine or version.
    """
    if not path.exists():
        return {}
    remedy = "it is no result that can be resumed: move it away and measure again"
    found, entries = saved_result(path, JournalError, remedy)
    require_same(path, found, identity, Journal.alike)
    return {entry["extra_info"]["cell_id"]: entry for entry in entries}
