"""What a load test answers: the largest rate, and the most calls, at which answers come in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from fakemamba.analysis.load.levels import endings
from fakemamba.analysis.report.words import number
from fakemamba.load_record import LoadRecord, Scenario


@dataclass(frozen=True)
class Largest:
    """Where the largest level is that holds.

    Attributes:
        scenario: ``server`` or ``streams``.
        held: the largest that did, under all that failed; 0 if none did.
        failed: the smallest that did; infinite if none did.
        undecided: levels of which so many queries do not tell.
    """

    scenario: Scenario
    held: float
    failed: float
    undecided: tuple[float, ...]


def largest(table: pd.DataFrame, scenario: Scenario) -> Largest | None:
    """By the verdicts of a `level_table`; None where that scenario has none."""
    rows = table[(table["scenario"] == scenario) & table["verdict"].notna()]
    if rows.empty:
        return None

    def levels(verdict: str) -> list[float]:
        return [float(one) for one in rows.loc[rows["verdict"] == verdict, "level"]]

    failed = min(levels("fails"), default=math.inf)
    held = max((one for one in levels("holds") if one < failed), default=0.0)
    between = tuple(one for one in levels("undecided") if held < one < failed)
    return Largest(scenario, held, failed, between)


def sentences(record: LoadRecord, table: pd.DataFrame) -> list[str]:
    """The answer, the most important first."""
    settings = record.settings
    tail = f"p{settings.percentile:g}"
    told = []
    single = table[table["scenario"] == "single-stream"]
    if not single.empty and settings.slo_s is not None:
        alone = single.iloc[0]
        if alone["verdict"] == "fails":
            told.append(
                f"Even one utterance at a time misses the SLO of {number(settings.slo_s)} s: "
                f"{tail} is {number(alone['tail_s'])} s. No rate of arrivals can hold, so none was "
                "looked for."
            )
    rate = largest(table, "server")
    if rate is not None:
        within = f"{tail} within {number(settings.slo_s)} s"
        told.append(_told(rate, f"Arrivals a second with {within}", "the rates that were tried"))
    calls = largest(table, "streams")
    if calls is not None:
        slo_s = settings.slo_of("streams")
        what = (
            f"Concurrent calls with a decision on {number(settings.window_s)} s every "
            f"{number(settings.hop_s)} s, {tail} within {number(slo_s)} s"
        )
        told.append(_told(calls, what, "the numbers that were tried"))
    for scenario, what in (("single-stream", "One at a time"), ("offline", "All at once")):
        for row in table[table["scenario"] == scenario].to_dict("records"):
            told.append(
                f"{what}: {number(row['answers_a_second'])} utterances a second, "
                f"{number(row['audio_a_second'])} s of audio a second."
            )
    ended = endings(table)
    told.append(
        f"Of {ended['requests']:,} requests {ended['answered']:,} were answered, "
        f"{ended['refused']:,} refused and {ended['failed']:,} failed: none is lost."
    )
    starts = int(table["worker_starts"].sum())
    if starts:
        told.append(f"Workers that ended and were started anew: {starts}.")
    if record.is_cut:
        told.append("It ended early: not all runs that were wanted are there.")
    return told


def _told(found: Largest, what: str, tried: str) -> str:
    at_least = f"{number(found.held)} hold" if found.held else "none holds"
    below = (
        f"{number(found.failed)} do not" if found.failed < math.inf else f"none of {tried} fails"
    )
    doubt = ", ".join(map(number, sorted(found.undecided)))
    return f"{what}: {at_least}, {below}{f', and {doubt} stay undecided' if doubt else ''}."
