"""When a listener raises an alarm: lasting crossings of a threshold, and how soon they come.

An alarm is raised where a score has been under the threshold in so many decisions in a row, at the
last of these: nobody knows it earlier. A trial with fewer decisions needs all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakemamba.data.trials import BONA_FIDE
from fakemamba.evaluation.bootstrap import (
    ENDS_PERCENT,
    Interval,
    check_replicates,
    check_usable,
    how_to_draw,
)
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.streams.decisions import Decisions

NEVER_S = math.inf
QUANTILES = {"median_s": 0.5, "p90_s": 0.9}
SECONDS_AN_HOUR = 3600.0


class AlarmError(ValueError):
    """No threshold can be chosen; the message says why."""


@dataclass(frozen=True)
class Alarms:
    """What alarms are worth; the times count trials without an alarm as infinite.

    Attributes:
        figures: ``detected`` and ``false_alarms``, shares of spoof and of bona fide trials with an
            alarm; ``median_s`` and ``p90_s``, when half and when 90 % of all spoof trials have one,
            ``inf`` where that is never; ``false_alarms_per_h`` of bona fide speech.
        intervals: of these, where trials were resampled; ends may be ``inf``.
        bonafide_h: hours of bona fide speech.
        detected_by: seconds, ascending, and the share of spoof trials with an alarm until then.
    """

    figures: dict[str, float]
    intervals: dict[str, Interval]
    bonafide_h: float
    detected_by: tuple[tuple[float, float], ...]


def alarm_level(decisions: Decisions, lasting: int) -> float:
    """The threshold over which there is an alarm; inf without a decision."""
    scores = decisions.scores
    if not len(scores):
        return math.inf
    runs = np.lib.stride_tricks.sliding_window_view(scores, min(lasting, len(scores)))
    return float(runs.max(axis=1).min())


def alarm_starts(decisions: Decisions, threshold: float, lasting: int) -> Floats:
    """When alarms are raised, in seconds (alarms,); one ends where a score is not under it."""
    under = np.concatenate([[False], decisions.scores < threshold])
    begins = np.flatnonzero(under[1:] & ~under[:-1])
    ends = np.flatnonzero(np.diff(np.concatenate([under[1:], [False]]).astype(np.int8)) == -1)
    needed = min(lasting, max(len(decisions.scores), 1))
    raised = begins[ends - begins + 1 >= needed] + needed - 1
    return decisions.at_s[raised]


def alarm_threshold(bonafide: Iterable[Decisions], lasting: int, false_alarms: float) -> float:
    """The highest threshold with which this share of bona fide trials, at most, has an alarm.

    Raises:
        AlarmError: no trial, or a share outside [0, 1).
    """
    if not 0 <= false_alarms < 1:
        raise AlarmError(f"a share of {false_alarms:g} false alarms: it must be in [0, 1)")
    levels = np.sort([alarm_level(one, lasting) for one in bonafide])
    if not len(levels):
        raise AlarmError("there is no bona fide trial to choose a threshold by")
    allowed = math.floor(false_alarms * len(levels) + 1e-9)
    return float(levels[allowed])


def judge_alarms(
    table: pd.DataFrame,
    decisions: Sequence[Decisions],
    threshold: float,
    lasting: int,
    *,
    replicates: int,
    seed: int = 0,
    cluster: Sequence[str] | None = None,
) -> Alarms:
    """What alarms at a threshold are worth, with 95 % percentile intervals.

    The threshold is taken as known.

    Args:
        table: a row a trial, with its label and the columns to draw by.
        decisions: of each trial.
        threshold: under which a score is suspicious.
        lasting: decisions in a row that make an alarm.
        replicates: how often trials are drawn; 0 gives no intervals.
        seed: of the draws.
        cluster: columns whose values are drawn; None draws trials.

    Raises:
        BootstrapError: see `fakemamba.evaluation.bootstrap.bootstrap`.
    """
    is_bonafide = (table["label"] == BONA_FIDE).to_numpy()
    order = np.argsort(~is_bonafide, kind="stable")  # bona fide first
    count = int(is_bonafide.sum())
    starts = [alarm_starts(decisions[row], threshold, lasting) for row in order]
    first_s = np.array([one[0] if len(one) else NEVER_S for one in starts])
    alarms = np.array([len(one) for one in starts[:count]], np.float64)
    heard_s = np.array([decisions[row].heard_s for row in order[:count]])
    ranks = np.argsort(first_s[count:], kind="stable")

    def figures(weights: Floats) -> Floats:
        real, fake = weights[:count], weights[count:][ranks]
        times_s = first_s[count:][ranks]
        reached = np.cumsum(fake)
        places = [
            int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12)))
            for share in QUANTILES.values()
        ]
        return np.array(
            [
                fake[np.isfinite(times_s)].sum() / reached[-1],
                real[np.isfinite(first_s[:count])].sum() / real.sum(),
                *times_s[places],
                real @ alarms / (real @ heard_s) * SECONDS_AN_HOUR,
            ]
        )

    names = ("detected", "false_alarms", *QUANTILES, "false_alarms_per_h")
    plain = figures(np.ones(len(order)))
    intervals: dict[str, Interval] = {}
    if replicates:
        check_replicates(replicates)
        draw, kind = how_to_draw(table.iloc[order], count, cluster)
        values = []
        for stream in np.random.SeedSequence(seed).spawn(replicates):
            drawn = np.empty(len(order), np.int32)
            draw(np.random.default_rng(stream), drawn)
            if drawn[:count].any() and drawn[count:].any():
                values.append(figures(drawn.astype(np.float64)))
        check_usable(len(values), replicates, cluster)
        ends = np.percentile(np.array(values), ENDS_PERCENT, axis=0, method="nearest")
        intervals = {
            name: Interval(float(low), float(high), len(values), kind)
            for name, low, high in zip(names, *ends, strict=True)
        }
    return Alarms(
        dict(zip(names, plain.tolist(), strict=True)),
        intervals,
        float(heard_s.sum()) / SECONDS_AN_HOUR,
        _detected_by(first_s[count:]),
    )


def _detected_by(first_s: Floats) -> tuple[tuple[float, float], ...]:
    times_s, counts = np.unique(first_s[np.isfinite(first_s)], return_counts=True)
    shares = np.cumsum(counts) / max(len(first_s), 1)
    return tuple(zip(times_s.tolist(), shares.tolist(), strict=True))
