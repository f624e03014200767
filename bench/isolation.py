"""A process of its own for one cell: nothing that another cell did is in it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fakemamba.bench.cells import AnyCell, Cell, LimitCell, ScanCell
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome

_KINDS: dict[str, type[AnyCell]] = {"cell": Cell, "scan_cell": ScanCell, "limit_cell": LimitCell}


def measure_in_worker(cell: AnyCell, method: Method, timeout_s: float | None = None) -> Outcome:
    """Measure a cell in a new process.

    A worker that dies, or takes longer than ``timeout_s``, gives the status ``failed``.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "outcome.json"
        try:
            finished = subprocess.run(
                [sys.executable, "-m", "fakemamba.bench.worker", str(answer)],
                input=json.dumps(to_request(cell, method)),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(cell, "failed", f"it took longer than {timeout_s:g} s and was ended")
        if answer.exists():
            return Outcome.from_record(cell, json.loads(answer.read_text()))
        return Outcome(cell, "failed", _death(finished.returncode), traceback=finished.stderr)


def to_request(cell: AnyCell, method: Method) -> dict[str, Any]:
    """What a worker is asked, as JSON."""
    kind = next(name for name, kind in _KINDS.items() if isinstance(cell, kind))
    fields = json.loads(json.dumps(asdict(cell), default=str))  # a path is text
    return {"kind": kind, "cell": fields, "method": asdict(method)}


def from_request(request: dict[str, Any]) -> tuple[AnyCell, Method]:
    """The cell and method of a request."""
    return _cell(request["kind"], request["cell"]), Method.from_json(request["method"])


def _cell(kind: str, fields: dict[str, Any]) -> AnyCell:
    if kind == "limit_cell":
        base = _cell("cell", fields["base"])
        assert isinstance(base, Cell)
        return LimitCell(base, fields["vary"])
    if fields.get("recording") is not None:
        fields = {**fields, "recording": Path(fields["recording"])}
    return _KINDS[kind](**fields)


def _death(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed (SIGKILL): by hand, or by the kernel because memory ended"
    if status < 0:
        return f"its process ended by signal {signal.Signals(-status).name}"
    return f"its process ended with status {status} and left no record"
