"""A sweep's outcomes in pytest-benchmark's JSON, also those that have no time.

pytest-benchmark writes only what it timed, and nothing at all if it timed nothing. Every other cell
is added here as an entry of ``benchmarks`` whose ``stats`` are all null, with its status at the end
of its ``fullname``, so that a comparison by name never takes it for a time. A block ``fakemamba``
holds the schema's version, the command's options and the environment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.stats import Stats

from fakemamba.bench.cells import PARTS, Cell
from fakemamba.bench.measuring.work_by_formula import work_records
from fakemamba.bench.measuring.workload import origin_of
from fakemamba.bench.method import Method
from fakemamba.bench.outcome import Outcome
from fakemamba.bench.sweep.saved import saved_result
from fakemamba.differences import differences
from fakemamba.environment import describe_device, describe_environment
from fakemamba.files import write_json
from fakemamba.journals import JournalError
from fakemamba.kernel_checks import describe_kernels, unused_kernels
from fakemamba.names import one_line
from fakemamba.result_schema import SCHEMA, STATUSES

OPTIONAL = ("peak_bytes", "resident_bytes")  # figures that come with a reason where there are none


def identity_of(device: torch.device, method: Method) -> dict[str, Any]:
    """What has to be the same for two runs to be parts of one sweep."""
    return {
        "schema": SCHEMA,
        "device": describe_device(device),
        "torch": version("torch"),
        "fakemamba": version("fakemamba"),
        "method": json.loads(json.dumps(asdict(method))),
    }


def merged_commands(path: Path, commands: list[list[str]]) -> list[list[str]]:
    """Of each run that a result has cells of, its words: those that the result records, and more.

    Args:
        path: of the result, which need not be there.
        commands: of this run.
    """
    earlier: list[list[str]] = []
    if path.exists():
        earlier = json.loads(path.read_text())["fakemamba"]["options"].get("commands", [])
    return [one for one in earlier if one not in commands] + commands


def require_same_code(known: Iterable[Outcome]) -> None:
    """Refuse to go on with cells of others' code that is another by now.

    Args:
        known: of cells that are to be measured.

    Raises:
        JournalError: it has changed; names what differs.
    """
    for outcome in known:
        cell, before = outcome.cell, outcome.details.get("origin")
        if not isinstance(cell, Cell) or not before:
            continue
        if differing := differences(before, origin_of(cell) or {}):
            raise JournalError(
                f"{cell.detector} has changed since it was measured: {'; '.join(differing)}. "
                "Measure it into another file"
            )


class SweepReport:
    """Collects outcomes by the node id of their test, and puts them into a result's JSON.

    ``earlier`` are entries of the result that is resumed, by cell id: what is not measured or
    played back again stays in it. With ``counts_work`` it has the work of all parts by formula.
    """

    def __init__(
        self,
        device: torch.device,
        options: dict[str, Any],
        identity: dict[str, Any],
        earlier: dict[str, dict[str, Any]],
        counts_work: bool = False,
    ) -> None:
        self.counts_work = counts_work
        self.device = device
        self.options = options
        self.identity = identity
        self.earlier = earlier
        self.outcomes: dict[str, Outcome] = {}

    def add(self, node_id: str, outcome: Outcome) -> None:
        """Keep how a cell ended."""
        self.outcomes[node_id] = outcome

    def complete(self, output: dict[str, Any]) -> None:
        """Add what pytest-benchmark left out; doing it twice changes nothing."""
        counts = {"work": self._work()} if self.counts_work else {}
        output["fakemamba"] = counts | {
            "schema": SCHEMA,
            "options": self.options,
            "identity": self.identity,
            "environment": describe_environment(self.device) | self._origins(),
            "status_counts": self.counts(),
        }
        present = {entry["fullname"] for entry in output["benchmarks"]}
        for node_id, outcome in self.outcomes.items():
            entry = _entry_without_time(node_id, outcome)
            if outcome.status != "measured" and entry["fullname"] not in present:
                output["benchmarks"].append(entry)
        here = {entry["extra_info"]["cell_id"] for entry in output["benchmarks"]}
        output["benchmarks"] += [e for cell_id, e in self.earlier.items() if cell_id not in here]

    def _work(self) -> list[dict[str, Any]]:
        infos = [entry["extra_info"] for entry in self.earlier.values()]
        before = [
            Cell(**info["cell"])
            for info in infos
            if info["cell"]["part"] in PARTS and info["recording"] is None
        ]
        return work_records([*before, *(outcome.cell for outcome in self.outcomes.values())])

    def _origins(self) -> dict[str, Any]:
        """Where detectors of others come from, by their names."""
        infos = [entry["extra_info"] for entry in self.earlier.values()]
        infos += [outcome.to_json() for outcome in self.outcomes.values()]
        origins = {info["cell"]["detector"]: info["origin"] for info in infos if "origin" in info}
        return {"detectors": origins} if origins else {}

    def counts(self) -> dict[str, int]:
        """How many cells ended in which way."""
        counted = Counter(outcome.status for outcome in self.outcomes.values())
        return {status: counted[status] for status in STATUSES if counted[status]}

    def without_figure(self) -> list[str]:
        """Which figures were asked for that cells do not have, and why: a line a reason."""
        counted = Counter(
            (name, reason)
            for outcome in self.outcomes.values()
            for name in OPTIONAL
            if (reason := outcome.details.get(f"{name}_reason")) is not None
            and outcome.details.get(name) is None
        )
        return [
            f"no {name} of {count} {'cell' if count == 1 else 'cells'}: {one_line(reason)}"
            for (name, reason), count in counted.items()
        ]

    def unused_kernels(self) -> list[str]:
        """What kernels were not used though they are there, and why: a line each."""
        return list(map(one_line, unused_kernels(describe_kernels(self.device))))

    def is_as_before(self) -> bool:
        """Whether all outcomes are those of the result that is resumed."""
        outcomes = self.outcomes.values()
        return bool(outcomes) and all(map(self._is_as_before, outcomes))

    def _is_as_before(self, outcome: Outcome) -> bool:
        info = self.earlier.get(outcome.cell.id, {}).get("extra_info", {})
        same = info.get("status") == outcome.status
        return same and len(info.get("visits") or ()) == len(outcome.visits)

    def is_in(self, path: Path, known: Iterable[str]) -> bool:
        """Whether a file is a whole result with all outcomes, and all cells known from before."""
        try:
            _, entries = saved_result(path, ValueError, "measure again")
        except ValueError:
            return False
        written = {entry["extra_info"]["cell_id"] for entry in entries}
        return {outcome.cell.id for outcome in self.outcomes.values()} | {*known} <= written

    def write_alone(self, config: pytest.Config, path: Path) -> None:
        """Write the JSON of a sweep in which nothing was timed, which pytest-benchmark does not."""
        hook = config.hook
        machine = hook.pytest_benchmark_generate_machine_info(config=config)
        hook.pytest_benchmark_update_machine_info(config=config, machine_info=machine)
        commit = hook.pytest_benchmark_generate_commit_info(config=config)
        output: dict[str, Any] = {
            "machine_info": machine,
            "commit_info": commit,
            "benchmarks": [],
            "datetime": datetime.now(UTC).isoformat(),
            "version": version("pytest-benchmark"),
        }
        self.complete(output)
        write_json(path, output)


def _entry_without_time(node_id: str, outcome: Outcome) -> dict[str, Any]:
    path, _, name = node_id.partition("::")
    return {
        "group": None,
        "name": f"{name} ({outcome.status})",
        "fullname": f"{path}::{name} ({outcome.status})",
        "params": None,
        "param": outcome.cell.id,
        "extra_info": outcome.to_json(),
        "options": {},
        "stats": dict.fromkeys(Stats.fields),
    }
