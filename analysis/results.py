"""Benchmark JSONs to one tidy table: a row a cell, whether it has a time or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

SCHEMA_VERSIONS = (1, 2)  # 1 had one clock, and no figures of work, host and cold start
FIGURES = (
    "latency_s",
    "latency_low_s",
    "latency_high_s",
    "host_latency_s",
    "enqueue_s",
    "device_only_s",
    "launch_bound_share",
    "rtf",
    "throughput",
    "load_s",
    "first_call_s",
    "peak_bytes",
    "activation_bytes",
    "baseline_bytes",
    "reserved_bytes",
    "process_bytes",
    "weights_bytes",
    "n_parameters",
    "max_abs_error",
    "relative_error",
    "flops",
    "bytes_moved",
    "flop_coverage",
    "mfu",
    "bandwidth_share",
    "copy_bytes_per_s",
    "matmul_flops_per_s",
    "bytes_per_s",
    "net_energy_j_per_audio_s",
    "overhead_share",
    "stopped_by",
    "attempts",
)
STATS = {"min": "latency_min_s", "max": "latency_max_s", "iqr": "latency_iqr_s", "rounds": "rounds"}


class ResultsError(ValueError):
    """A file holds no results that this version can read."""


def read_results(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read files written by ``pytest bench/ --benchmark-json`` into one table.

    Returns:
        A row a cell: the cell's fields, ``status``, ``reason``, figures with units in their names
        (NaN where the cell has no time), ``device_name``, and the file it came from.

    Raises:
        ResultsError: a file is missing, is not JSON, was not written by this benchmark, or has
            another schema.
    """
    rows = [row for path in paths for row in _rows(Path(path))]
    return pd.DataFrame(rows)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not JSON: {error}; run the benchmark again") from error
    block = content.get("fakemamba") if isinstance(content, dict) else None
    if block is None:
        raise ResultsError(
            f"{path} has no block 'fakemamba': it was not written by `pytest bench/ "
            "--benchmark-json=...` of this project"
        )
    if block.get("schema") not in SCHEMA_VERSIONS:
        raise ResultsError(
            f"{path} has schema {block.get('schema')!r}, but this version reads "
            f"{' and '.join(map(str, SCHEMA_VERSIONS))}; install the version that wrote it, or "
            "measure again"
        )
    device_name = block["environment"]["device"]
    return [
        _row(entry) | {"device_name": device_name, "source": path.name}
        for entry in content["benchmarks"]
        if "cell" in entry.get("extra_info", {})
    ]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    info, stats = entry["extra_info"], entry["stats"]
    return {
        "clock": "latency",
        **info["cell"],
        "input": info["input"],
        "recording": info["recording"],
        "status": info["status"],
        "reason": info["reason"],
        **{name: info.get(name) for name in FIGURES},
        **{column: stats.get(name) for name, column in STATS.items()},
        "disturbed": bool(info.get("disturbed_by")),
    }
