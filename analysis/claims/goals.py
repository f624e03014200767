"""This project's goals for Fake-Mamba-L on one GPU: latency, speed-up, use of the device, scoring.

All are about execution ``optimized`` with bf16 weights, end to end, recordings of 4 s. A speed
counts only beside its error: the largest difference of a logit to fp32, on recordings of people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from fakemamba.analysis.claims.claim import FAILS, GOAL, HOLDS, OPEN, Claim, Figure, Verdict
from fakemamba.analysis.claims.evidence import Found, paired_ratios, usable, value_of, why_none
from fakemamba.analysis.claims.place import OURS, Place, ways
from fakemamba.analysis.published import FRONTEND
from fakemamba.analysis.report.words import number
from fakemamba.analysis.setting import PARTS, split
from fakemamba.result_schema import LEAST_COVERAGE

Fields = dict[str, Any]

DURATION_S = 4.0
MOST_LATENCY_S = 1.5e-3
LEAST_SPEED_UP = 8.0
MOST_ERROR = 0.02  # of a logit
LEAST_MATRIX_RATE = 0.4  # of the large matrix product's
MOST_OVER_ROOFLINE = 2.0
FAST: Fields = {"execution": "optimized", "precision": "bf16"}
PLAIN: Fields = {"execution": "eager", "precision": "fp32"}
NO_COUNT = (
    f"no count of its work that covers {LEAST_COVERAGE:.0%} of its time: measure with "
    "--bench-instruments work"
)
WHOLE: Fields = {"detector": OURS, "part": "end-to-end", "duration_s": DURATION_S}


def goal_claims(place: Place) -> Iterator[Claim]:
    """Every goal, in each attention and scan backend that it was measured with."""
    at_once = WHOLE | {"batch_size": 1}
    for how, cells in _ways(place.select(**at_once, **FAST, clock="latency")):
        yield _latency(place, at_once | how, cells)
        yield _speed_up(place, at_once | how, cells)
    for how, cells in _ways(place.select(**WHOLE, **FAST)):
        yield _matrix_rate(place, WHOLE | how, cells)
    for part in PARTS:
        of_part = WHOLE | {"part": part}
        for how, cells in _ways(place.select(**of_part, **FAST)):
            yield from _roofline(place, of_part | how, cells)


def _latency(place: Place, fields: Fields, cells: pd.DataFrame) -> Claim:
    known: Fields = {
        "name": "latency",
        "statement": f"at most {MOST_LATENCY_S * 1e3:g} ms end to end, batch 1, {DURATION_S:g} s",
        "cells": fields,
    }
    good = usable(cells)
    if good.empty:
        return _goal(place, known, None, OPEN, why_none(cells))
    found = value_of(good["latency_s"], good)
    verdict, reason = _beside_error(good, found, found.is_at_most(MOST_LATENCY_S))
    return _goal(place, known, found, verdict, reason, found.figure("latency", "s"), *_error(good))


def _speed_up(place: Place, fields: Fields, cells: pd.DataFrame) -> Claim:
    """Against plain fp32 of the same launch; other precisions are told beside."""
    known: Fields = {
        "name": "speed-up",
        "statement": f"at least {LEAST_SPEED_UP:g} times as fast as plain fp32, eager, with an "
        f"error of at most {MOST_ERROR:g}",
        "cells": fields,
    }
    same = {name: value for name, value in fields.items() if name not in FAST}
    plain = place.select(**same | PLAIN, clock="latency")
    others = place.select(**same, execution=FAST["execution"], clock="latency")
    figures = [
        figure
        for precision, group in others.groupby("precision", sort=False)
        if precision != FAST["precision"]
        for one in paired_ratios(usable(plain), usable(group)).values()
        for figure in (one.figure(f"in {precision}", "times"), *_error(group, f" in {precision}"))
    ]
    for name, group in (("optimized", cells), ("plain fp32, eager", plain)):
        if usable(group).empty:
            return _goal(place, known, None, OPEN, f"{name}: {why_none(group)}", *figures)
    good = usable(cells)
    found = next(iter(paired_ratios(usable(plain), good).values()), None)
    if found is None:
        return _goal(place, known, None, OPEN, "the two were not measured in one launch", *figures)
    verdict, reason = _beside_error(good, found, found.is_at_least(LEAST_SPEED_UP))
    told = (found.figure("speed-up", "times"), *_error(good), *figures)
    return _goal(place, known, found, verdict, reason, *told)


def _matrix_rate(place: Place, fields: Fields, cells: pd.DataFrame) -> Claim:
    """FLOPs a second over those of a large product in this precision, at the best batch."""
    known: Fields = {
        "name": "throughput",
        "statement": f"at the best batch at least {LEAST_MATRIX_RATE:.0%} of the rate of a large "
        "matrix product",
    }
    good = usable(cells)
    counted = good[good["mfu"] > 0]
    if counted.empty:
        reason = why_none(cells) if good.empty else NO_COUNT
        return _goal(place, known | {"cells": fields}, None, OPEN, reason)
    batches = _by_batch(counted["mfu"], counted)
    # One that surely reaches it is enough; another may seem faster, but was disturbed.
    sure = [one for one in batches if one[2].is_at_least(LEAST_MATRIX_RATE) == HOLDS]
    at, group, found = max(sure or batches, key=lambda one: one[2].value)
    verdict, reason = _beside_error(group, found, found.is_at_least(LEAST_MATRIX_RATE))
    reason = f"{reason}; of batches {', '.join(str(one['batch_size']) for one, _, _ in batches)}"
    rate = Figure("utterances a second", at["batch_size"] / group["latency_s"].median(), "1/s")
    figures = (found.figure("share of the matrix rate", "share"), rate, *_error(group))
    return _goal(place, known | {"cells": fields | at}, found, verdict, reason, *figures)


def _roofline(place: Place, fields: Fields, cells: pd.DataFrame) -> Iterator[Claim]:
    """How far above its bound a part is, at batch 1 and at the batch that is nearest to it."""
    known: Fields = {
        "name": "roofline",
        "statement": f"the {fields['part']} takes at most {MOST_OVER_ROOFLINE:g} times its "
        "roofline's time",
    }
    good = usable(cells)
    is_counted = (good["flop_coverage"] >= LEAST_COVERAGE) & good["bytes_moved"].gt(0)
    counted = good[is_counted]
    if counted.empty:
        reason = why_none(cells) if good.empty else NO_COUNT
        yield _goal(place, known | {"cells": fields}, None, OPEN, reason)
        return
    arithmetic_s = counted["flops"] / counted["matmul_flops_per_s"]
    memory_s = counted["bytes_moved"] / counted["copy_bytes_per_s"]
    over = counted["latency_s"] / arithmetic_s.combine(memory_s, max)
    batches = _by_batch(over, counted)
    sure = [one for one in batches if one[2].is_at_most(MOST_OVER_ROOFLINE) == HOLDS]
    nearest = min(sure or batches, key=lambda one: one[2].value)
    for at, group, found in (one for one in batches if one is batches[0] or one is nearest):
        is_arithmetic = (arithmetic_s > memory_s)[group.index].all()
        bound = "arithmetic" if is_arithmetic else "memory traffic of unfused execution"
        verdict = found.is_at_most(MOST_OVER_ROOFLINE)
        figure = found.figure("times its bound", "times")
        reason = _with_doubt(f"the bound is {bound}", found, verdict)
        yield _goal(place, known | {"cells": fields | at}, found, verdict, reason, figure)


def _ways(cells: pd.DataFrame) -> list[tuple[Fields, pd.DataFrame]]:
    """Cells by how they were run, or once nothing, which was not measured."""
    return list(ways(cells)) or [(FAST, cells)]


def _by_batch(values: pd.Series, cells: pd.DataFrame) -> list[tuple[Fields, pd.DataFrame, Found]]:
    """Batch size and clock, ascending, with the cells and their value."""
    names = ["batch_size", "clock"]
    batches = list(split(cells.sort_values(names), names))
    return [(at, one, value_of(values[one.index], one, len(batches))) for at, one in batches]


def _error(cells: pd.DataFrame, where: str = "") -> list[Figure]:
    """The largest difference of a logit to fp32, where it is known."""
    error = cells["max_abs_error"].max()
    return [] if pd.isna(error) else [Figure(f"largest error of a logit{where}", float(error))]


def _beside_error(cells: pd.DataFrame, found: Found, verdict: Verdict) -> tuple[Verdict, str]:
    """A verdict on a speed, which a large error refutes and an unknown one leaves open."""
    errors = cells["max_abs_error"]
    if (errors > MOST_ERROR).any():
        told = f"{number(errors.max())} is above {MOST_ERROR:g}"
        return FAILS, f"it does not count: the error of {told}"
    if errors.isna().any():
        return OPEN, "its error is not known, and a speed counts only beside it"
    return verdict, _with_doubt(f"the error is at most {number(errors.max())}", found, verdict)


def _with_doubt(reason: str, found: Found, verdict: Verdict) -> str:
    """A reason, with why the interval leaves the verdict open."""
    if verdict != OPEN:
        return reason
    doubt = found.basis if found.low is None else "the interval holds the limit"
    return f"{reason}; {doubt}"


def _goal(
    place: Place,
    known: Mapping[str, Any],
    found: Found | None,
    verdict: Verdict,
    reason: str,
    *figures: Figure,
) -> Claim:
    """A goal as judged, which only a GPU with the full-size front-end can be."""
    if not place.is_gpu:
        verdict, reason = OPEN, f"a goal for GPUs, and this is a CPU; {reason}"
    elif place.frontend != FRONTEND:
        verdict, reason = OPEN, f"a goal with {FRONTEND}; {reason}"
    return place.claim(
        **known,
        by="goal",
        source=GOAL,
        verdict=verdict,
        reason=reason,
        figures=figures,
        interval=None if found is None or found.low is None else found.basis,
    )
