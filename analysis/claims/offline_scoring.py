"""The goal for offline scoring, from files to scores: utterances a second, of whole runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fakemamba.analysis.claims.claim import GOAL, OPEN, Claim, Figure
from fakemamba.analysis.claims.evidence import of_runs
from fakemamba.analysis.published import FRONTEND
from fakemamba.analysis.results import ResultsError
from fakemamba.records import in_part, read_record

LEAST_UTTERANCES_PER_S = 2000.0
TOLD = ("detector", "frontend", "duration_s", "precision", "execution")

Rate = Annotated[float, Field(gt=0)]


@in_part
@dataclass(frozen=True)
class _Environment:
    device: str | None = None


@in_part
@dataclass(frozen=True)
class _Scoring:
    utterances_per_s: Rate | None
    decoded_per_s: Rate | None = None
    bottleneck: str | None = None
    reason: str | None = None
    environment: _Environment | None = None
    detector: str | None = None
    frontend: str | None = None
    duration_s: Rate | None = None
    precision: str | None = None
    execution: str | None = None


def read_scoring(path: Path) -> dict[str, Any]:
    """What one run of offline scoring measured: ``utterances_per_s``, or the reason if it is null.

    Raises:
        ResultsError: the file cannot be read, or is no such measurement.
    """
    found = read_record(path, _Scoring, ResultsError, "give what measured offline scoring")
    return vars(found)


def scoring_claim(runs: Sequence[Mapping[str, Any]], device_name: str, is_gpu: bool) -> Claim:
    """The goal by one run or several.

    Args:
        runs: from `read_scoring`; none, if it was not measured.
        device_name: of the machine that they are from.
        is_gpu: whether that is a GPU.

    Raises:
        ResultsError: a run says that it is of another device.
    """
    for run in runs:
        environment = run["environment"]
        measured_on = None if environment is None else environment.device
        if measured_on not in (None, device_name):
            raise ResultsError(
                f"offline scoring ran on {measured_on}, but the results are of {device_name}; "
                "measure both on one machine"
            )
    known: dict[str, Any] = {
        "name": "offline scoring",
        "by": "goal",
        "source": GOAL,
        "statement": f"offline scoring does at least {LEAST_UTTERANCES_PER_S:,.0f} utterances a "
        "second, from files to scores",
        "device_name": device_name,
        "frontend": None,
        "cells": {},
    }
    if not runs:
        return Claim(**known, verdict=OPEN, reason="not measured; give its JSON with --scoring")
    rates = [run["utterances_per_s"] for run in runs if run["utterances_per_s"] is not None]
    if not rates:
        return Claim(**known, verdict=OPEN, reason=runs[0]["reason"] or "the rate is not known")
    found = of_runs(rates)
    known["cells"] = {name: runs[0][name] for name in TOLD}
    figures = [found.figure("scored", "1/s")]
    if runs[0]["decoded_per_s"] is not None:
        figures.append(Figure("decoded alone", runs[0]["decoded_per_s"], "1/s"))
    verdict = found.is_at_least(LEAST_UTTERANCES_PER_S)
    reasons = [f"the bottleneck is {runs[0]['bottleneck']}"] if runs[0]["bottleneck"] else []
    if found.low is None:
        reasons.append(found.basis)
    elif verdict == OPEN:
        reasons.append("the interval holds the limit: give three runs or more")
    if not is_gpu:
        verdict, reasons = OPEN, ["a goal for GPUs, and this is a CPU", *reasons]
    elif any(run["frontend"] not in (None, FRONTEND) for run in runs):
        verdict, reasons = OPEN, [f"a goal with {FRONTEND}", *reasons]
    return Claim(
        **known,
        verdict=verdict,
        reason="; ".join(reasons) or "by the rate of whole runs",
        figures=tuple(figures),
        interval=None if found.low is None else found.basis,
    )
