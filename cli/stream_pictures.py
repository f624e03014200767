"""The pictures of ``fakemamba evaluate-stream --plots``, handed to those who draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from fakemamba.analysis.pictures.streams import plot_alarms, plot_alarms_by_cost, plot_prefixes
from fakemamba.evaluation.streams.evaluate import StreamEvaluation


def draw(
    systems: Mapping[str, StreamEvaluation], costs: pd.DataFrame | None, folder: Path
) -> Iterator[Path]:
    """Draw error rates over time, the time to an alarm, and that over its cost if it is known.

    Yields:
        Each file that was written.
    """
    rates = [
        {
            "system": name,
            "prefix_s": prefix.prefix_s,
            "eer": prefix.metrics["eer"],
            "low": interval.low if (interval := prefix.intervals.get("eer")) else None,
            "high": interval.high if interval else None,
        }
        for name, one in systems.items()
        for prefix in one.prefixes
        if prefix.metrics
    ]
    if rates:
        yield plot_prefixes(pd.DataFrame(rates), folder / "errors-over-time.png")
    alarms = {name: one.alarms.detected_by for name, one in systems.items()}
    told = {name: one.alarms.figures["false_alarms_per_h"] for name, one in systems.items()}
    yield plot_alarms(alarms, told, folder / "time-to-detect.png")
    if costs is not None:
        times = [
            {
                "system": name,
                "median_s": one.alarms.figures["median_s"],
                "low": interval.low if (interval := one.alarms.intervals.get("median_s")) else None,
                "high": interval.high if interval else None,
            }
            for name, one in systems.items()
        ]
        table = costs.merge(pd.DataFrame(times), on="system")
        yield plot_alarms_by_cost(table, folder / "time-to-detect-by-cost.png")
