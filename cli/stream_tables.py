"""What ``fakemamba evaluate-stream`` prints: error rates over time, and what alarms are worth."""

from __future__ import annotations

from typing import Literal

import numpy as np
from rich.console import Console

from fakemamba.cli.printing import TextTable, right, say
from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.streams.evaluate import StreamEvaluation
from fakemamba.evaluation.streams.windowing import Windowing

FIGURES: dict[str, tuple[str, Literal["%", "s", "1/h"]]] = {
    "detected": ("spoof trials with an alarm", "%"),
    "false_alarms": ("bona fide trials with an alarm", "%"),
    "median_s": ("time until half of spoofs have one", "s"),
    "p90_s": ("time until 90 % of spoofs have one", "s"),
    "false_alarms_per_h": ("false alarms an hour of bona fide speech", "1/h"),
}


def show(name: str, windowing: Windowing, found: StreamEvaluation, silent: int) -> None:
    """Print one system: error rates over time, then its alarms."""
    console = Console()
    console.print(name, style="bold", markup=False, highlight=False)
    say(str(windowing))
    table = TextTable(
        *(right(head) for head in ("after (s)", "EER (%)", "95 %", "minDCF", "95 %", "undecided")),
        box=None,
    )
    for one in found.prefixes:
        eer, dcf = one.metrics.get("eer"), one.metrics.get("min_dcf")
        undecided = sum(one.undecided.values())
        table.add_row(
            f"{one.prefix_s:g}",
            "-" if eer is None else f"{100 * eer:.2f}",
            _ends(one.intervals.get("eer"), 100),
            "-" if dcf is None else f"{dcf:.3f}",
            _ends(one.intervals.get("min_dcf"), 1),
            f"{undecided:,}" if undecided else "",
        )
    console.print(table)
    alarms, shown = found.alarms, TextTable("alarms", right("value"), right("95 %"), box=None)
    for figure, (words, unit) in FIGURES.items():
        scale = 100 if unit == "%" else 1
        shown.add_row(
            f"{words} ({unit})",
            _number(scale * alarms.figures[figure]),
            _ends(alarms.intervals.get(figure), scale),
        )
    console.print(shown)
    say(
        f"alarm: {found.lasting} decisions in a row under {found.threshold:.6g}, which "
        f"{found.false_alarms:.2%} of {found.dev_bonafide:,} bona fide development trials may have;"
        f" {alarms.bonafide_h:.2f} h of bona fide speech here"
    )
    for interval in list(alarms.intervals.values())[:1]:
        say(f"95 % intervals: {interval.replicates:,} draws of {interval.kind}.")
    if found.doubt:
        say(f"warning: {found.doubt}")
    if silent:
        say(f"{silent:,} trials have no speech by its level, and are left out")


def _ends(interval: Interval | None, scale: float) -> str:
    if interval is None:
        return ""
    return f"{_number(scale * interval.low)} to {_number(scale * interval.high)}"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "never"
