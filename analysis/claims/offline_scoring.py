"""The goal for offline scoring, from files to scores: utterances a second, of whole runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fakemamba.analysis.claims.claim import GOAL, OPEN, Claim, Figure
from fakemamba.analysis.claims.evidence import Spread, of_runs
from fakemamba.analysis.published import FRONTEND
from fakemamba.analysis.results import ResultsError
from fakemamba.analysis.schema import TEXT_OR_NULL, TIME, Kind

LEAST_UTTERANCES_PER_S = 2000.0
OBJECT_OR_NULL = Kind("an object or null", lambda value: value is None or isinstance(value, dict))
RATE_OR_NULL = Kind(
    "a number, more than 0, or null", lambda value: value is None or TIME.holds(value)
)
SETTING = ("detector", "frontend", "duration_s", "precision", "execution")
RATES, TEXTS = ("utterances_per_s", "decoded_per_s"), ("bottleneck", "reason")
FIELDS = {
    **dict.fromkeys((*RATES, "duration_s"), RATE_OR_NULL),
    **dict.fromkeys(TEXTS, TEXT_OR_NULL),
    "environment": OBJECT_OR_NULL,
}


def read_scoring(path: Path) -> dict[str, Any]:
    """What one run of offline scoring measured: ``utterances_per_s``, or the reason if it is null.

    Raises:
        ResultsError: the file cannot be read, or is no such measurement.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is not JSON: {error}; measure offline scoring again") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path} is not an object; give what measured offline scoring")
    if "utterances_per_s" not in content:
        raise ResultsError(f"{path} has no 'utterances_per_s'; give what measured offline scoring")
    for name, kind in FIELDS.items():
        if not kind.holds(content.get(name)):
            raise ResultsError(
                f"{path}: {name!r} has to be {kind.words}; give what measured offline scoring"
            )
    return content


def scoring_claim(
    runs: Sequence[Mapping[str, Any]], device_name: str, is_gpu: bool, spread: Spread
) -> Claim:
    """The goal by one run or several.

    Args:
        runs: from `read_scoring`; none, if it was not measured.
        device_name: of the machine that they are from.
        is_gpu: whether that is a GPU.
        spread: of its cells.

    Raises:
        ResultsError: a run says that it is of another device.
    """
    for run in runs:
        measured_on = (run.get("environment") or {}).get("device", device_name)
        if measured_on != device_name:
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
        return Claim(**known, verdict=OPEN, reason=runs[0].get("reason") or "the rate is not known")
    found = of_runs(rates, spread)
    known["cells"] = {name: runs[0].get(name) for name in SETTING}
    figures = [found.figure("scored", "1/s")]
    if runs[0].get("decoded_per_s") is not None:
        figures.append(Figure("decoded alone", runs[0]["decoded_per_s"], "1/s"))
    verdict = found.is_at_least(LEAST_UTTERANCES_PER_S)
    reasons = [f"the bottleneck is {runs[0]['bottleneck']}"] if runs[0].get("bottleneck") else []
    if found.low is None:
        reasons.append(found.basis)
    elif verdict == OPEN:
        reasons.append("the interval holds the limit: give three runs or more")
    if not is_gpu:
        verdict, reasons = OPEN, ["a goal for GPUs, and this is a CPU", *reasons]
    elif any(run.get("frontend", FRONTEND) != FRONTEND for run in runs):
        verdict, reasons = OPEN, [f"a goal with {FRONTEND}", *reasons]
    return Claim(
        **known,
        verdict=verdict,
        reason="; ".join(reasons) or "by the rate of whole runs",
        figures=tuple(figures),
        interval=None if found.low is None else found.basis,
    )
