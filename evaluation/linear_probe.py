"""How well a straight line tells the classes apart, judged on trials that it was not fit to.

A logistic regression on standardised features (Alain and Bengio 2017 call it a linear probe), with
both classes of equal weight, is fit to all folds of the trials but one and scores that one. Trials
of one speaker, or of one attack, are never on both sides, so that knowing a voice or an attack
again does not count as telling the classes apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakemamba.data.trials import BONA_FIDE

MOST_FOLDS = 5
MAX_ITERATIONS = 2_000

Folds = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]  # trials to fit to, to score


class ProbeError(ValueError):
    """There are too few trials to hold some out."""


@dataclass(frozen=True)
class HeldOut:
    """Scores of trials by probes that were not fit to them; higher is more bona fide.

    Attributes:
        scores: log odds (n,) in the trials' order.
        folds: into how many parts the trials were divided.
        kept_together: what is in one fold only: ``speaker``, ``attack`` or ``trial``.
    """

    scores: npt.NDArray[np.float64]
    folds: int
    kept_together: str


def held_out_scores(features: npt.ArrayLike, trials: pd.DataFrame, seed: int = 0) -> HeldOut:
    """Score each trial by a probe that was fit to other trials.

    Folds keep speakers together if all trials have one and each class has two or more; else they
    keep attacks together if all spoofs have one and there are two or more; else single trials.

    Args:
        features: (n, width), finite.
        trials: n rows with the columns ``label``, ``speaker`` and ``attack`` of `trial_table`.
        seed: of the division into folds.

    Raises:
        ProbeError: a class has fewer than two trials.
    """
    is_bonafide = (trials["label"] == BONA_FIDE).to_numpy()
    fewest = int(min(is_bonafide.sum(), (~is_bonafide).sum()))
    if fewest < 2:
        raise ProbeError(
            f"a class has {fewest} trials, but some of each have to be held out; give two or more"
        )
    kept_together, folds = _divide(trials, is_bonafide, fewest, seed)
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=MAX_ITERATIONS)
    )
    scores = cross_val_predict(
        probe, np.asarray(features, np.float64), is_bonafide, cv=folds, method="decision_function"
    )
    return HeldOut(scores, len(folds), kept_together)


def _divide(
    trials: pd.DataFrame, is_bonafide: npt.NDArray[np.bool_], fewest: int, seed: int
) -> tuple[str, Folds]:
    """What folds keep together, and the folds."""
    for name, groups in _groups(trials, is_bonafide).items():
        in_class = [len(set(groups[is_bonafide])), len(set(groups[~is_bonafide]))]
        if min(in_class) >= 2:
            splitter = StratifiedGroupKFold(
                min(MOST_FOLDS, *in_class), shuffle=True, random_state=seed
            )
            folds = list(splitter.split(is_bonafide, is_bonafide, groups))
            if all(len(set(is_bonafide[fitted])) == 2 for fitted, _ in folds):
                return name, folds
    single = StratifiedKFold(min(MOST_FOLDS, fewest), shuffle=True, random_state=seed)
    return "trial", list(single.split(is_bonafide, is_bonafide))


def _groups(
    trials: pd.DataFrame, is_bonafide: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.object_]]:
    """The trials' groups (n,) by what each of them is one of, the best way first."""
    groups = {}
    if trials["speaker"].notna().all():
        groups["speaker"] = trials["speaker"].to_numpy(object)
    if trials["attack"][~is_bonafide].notna().all():
        # A bona fide trial is of no attack: each is its own group.
        numbers = [f"bona fide {place}" for place in range(len(trials))]
        groups["attack"] = np.where(is_bonafide, numbers, trials["attack"].to_numpy(object))
    return groups
