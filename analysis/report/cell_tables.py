"""Every cell of the results with how it ended, and those that have no time or a doubtful one."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from fakemamba.analysis.report.labels import labels
from fakemamba.analysis.report.tables import Field, Record, Table, tabulate
from fakemamba.analysis.report.words import interval
from fakemamba.analysis.setting import ASKED_PARTS
from fakemamba.result_schema import STREAM_PARTS

SCAN = "scan"


def _interval_ms(record: Record) -> str:
    return interval((record["latency_low_s"], record["latency_high_s"]), 1e3)


def _visits(record: Record) -> int | None:
    """How many; a file before schema 3 has none but a single one's rounds."""
    return len(record["passes"]) if isinstance(record["passes"], tuple) else None


def _disturbed_by(record: Record) -> str:
    return ", ".join(record["disturbed_by"])


MEASURED = (
    Field("status", "status", is_key=True, mark=True),
    Field("latency (ms)", "latency_s", 1e3, is_key=True),
    Field("95 % interval (ms)", _interval_ms),
    Field("real-time factor", "rtf"),
    Field("visits", _visits),
    Field("of them disturbed", "disturbed_visits"),
    Field("peak memory with weights (MB)", "peak_bytes_with_weights", 1e-6),
    Field("peak memory beside the weights (MB)", "activation_bytes", 1e-6),
    Field("weights (MB)", "weights_bytes", 1e-6),
    Field("energy a call (J)", "net_energy_j"),
    Field("greatest error", "max_abs_error"),
    Field("reason", "reason"),
    Field("disturbed by", _disturbed_by),
    Field("file", "source"),
    Field("cell", "cell_id"),
)
WAY = labels("precision", "batch_size", "execution", "clock", "device_name")
DETECTOR = (
    Field("detector", "detector", is_key=True),
    Field("part", "part", is_key=True),
    Field("duration (s)", "duration_s", is_key=True),
    Field("hop (s)", "hop_s"),
    *labels("frontend", "backend", "attention"),
    *WAY,
    Field("recording", "recording"),
)
SCANNED = (
    Field("scan", "detector", is_key=True),
    Field("backend", "backend", is_key=True),
    Field("frames", "num_frames", is_key=True),
    Field("directions", "directions"),
    Field("passes", "passes"),
    Field("channels", "channels"),
    Field("states", "states"),
)


def cell_tables(results: pd.DataFrame) -> Iterator[Table]:
    """A table of the detectors' cells, and one of the scans', as far as there are any."""
    if results.empty:
        return
    of_detectors = results[results["part"].isin((*ASKED_PARTS, *STREAM_PARTS))]
    if not of_detectors.empty:
        records = of_detectors.to_dict("records")
        yield tabulate("detector-cells", "Detectors", (*DETECTOR, *MEASURED), records)
    of_scan = results[results["part"] == SCAN]
    if not of_scan.empty:
        records = of_scan.to_dict("records")
        yield tabulate("scan-cells", "Scans alone", (*SCANNED, *WAY, *MEASURED), records)
