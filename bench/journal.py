"""Outcomes on disk while a sweep runs: a line a cell, so that a killed run can be resumed.

The journal lies beside the result, ``out.json.journal``, until the result is written. Its first
line says what was being measured where; a run with other settings or on another machine is not
resumed. A line that a kill cut short is measured again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fakemamba.bench.cells import AnyCell
from fakemamba.bench.outcome import Outcome
from fakemamba.differences import differences

FORMAT = 1


class JournalError(ValueError):
    """A journal or result cannot be resumed; the message says why and what to do."""


class Journal:
    """Appends outcomes to a file; every line is on the disk before the next cell begins."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self._identity = identity

    def add(self, outcome: Outcome) -> None:
        """Append one outcome.

        Raises:
            OSError: the disk is full, or similar; lines before are whole.
        """
        is_new = not self.path.exists()
        lines = [_header(self._identity)] if is_new else []
        lines.append({"cell_id": outcome.cell.id, **outcome.to_record()})
        with self.path.open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def read(self, cells: Iterable[AnyCell]) -> dict[str, Outcome]:
        """The outcomes of cells that are in the file, by cell id; empty if there is no file.

        Raises:
            JournalError: the file is of another sweep, machine or version.
        """
        if not self.path.exists():
            return {}
        lines = _whole_lines(self.path)
        if not lines:
            self.path.unlink()
            return {}
        _require_same(lines[0].get("identity", {}), self._identity, self.path)
        known = {cell.id: cell for cell in cells}
        outcomes = {}
        for line in lines[1:]:
            cell = known.get(line.pop("cell_id"))
            if cell is not None:
                outcomes[cell.id] = Outcome.from_record(cell, line)
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
    try:
        content = json.loads(path.read_text())
        _require_same(content["fakemamba"]["identity"], identity, path)
        return {entry["extra_info"]["cell_id"]: entry for entry in content["benchmarks"]}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise JournalError(
            f"{path} is no result that can be resumed ({type(error).__name__}: {error}); move it "
            "away and measure again"
        ) from error


def _header(identity: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "identity": identity}


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal; what a kill cut short at its end is removed from the file."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    lines = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise JournalError(f"{path}, line {number}: {error}; remove that line") from error
    if lines and lines[0].get("format") != FORMAT:
        raise JournalError(f"{path} was written by another version; move it away, measure again")
    return lines


def _require_same(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Raises `JournalError`, naming what differs."""
    if differing := differences(found, wanted):
        raise JournalError(
            f"{path} cannot be resumed: {'; '.join(differing)}. Use the same settings and machine, "
            "or move the file away"
        )
