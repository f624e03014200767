"""How soon a detector knows: error rates of what was heard so far, and the time to an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.coverage import split
from fakemamba.evaluation.metrics.detection import equal_error, min_dcf
from fakemamba.evaluation.streams.alarms import Alarms, alarm_threshold, judge_alarms
from fakemamba.evaluation.streams.decisions import Decisions
from fakemamba.evaluation.uncertainty import USUAL, Resampling, intervals, most_clustered

PREFIXES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
OF_PREFIXES = ("eer", "min_dcf")


@dataclass(frozen=True)
class Prefix:
    """Error rates of what is known after some seconds.

    Attributes:
        prefix_s: these; shorter trials count as they ended.
        metrics: EER and minDCF, of trials with a decision by then; empty where a class has none.
        intervals: of these.
        undecided: how many bona fide trials have none yet, and how many spoof.
        ended: share of trials that were over before.
    """

    prefix_s: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    undecided: dict[str, int]
    ended: float


@dataclass(frozen=True)
class StreamEvaluation:
    """How soon a detector knows.

    Attributes:
        prefixes: error rates over time.
        alarms: at the threshold.
        threshold: chosen by development trials.
        lasting: decisions in a row that make an alarm.
        false_alarms: share of these trials that was allowed one.
        dev_bonafide: how many these were.
        doubt: what is to be said against the intervals.
    """

    prefixes: tuple[Prefix, ...]
    alarms: Alarms
    threshold: float
    lasting: int
    false_alarms: float
    dev_bonafide: int
    doubt: str | None

    def to_json(self) -> dict[str, Any]:
        """All of it; a time that never comes is null."""
        return finite(asdict(self))


def evaluate_streams(
    table: pd.DataFrame,
    decisions: Mapping[str, Decisions],
    dev_bonafide: Sequence[Decisions],
    *,
    prefixes_s: Sequence[float] = PREFIXES_S,
    lasting: int = 2,
    false_alarms: float = 0.01,
    resampling: Resampling = USUAL,
) -> StreamEvaluation:
    """Evaluate one system.

    Args:
        table: a row a trial, with trial_id, label, attack and speaker.
        decisions: by trial_id.
        dev_bonafide: of bona fide development trials, which choose the threshold.
        prefixes_s: seconds after which error rates are given.
        lasting: decisions in a row under the threshold that make an alarm.
        false_alarms: share of development trials that may have one.
        resampling: how intervals are made.

    Raises:
        AlarmError: no threshold can be chosen.
        MetricError, BootstrapError: see `fakemamba.evaluation.evaluate.evaluate`.
    """
    of_trials = [decisions[one] for one in table["trial_id"]]
    threshold = alarm_threshold(dev_bonafide, lasting, false_alarms)
    alarms, doubt = most_clustered(
        partial(
            judge_alarms,
            *(table, of_trials, threshold, lasting),
            replicates=resampling.replicates,
            seed=resampling.seed,
        ),
        table,
        resampling,
    )
    return StreamEvaluation(
        prefixes=tuple(_prefix(table, of_trials, one, resampling) for one in prefixes_s),
        alarms=alarms,
        threshold=threshold,
        lasting=lasting,
        false_alarms=false_alarms,
        dev_bonafide=len(dev_bonafide),
        doubt=doubt if resampling.replicates else None,
    )


def _prefix(
    table: pd.DataFrame, decisions: Sequence[Decisions], prefix_s: float, resampling: Resampling
) -> Prefix:
    scores = np.array([one.score_at(prefix_s) for one in decisions])
    known = np.isfinite(scores)
    left = {
        label: int((~known & (table["label"] == label).to_numpy()).sum())
        for label in (BONA_FIDE, SPOOF)
    }
    heard = table.assign(score=scores)[known]
    ended = float(np.mean([one.heard_s < prefix_s for one in decisions]))
    if heard["label"].nunique() < 2:
        return Prefix(prefix_s, {}, {}, left, ended)
    bonafide, spoof = split(heard)
    metrics = {"eer": equal_error(bonafide, spoof).eer, "min_dcf": min_dcf(bonafide, spoof)}
    ends, _ = intervals(heard, OF_PREFIXES, resampling)
    return Prefix(prefix_s, metrics, ends, left, ended)


def finite(content: Any) -> Any:
    """Content of JSON, with null for numbers that it does not have."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content
