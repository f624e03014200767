"""What a change of a detector costs in EER: both score the same trials, which are paired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial
from fakemamba.evaluation.bootstrap import Difference, paired
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.scoring import Scored, score_trials
from fakemamba.models.detector import Detector


class EerRiseError(ValueError):
    """Trials say nothing about a change; the message says why."""


def scores_of(
    detector: Detector,
    trials: Sequence[Trial],
    manner: Manner,
    counted: Callable[[Iterable[Scored]], Iterable[Scored]] = iter,
) -> pd.DataFrame:
    """Scores of trials as a table: trial_id, label, score.

    Args:
        detector: in evaluation mode, on the CPU.
        trials: with labels, of both classes.
        manner: how.
        counted: shows how far it is.

    Raises:
        EerRiseError: a trial has no score, or a class no trial.
    """
    for label in (BONA_FIDE, SPOOF):
        if not any(one.label == label for one in trials):
            raise EerRiseError(f"there is no {label} trial, so that there is no EER: give both")
    rows = []
    for one in counted(one for some in score_trials(detector, trials, manner) for one in some):
        if one.score is None:
            raise EerRiseError(f"{one.reason}: mend it, or leave it out of the list")
        rows.append((one.trial.trial_id, one.trial.label, one.score))
    return pd.DataFrame(rows, columns=["trial_id", "label", "score"])


def eer_rise(after: pd.DataFrame, before: pd.DataFrame, replicates: int = 1000) -> Difference:
    """How much higher the EER is after a change, a fraction, with its 95 % interval.

    Trials are resampled, each with its scores before and after.
    """
    return paired(after, before, "eer", replicates)
