"""Files of anybody's pytest-benchmark as launches: each benchmark is a cell with a latency.

What is read of them is checked like a sweep's; what is not needed of them is nobody's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fakemamba.analysis.results import Launch, read_launch
from fakemamba.analysis.validation import (
    REMEDY,
    ResultsError,
    check_stats,
    parsed,
    require,
    require_plain,
)
from fakemamba.records import shown
from fakemamba.result_schema import LIST, OBJECT, SIZE, TEXT, TEXT_OR_NULL, TIME, TIMES

FIGURES = {"min": TIME, "median": TIME, "max": TIME, "rounds": SIZE}
NO_FIGURES = dict.fromkeys(("peak_bytes", "net_energy_j", "relative_error"))
FACTS = ("processor", "machine", "system", "python_version")  # of machine_info


class PlainLaunch(Launch):
    """A launch of somebody's benchmarks; a cell's ``samples_s`` are the rounds, None if not kept.

    Of the other columns there are those that a comparison asks for.
    """


def read_any_launch(path: Path) -> Launch:
    """One file of a sweep, or of anybody's benchmarks.

    Raises:
        ResultsError: it is neither, or not whole; the message names file and place.
    """
    content = parsed(path)
    if not isinstance(content, dict) or "fakemamba" in content or "benchmarks" not in content:
        return read_launch(path)
    used = {name: content.get(name) for name in ("machine_info", "commit_info", "datetime")}
    require_plain(str(path), used)
    require(str(path), used, "machine_info", OBJECT)
    if used["commit_info"] is not None:
        require(str(path), used, "commit_info", OBJECT)
    require(str(path), used, "datetime", TEXT_OR_NULL)
    require(str(path), content, "benchmarks", LIST)
    rows: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(content["benchmarks"]):
        row = _row(f"{path}, benchmarks[{index}]", entry)
        if row["cell_id"] in rows:
            raise ResultsError(f"{path} has benchmark {shown(row['cell_id'])} twice; {REMEDY}")
        rows[row["cell_id"]] = row
    if not rows:
        raise ResultsError(f"{path} has no benchmarks; run some with --benchmark-json")
    return PlainLaunch(
        path=path,
        cells=pd.DataFrame(list(rows.values())),
        environment=_environment(used),
        options={},
        identity={},
        created=used["datetime"],
    )


def are_plain(launches: Sequence[Launch]) -> bool:
    """Whether files are of somebody's benchmarks.

    Raises:
        ResultsError: some are, and others are of sweeps.
    """
    plain = [one.path for one in launches if isinstance(one, PlainLaunch)]
    sweeps = [one.path for one in launches if not isinstance(one, PlainLaunch)]
    if plain and sweeps:
        raise ResultsError(
            f"{sweeps[0]} is of a sweep, and {plain[0]} of other benchmarks; give files of one kind"
        )
    return bool(plain)


def _row(where: str, entry: Any) -> dict[str, Any]:
    require(where, {"entry": entry}, "entry", OBJECT)
    require(where, entry, "fullname", TEXT)
    used = {name: entry.get(name) for name in ("fullname", "params", "stats")}
    require_plain(where, used)
    where = f"{where} ({shown(entry['fullname'])})"
    require(where, entry, "stats", OBJECT)
    stats = entry["stats"]
    for name, kind in FIGURES.items():
        require(f"{where}, stats", stats, name, kind)
    rounds_s = stats.get("data") or None
    if rounds_s is not None:
        require(f"{where}, stats", stats, "data", TIMES)
        check_stats(where, stats)
    elif not stats["min"] <= stats["median"] <= stats["max"]:
        raise ResultsError(f"{where}: stats.median is not between stats.min and .max; {REMEDY}")
    return {
        "cell_id": _name(where, used),
        "device": "cpu",
        "status": "measured",
        "reason": None,
        "latency_s": stats["median"],
        **NO_FIGURES,
        "disturbed_by": (),
        "samples_s": None if rounds_s is None else tuple(rounds_s),
    }


def _name(where: str, entry: dict[str, Any]) -> str:
    """A benchmark's name with its parameters, which pytest has put at its end as a rule."""
    name, params = entry["fullname"], entry["params"]
    if params is not None:
        require(where, entry, "params", OBJECT)
    if not params or name.endswith("]"):
        return name
    return f"{name}[{', '.join(f'{key}={value}' for key, value in params.items())}]"


def _environment(used: dict[str, Any]) -> dict[str, Any]:
    """What has to be equal, and what people want to know, by the names that a sweep has."""
    machine, commit = used["machine_info"], used["commit_info"] or {}
    cpu = machine.get("cpu")
    brand = cpu.get("brand_raw") if isinstance(cpu, dict) else None
    processor, kind, system, python = (machine.get(name) for name in FACTS)
    return {
        "device": f"{brand or processor or 'unknown CPU'}, {kind}",
        "system": system,
        "python": python,
        "git": {"commit": commit.get("id"), "dirty": commit.get("dirty")},
    }
