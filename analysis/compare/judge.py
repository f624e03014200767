"""Figures of all cells to verdicts: by an interval over pairs, or as they are where they are exact.

Three answers are possible, and the third is not a pass: the interval is above the least effect that
matters, below it, or across it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from fakemamba.analysis.compare.cells import PairedFigures
from fakemamba.analysis.compare.statistics import MeanLogRatio, is_slower, mean_log_ratio
from fakemamba.analysis.compare.verdict import CellVerdict, Rules
from fakemamba.holm import holm


@dataclass(frozen=True)
class _Trial:
    """Figures with their interval; ``least`` is the least log ratio that matters."""

    figures: PairedFigures
    log_ratios: tuple[float, ...]
    found: MeanLogRatio
    least: float


def judge_figures(figures: Sequence[PairedFigures], rules: Rules) -> list[CellVerdict]:
    """A verdict for each of the figures; those with an interval are one family for Holm."""
    verdicts, trials = [], []
    for one in figures:
        if one.quantity == "error" or (one.quantity == "peak-memory" and one.on_gpu):
            verdicts.append(_judge_exactly(one, rules))
        elif min(*one.base, *one.head) <= 0:
            verdicts.append(_judge_without_ratio(one, rules))
        else:
            trials.append(_try(one, rules))
    if not trials:
        return verdicts
    adjusted = holm([trial.found.p_slower for trial in trials])
    return verdicts + [
        _judge_trial(trial, float(p), rules) for trial, p in zip(trials, adjusted, strict=True)
    ]


def _effect_and_floor(quantity: str, rules: Rules) -> tuple[float, float]:
    return {
        "latency": (rules.min_effect, rules.floor_s),
        "peak-memory": (rules.memory_effect, float(rules.memory_floor_bytes)),
        "energy": (rules.energy_effect, 0.0),
        "error": (rules.error_effect, rules.error_floor),
    }[quantity]


def _judge_exactly(figures: PairedFigures, rules: Rules) -> CellVerdict:
    effect, floor = _effect_and_floor(figures.quantity, rules)
    base, head = median(figures.base), median(figures.head)
    if head <= base * (1 + effect):
        answer = ("fine", "below-effect", f"not above {effect:.1%}")
    elif head - base <= floor:
        answer = ("fine", "below-floor", f"above {effect:.1%}, but not above {floor:g}")
    else:
        answer = ("regressed", "above-effect", f"above {effect:.1%} and {floor:g}")
    return _verdict(figures, answer, head / base if base > 0 else None)


def _judge_without_ratio(figures: PairedFigures, rules: Rules) -> CellVerdict:
    """A value of 0 or less, as the growth of memory and energy net of idle may be."""
    _, floor = _effect_and_floor(figures.quantity, rules)
    if max(figures.head) - min(figures.base) <= floor:
        answer = ("fine", "below-floor", "no launch of head is above base by the absolute floor")
    else:
        answer = ("undecided", "not-positive", "a value is not above 0, so there is no ratio")
    return _verdict(figures, answer, None)


def _try(figures: PairedFigures, rules: Rules) -> _Trial:
    effect, floor = _effect_and_floor(figures.quantity, rules)
    log_ratios = np.log(figures.head) - np.log(figures.base)
    least = math.log1p(max(effect, floor / median(figures.base)))
    return _Trial(figures, tuple(log_ratios), mean_log_ratio(log_ratios, rules.confidence), least)


def _judge_trial(trial: _Trial, adjusted: float, rules: Rules) -> CellVerdict:
    effect, _ = _effect_and_floor(trial.figures.quantity, rules)
    noise = rules.noise_floor if trial.figures.quantity == "latency" else None
    least = math.expm1(trial.least)
    low, high = float(trial.found.low), float(trial.found.high)
    slower = is_slower(trial.found, np.asarray(adjusted), trial.least, rules.family_error)
    if _disagrees_in_cycles(trial, rules):
        answer = ("undecided", "clock", "time and clock cycles disagree: the GPU's clock changed")
    elif high < math.log1p(effect):
        answer = ("fine", "below-effect", f"the upper end is below {effect:.1%}")
    elif high < trial.least:
        answer = ("fine", "below-floor", f"the upper end is below the floor, {least:.1%} here")
    elif low <= trial.least:
        answer = ("undecided", "across-effect", f"the interval holds {least:.1%}")
    elif not slower:
        text = (
            f"not shown among all cells: p {adjusted:.2g} after Holm, {rules.family_error:g} needed"
        )
        answer = ("undecided", "not-shown", text)
    elif noise is not None and low <= math.log1p(noise):
        answer = ("undecided", "noise-floor", f"base differs from itself by {noise:.1%}")
    else:
        answer = ("regressed", "above-effect", f"the lower end is above {least:.1%}")
    ratios = [math.exp(float(end)) for end in (trial.found.mean, low, high)]
    return _verdict(trial.figures, answer, *ratios)


def _disagrees_in_cycles(trial: _Trial, rules: Rules) -> bool:
    """Whether the sides' clocks differ, and time and time x clock say different things."""
    clock = trial.figures.clock_log_ratios
    if clock is None:
        return False
    change = mean_log_ratio(clock, rules.confidence)
    if change.low <= 0 <= change.high:
        return False
    cycles = mean_log_ratio(np.add(trial.log_ratios, clock), rules.confidence)
    return _side(cycles, trial.least) != _side(trial.found, trial.least)


def _side(found: MeanLogRatio, least: float) -> int:
    """1 above, -1 below, 0 across."""
    return int(found.low > least) - int(found.high < least)


def _verdict(
    figures: PairedFigures,
    answer: tuple[str, str, str],
    ratio: float | None,
    ratio_low: float | None = None,
    ratio_high: float | None = None,
) -> CellVerdict:
    verdict, code, reason = answer
    return CellVerdict(
        cell_id=figures.cell_id,
        quantity=figures.quantity,
        verdict=verdict,
        reason_code=code,
        reason=reason + figures.left_out,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        base_value=median(figures.base),
        head_value=median(figures.head),
        pairs=len(figures.base),
    )
