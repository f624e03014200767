"""A study's page: which form runs where, then all that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fakemamba.analysis.edge.answers import MIB, best_forms


def markdown(table: pd.DataFrame, facts: Mapping[str, Any], failures: Sequence[str]) -> str:
    """The page.

    Args:
        table: of `unit_table`.
        facts: the study's detector, parameters, frontend, duration_s, cpu, and trials (None if
            there were none).
        failures: of units, a line each.
    """
    trials = facts["trials"]
    told = (
        "No trials were given, so nothing is said of accuracy: weights may be random."
        if trials is None
        else f"The rise of EER is over {trials:,} trials, paired with the whole detector in fp32."
    )
    lines = [
        f"# {facts['detector']} on a small computer",
        "",
        f"{facts['parameters']:,} parameters, front-end {facts['frontend']}. "
        f"Measured on {facts['cpu']}, a CPU: one recording of {facts['duration_s']:g} s at a time, "
        "each form in a process of its own that has the engine alone, on so many cores. Memory is "
        f"the most that this process ever had. {told}",
        "",
        "## Which form runs in real time",
        "",
        "In real time: 95 of 100 calls take less time than the audio does. The form that is named "
        "has the least upper end of the rise of EER, where that is known, and then the most layers "
        "and the finest precision.",
        "",
        "| cores | within | form | RTF | p95, ms | memory, MB | rise of EER, points |",
        "|---|---|---|---|---|---|---|",
        *(_answer(*one) for one in best_forms(table)),
        "",
        "## All forms",
        "",
        "A star marks a detector that was not trained behind so many layers. Δ score is of the "
        "recording that was timed, from torch in fp32 with as many layers.",
        "",
        "| cores | layers | engine | precision | RTF | p50, ms | p95, ms | memory, MB | files, MB "
        "| load, s | J a call | Δ score | rise of EER, points |",
        "|---" * 13 + "|",
        *(_row(one) for one in table[table["status"] == "done"].to_dict("records")),
    ]
    if failures:
        lines += ["", "## What could not be measured", "", *(f"* {line}" for line in failures)]
    return "\n".join(lines) + "\n"


def _answer(threads: int, limit_bytes: int, best: Mapping[str, Any] | None) -> str:
    within = f"{limit_bytes // MIB:,} MiB"
    if best is None:
        return f"| {threads} | {within} | none | – | – | – | – |"
    form = f"{best['layers']} layers, {best['engine']}, {best['precision']}"
    return (
        f"| {threads} | {within} | {form} | {best['rtf']:.2f} | {_ms(best['latency_p95_s'])} "
        f"| {_mb(best['peak_bytes'])} | {_rise(best)} |"
    )


def _row(unit: Mapping[Any, Any]) -> str:
    energy = "–" if pd.isna(unit["energy_j"]) else f"{unit['energy_j']:.2f}"
    error = "–" if pd.isna(unit["score_error"]) else f"{unit['score_error']:.1e}"
    return (
        f"| {unit['threads']} | {unit['layers']}{'' if unit['is_fitted'] else ' *'} "
        f"| {unit['engine']} | {unit['precision']} | {unit['rtf']:.3f} "
        f"| {_ms(unit['latency_p50_s'])} | {_ms(unit['latency_p95_s'])} "
        f"| {_mb(unit['peak_bytes'])} | {_mb(unit['files_bytes'])} "
        f"| {unit['loaded_s']:.1f} | {energy} | {error} | {_rise(unit)} |"
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.1 else f"{seconds * 1e3:.1f}"


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def _rise(unit: Mapping[Any, Any]) -> str:
    if pd.isna(unit["eer_rise"]):
        return "–"
    low, value, high = (100 * unit[name] for name in ("eer_rise_low", "eer_rise", "eer_rise_high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
