"""Outcomes on disk while a sweep runs: a line a visit, so that a killed run can be resumed.

The journal lies beside the result, ``out.json.journal``, until the result is written. Its first
line says what was being measured where; a run with other settings or on another machine is not
resumed. Lines are sealed: one that a kill cut short is measured again, and damage is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.outcome import Outcome, Status
from fakemamba.bench.sweep.saved import VisitRecord, saved_result
from fakemamba.differences import differences
from fakemamba.files import require_file
from fakemamba.records import parse_record, sealed

FORMAT = 3


class JournalError(ValueError):
    """A journal or result cannot be resumed; the message says why and what to do."""


@dataclass(frozen=True)
class _Header:
    format: int
    identity: dict[str, Any]


@dataclass(frozen=True)
class _Line:
    """A visit of a cell, with the details if it was the first; or how else the cell ended."""

    cell_id: str
    status: Status
    reason: str | None
    details: dict[str, Any]
    visits: list[VisitRecord]
    traceback: str | None


class Journal:
    """Appends outcomes to a file; every line is on the disk before the next visit begins."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self._identity = identity

    def add(self, outcome: Outcome) -> None:
        """Append one outcome.

        Raises:
            OSError: the disk is full, or similar; lines before are whole.
        """
        is_new = not self.path.exists()
        lines = [{"format": FORMAT, "identity": self._identity}] if is_new else []
        lines.append({"cell_id": outcome.cell.id, **outcome.to_record()})
        with self.path.open("a") as file:
            file.write("".join(sealed(json.dumps(line)) + "\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def read(self, cells: Iterable[AnyCell]) -> dict[str, Outcome]:
        """The outcomes of cells that are in the file, by cell id; empty if there is no file.

        Raises:
            JournalError: the file is of another sweep, machine or version, or is damaged.
        """
        if not self.path.exists():
            return {}
        lines = _whole_lines(self.path)
        if not lines:
            self.path.unlink()
            return {}
        _require_header(lines[0], self._identity, self.path)
        known = {cell.id: cell for cell in cells}
        outcomes: dict[str, Outcome] = {}
        for number, text in enumerate(lines[1:], start=2):
            place, remedy = f"{self.path}, line {number}", "remove that line"
            line = parse_record(text, _Line, place, JournalError, remedy, is_sealed=True)
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
    _require_same(found, identity, path)
    return {entry["extra_info"]["cell_id"]: entry for entry in entries}


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a journal; what a kill cut short at its end is removed from the file."""
    require_file(path, JournalError, "remove it")
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.splitlines()


def _require_header(text: bytes, identity: dict[str, Any], path: Path) -> None:
    """Raises `JournalError`, naming what differs."""
    remedy = "move it away and measure again"
    header = parse_record(text, _Header, f"{path}, line 1", JournalError, remedy, is_sealed=True)
    if header.format != FORMAT:
        raise JournalError(f"{path} was written by another version; {remedy}")
    _require_same(header.identity, identity, path)


def _require_same(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Raises `JournalError`, naming what differs."""
    if differing := differences(found, wanted):
        raise JournalError(
            f"{path} cannot be resumed: {'; '.join(differing)}. Use the same settings and machine, "
            "or move the file away"
        )
