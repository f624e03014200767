"""Benchmark JSONs to one tidy table: a row a cell, whether it has a time or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fakemamba.analysis.drift import without_drift
from fakemamba.analysis.setting import beside_others
from fakemamba.analysis.validation import ResultsError, read_content, visits_of_data
from fakemamba.result_schema import FIGURES, WITH_VISITS, is_cell

__all__ = [
    "FIGURES",
    "Launch",
    "ResultsError",
    "read_launch",
    "read_results",
    "require_distinct",
    "together",
]

TEXTS = ("stopped_by", "error_reason", "fixed_length")
DERIVED = ("hop_s", "calls", "peak_bytes_with_weights", "net_energy_j", "sm_clock_mhz")
STATS = {"min": "latency_min_s", "max": "latency_max_s", "iqr": "latency_iqr_s", "rounds": "rounds"}
WORK_OF = ("detector", "frontend", "part", "batch_size")


@dataclass(frozen=True)
class WorkOverDuration:
    """What a part of a detector has to compute, by formula and so exact, over durations.

    Attributes:
        durations_s: (n,) ascending; they need not be those that were measured.
        flops: (n,).
        bytes_moved: (n,), by unfused execution.
        reason: why there is none, else None.
    """

    durations_s: tuple[float, ...]
    flops: tuple[float, ...]
    bytes_moved: tuple[float, ...]
    reason: str | None


@dataclass(frozen=True)
class Launch:
    """What one process measured: one file.

    Attributes:
        path: of the file.
        cells: as `read_results` gives them.
        environment: device, versions and settings of the machine.
        options: of the command.
        identity: what has to be equal for two launches to be parts of one sweep; empty where the
            file is older than that.
        created: when, in ISO 8601, if the file says so.
        has_visits: whether cells were visited in passes; before schema 3 they were not.
    """

    path: Path
    cells: pd.DataFrame
    environment: dict[str, Any]
    options: dict[str, Any]
    identity: dict[str, Any]
    created: str | None
    has_visits: bool = True


def read_launch(path: str | Path) -> Launch:
    """Read one file written by ``pytest bench/ --benchmark-json``.

    Raises:
        ResultsError: as `read_results`.
    """
    path = Path(path)
    content = read_content(path)
    block = content["fakemamba"]
    return Launch(
        path=path,
        cells=_table(_rows(path, content, 0)),
        environment=block["environment"],
        options=block["options"],
        identity=block["identity"],
        created=content.get("datetime"),
        has_visits=block["schema"] >= WITH_VISITS,
    )


def read_results(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read files written by ``pytest bench/ --benchmark-json`` into one table.

    Returns:
        A row a cell: ``cell_id``, which is unique in a file, the cell's fields, ``status``,
        ``reason``, ``hop_s`` (NaN but for streams), figures with units in their names (NaN where
        there is none), among them
        ``peak_bytes_with_weights`` (``peak_bytes`` is beside the weights on a CPU, with them on a
        GPU), ``samples_s`` and ``passes`` (tuples of the figures of visits that count and of their
        passes; of files before schema 3 of the rounds of the only visit, and None; None where the
        cell has no time; a scan's ``passes`` are a field of its cell), ``visits`` and
        ``disturbed_visits`` (how many there were, and of them disturbed), ``calls`` (timed ones of
        the visits that count), ``steady_s`` and
        ``drift`` (as `without_drift` gives them), ``work`` (a `WorkOverDuration`, None where there
        is none), ``disturbed_by`` (a tuple), ``device_name``, the file it came from (``source``),
        the file's place among the given (``launch``), and ``own_frontend``: a detector with a
        front-end of its own has a row in every setting that another has, see `beside_others`.

    Raises:
        ResultsError: a file cannot be read, was not written by this benchmark, has another schema,
            or says what cannot be; one is given twice; or none is given.
    """
    if not paths:
        raise ResultsError("no results given; name the .json files that the benchmark wrote")
    require_distinct(paths)
    rows = [
        row
        for launch, path in enumerate(map(Path, paths))
        for row in _rows(path, read_content(path), launch)
    ]
    return beside_others(_table(rows))


def together(launches: Sequence[Launch]) -> pd.DataFrame:
    """The cells of launches as `read_results` gives them of all their files at once."""
    cells = [launch.cells.assign(launch=place) for place, launch in enumerate(launches)]
    return beside_others(without_drift(pd.concat(cells, ignore_index=True)))


def require_distinct(paths: Sequence[str | Path]) -> None:
    """Check that no file is given twice, under whichever names.

    Raises:
        ResultsError: one is.
    """
    seen: dict[tuple[int, int], Path] = {}
    for path in map(Path, paths):
        try:
            found = path.stat()
        except (OSError, ValueError):
            continue  # whoever reads it says why it cannot be
        other = seen.setdefault((found.st_dev, found.st_ino), path)
        if other is not path:
            raise ResultsError(f"{path} is given twice, also as {other}; give each file once")


def _rows(path: Path, content: dict[str, Any], launch: int) -> Iterator[dict[str, Any]]:
    block = content["fakemamba"]
    device_name = block["environment"]["device"]
    works = {tuple(one[name] for name in WORK_OF): _work(one) for one in block.get("work", [])}
    for entry in filter(is_cell, content["benchmarks"]):
        cell = entry["extra_info"]["cell"]
        yield {
            **_row(entry),
            "work": works.get(tuple(cell[name] for name in WORK_OF)),
            "device_name": device_name,
            "source": path.name,
            "launch": launch,
        }


def _work(record: dict[str, Any]) -> WorkOverDuration:
    return WorkOverDuration(
        durations_s=tuple(record["durations_s"]),
        flops=tuple(record["flops"]),
        bytes_moved=tuple(record["bytes_moved"]),
        reason=record["reason"],
    )


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    info, stats = entry["extra_info"], entry["stats"]
    disturbed_by = tuple(info.get("disturbed_by") or ())
    return {
        **info["cell"],
        "cell_id": info["cell_id"],
        "input": info["input"],
        "recording": info["recording"],
        "status": info["status"],
        "reason": info["reason"],
        **{name: info.get(name) for name in (*FIGURES, *TEXTS)},
        "peak_bytes_with_weights": _peak_bytes_with_weights(info),
        "net_energy_j": (info.get("energy") or {}).get("net_energy_j"),
        **{column: stats.get(name) for name, column in STATS.items()},
        "samples_s": tuple(stats["data"]) if stats.get("data") else None,
        "passes": info["cell"].get("passes", _passes(info, stats)),  # a scan has other passes
        "visits": len(info.get("visits") or ()),
        "calls": _calls(info, stats),
        "disturbed_visits": sum(bool(visit["disturbed_by"]) for visit in info.get("visits") or ()),
        "sm_clock_mhz": _clock_under_load(info),
        "disturbed": bool(disturbed_by),
        "disturbed_by": disturbed_by,
        "notes": tuple(info.get("notes") or ()),
    }


def _passes(info: dict[str, Any], stats: dict[str, Any]) -> tuple[int, ...] | None:
    """Of the visits that count; None where none are known, or the cell has no time."""
    visits = info.get("visits")
    if not visits or info["status"] != "measured":
        return None
    return tuple(one["pass"] for one in visits_of_data(visits, stats["data"]))


def _calls(info: dict[str, Any], stats: dict[str, Any]) -> int | None:
    """Timed ones of the visits that count; None where none are known."""
    if _passes(info, stats) is None:
        return None
    return sum(len(one["rounds_s"]) for one in visits_of_data(info["visits"], stats["data"]))


def _peak_bytes_with_weights(info: dict[str, Any]) -> int | None:
    """What has to fit: a CPU's ``peak_bytes`` is beside the weights, a GPU's is with them."""
    peak_bytes, cell = info.get("peak_bytes"), info["cell"]
    if peak_bytes is None or cell["device"].startswith("cuda") or cell["part"] == "scan":
        return peak_bytes
    weights_bytes = info.get("weights_bytes")
    return None if weights_bytes is None else peak_bytes + weights_bytes


def _clock_under_load(info: dict[str, Any]) -> float | None:
    """The GPU's clock directly after the rounds, if it was still at work."""
    gpu = ((info.get("machine") or {}).get("after") or {}).get("gpu") or {}
    return gpu.get("sm_clock_mhz") if gpu.get("idle") is False else None


def _table(rows: list[dict[str, Any]] | Iterator[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows))
    for name in (*FIGURES, *DERIVED, *STATS.values()):
        table[name] = pd.to_numeric(table[name])  # a column of None alone is NaN too
    return without_drift(table)
