"""One launch: a new process that measures a sweep once, and the JSON that it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fakemamba.bench.gate.commands import GateError, run_logged
from fakemamba.bench.gate.environments import Arm
from fakemamba.bench.sweep.saved import saved_result
from fakemamba.differences import differences
from fakemamba.files import write_json
from fakemamba.records import read_record

PLAN = "plan.json"
OWN_OPTIONS = ("--benchmark-json", "--bench-resume")
SOME_CELLS_FAILED = 1  # pytest's exit status; the result says which

Launcher = Callable[[Arm, Path, Sequence[str]], None]
"""Measures tests (files, folders, node ids) with an arm; a JSON appears at the path, whole."""


def launcher(options: Sequence[str], log: Path) -> Launcher:
    """What launches an arm's program with the options of a sweep, its output in a log.

    Raises:
        GateError: an option is one that the gate sets itself.
    """
    for option in options:
        if option.startswith(OWN_OPTIONS):
            raise GateError(f"{option}: the gate itself says where results are written")

    def launch(arm: Arm, result: Path, tests: Sequence[str]) -> None:
        running = result.with_name(f"{result.stem}.running")
        for leftover in (running, running.with_name(f"{running.name}.journal")):
            leftover.unlink(missing_ok=True)
        result.parent.mkdir(parents=True, exist_ok=True)
        quiet = ["-q", "-p", "no:cacheprovider", "--benchmark-quiet"]
        command = [*arm.program, *tests, *quiet, f"--benchmark-json={running}", *options]
        status = run_logged([arm.python, *command], arm.folder, log)
        if status not in (0, SOME_CELLS_FAILED) or not running.exists():
            raise GateError(
                f"a launch of {arm.name} ended with status {status} and no result; see {log}"
            )
        running.replace(result)

    return launch


def claim(folder: Path, plan: dict[str, Any]) -> None:
    """Make a folder the place of one comparison's launches, or find it to be that.

    Raises:
        GateError: it holds launches of another comparison.
    """
    path, plan = folder / PLAN, json.loads(json.dumps(plan))
    if path.exists():
        found = read_record(path, dict[str, Any], GateError, f"remove {folder}")
        if differing := differences(found, plan):
            raise GateError(
                f"{folder} holds another comparison: {'; '.join(differing)}. Give another --out, "
                "or remove that folder"
            )
        return
    write_json(path, plan)


def node_ids(result: Path) -> dict[str, str]:
    """The test of every cell in a launch's JSON, by cell id, as pytest takes it.

    These select exactly; by ``-k``, "200f" would also select "51200f".

    Raises:
        GateError: the file is no result of a sweep.
    """
    found = {}
    for entry in _entries(result):
        info = entry["extra_info"]
        found[info["cell_id"]] = entry["fullname"].removesuffix(f" ({info['status']})")
    return found


def is_disturbed(result: Path) -> bool:
    """Whether other programs, or throttling, disturbed a cell of a launch.

    Raises:
        GateError: the file is no result of a sweep.
    """
    return any(entry["extra_info"].get("disturbed_by") for entry in _entries(result))


def middle_cell(result: Path) -> str:
    """The cell id in the middle of a launch's measured cells, by latency.

    Raises:
        GateError: no cell has a time.
    """
    timed = sorted(
        (entry["stats"]["median"], entry["extra_info"]["cell_id"])
        for entry in _entries(result)
        if entry["extra_info"]["status"] == "measured"
    )
    if not timed:
        raise GateError(f"{result}: no cell has a time, so there is nothing to compare")
    return timed[(len(timed) - 1) // 2][1]


def _entries(result: Path) -> list[dict[str, Any]]:
    remedy = "it is no result of a sweep: remove it"
    _, entries = saved_result(result, GateError, remedy)
    return entries
