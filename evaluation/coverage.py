"""Scores beside the key's trials, each exactly once: else it is said what does not fit, and why.

Nothing is left out silently. A score file that lacks the hard trials, or is of another list, gives
an error rate as good as any other to look at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd

from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.trial_ids import Places, TrialIdError, find_ids

log = logging.getLogger(__name__)

MOST_NAMED = 5
EVEN = 0.5  # the EER of a detector that guesses


class CoverageError(ValueError):
    """Scores are not those of the key's trials; the message gives counts, ids and the remedy."""


def join(
    scores: pd.DataFrame,
    key: pd.DataFrame,
    *,
    other_phases: Callable[[], pd.DataFrame] | None = None,
    drop_other_phases: bool = False,
    name: str = "the score file",
) -> pd.DataFrame:
    """Put a score to each trial of a key.

    An id that one side has with the ending of an audio file and the other without is the same, if
    no other id is nearer; that is told in the log.

    Args:
        scores: columns trial_id and score, as `read_scores` gives them.
        key: one row a trial, as `read_key` gives them.
        other_phases: gives the trials of the same key that are not in ``key``, with their phase;
            it is called only if there are scores that ``key`` has no trial for.
        drop_other_phases: leave out scores of these trials instead of refusing them.
        name: of the scores, for messages.

    Returns:
        ``key`` in its order, with a column score (float64, finite). Bona fide trials have no
        attack, whatever the key calls it.

    Raises:
        CoverageError: trials without a score, scores without a trial, several scores of a trial,
            scores that are not finite, trials without a label: all that is wrong is said at once.
            Also a key in which a trial stands twice, and ids that differ in their endings alone.
    """
    trial_ids = pd.Index(key["trial_id"])
    if not trial_ids.is_unique:
        twice = trial_ids[trial_ids.duplicated()].unique()
        raise CoverageError(
            f"{len(twice):,} trials stand in the key more than once ({_named(twice)}): a key has "
            "every trial once"
        )
    places = _places(scores, trial_ids, name)  # of each score in the key, or -1
    elsewhere = pd.DataFrame({"trial_id": [], "phase": []})
    if (places < 0).any() and other_phases is not None:
        elsewhere = _elsewhere(scores[places < 0].drop_duplicates("trial_id"), other_phases(), name)
    if drop_other_phases:
        keep = ~scores["trial_id"].isin(elsewhere["trial_id"]).to_numpy()
        scores, places, elsewhere = scores[keep], places[keep], elsewhere.iloc[:0]
    counts = np.bincount(places[places >= 0], minlength=len(key))
    if not counts.any():
        raise CoverageError(f"{name}: {_nothing_in_common(scores, key, elsewhere)}")
    problems = [
        *_missing(trial_ids[counts == 0], len(key)),
        *_surplus(scores["trial_id"][places < 0], elsewhere, len(scores)),
        *_duplicates(scores, trial_ids[counts > 1]),
        *_not_finite(scores),
        *_unlabelled(key),
    ]
    if problems:
        listed = "\n  ".join(problems)
        raise CoverageError(f"{name}: the scores are not those of the key's trials:\n  {listed}")
    other = scores["trial_id"][scores["trial_id"].to_numpy() != trial_ids[places]]
    if len(other):
        log.info(
            "%s: %d ids are the key's but for the ending of an audio file (%s)",
            *(name, len(other), _named(other)),
        )
    values = np.empty(len(key))
    values[places] = scores["score"]
    table = key.reset_index(drop=True)
    attack = table["attack"].where(table["label"] == SPOOF, None)
    return table.assign(attack=attack, score=values)


def split(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Bona fide scores (n,) and spoof scores (m,)."""
    scores = table["score"].to_numpy(np.float64)
    is_bonafide = (table["label"] == BONA_FIDE).to_numpy()
    return scores[is_bonafide], scores[~is_bonafide]


def check_orientation(eer: float, scores: pd.Series, name: str = "the score file") -> None:
    """Question an EER over 50 %: scores may be of spoof, or all alike.

    Args:
        eer: a fraction.
        scores: that it is of.
        name: of the scores, for the message.

    Raises:
        CoverageError: the EER is over 50 %.
    """
    if eer <= EVEN:
        return
    most = int(scores.value_counts().iloc[0])
    alike = f"; {most:,} of {len(scores):,} scores are equal" if most > len(scores) / 2 else ""
    raise CoverageError(
        f"{name}: the EER is {eer:.2%}, worse than guessing{alike}. Higher scores must mean bona "
        "fide: if these are scores of spoof, negate them; if the detector is as wrong as that, say "
        "--allow-inverted"
    )


def require_judged(trial_ids: Iterable[str], key: pd.DataFrame, name: str) -> None:
    """Refuse speaker verification of recordings that the key does not have.

    Args:
        trial_ids: recordings that were judged; none if they are not known.
        key: as for `join`.
        name: of the list that has them, for the message.

    Raises:
        CoverageError: some are not in the key.
    """
    judged = pd.DataFrame({"trial_id": sorted(trial_ids)}, dtype=object)
    strange = judged["trial_id"][_places(judged, pd.Index(key["trial_id"]), name) < 0]
    if len(strange):
        raise CoverageError(
            f"{name}: {len(strange):,} of {len(judged):,} recordings that the ASV system judged "
            f"are not in the key ({_named(strange)}): is it of these trials?"
        )


def _places(scores: pd.DataFrame, trial_ids: pd.Index, name: str) -> Places:
    try:
        return find_ids(scores["trial_id"], trial_ids)
    except TrialIdError as error:
        raise CoverageError(f"{name}: {error}") from error


def _elsewhere(scores: pd.DataFrame, others: pd.DataFrame, name: str) -> pd.DataFrame:
    """The trials of other phases that these scores are of, with the ids that the scores have."""
    others = others.drop_duplicates("trial_id")
    places = _places(scores, pd.Index(others["trial_id"]), name)
    found = others.iloc[places[places >= 0]]
    return found.assign(trial_id=scores["trial_id"][places >= 0].to_numpy())


def _nothing_in_common(scores: pd.DataFrame, key: pd.DataFrame, elsewhere: pd.DataFrame) -> str:
    if len(elsewhere):
        phases = elsewhere["phase"].value_counts()
        return (
            f"the scores cover {_phases(elsewhere)}, not what is evaluated: say --phase "
            f"{phases.index[0]}"
        )
    return (
        f"scores of another corpus: 0 of its {len(scores):,} ids are in the key, which has "
        f"{len(key):,}. The scores have {_named(scores['trial_id'])}; the key has "
        f"{_named(key['trial_id'])}"
    )


def _missing(trial_ids: pd.Index, of: int) -> Iterator[str]:
    if len(trial_ids):
        yield (
            f"missing: {len(trial_ids):,} of {of:,} trials have no score ({_named(trial_ids)}): "
            "score them too, or give the phase that was scored"
        )


def _surplus(trial_ids: pd.Series, elsewhere: pd.DataFrame, of: int) -> Iterator[str]:
    belongs = trial_ids.isin(elsewhere["trial_id"])
    if belongs.any():
        yield (
            f"surplus: {belongs.sum():,} of {of:,} scores belong to other phases of the same key: "
            f"{_phases(elsewhere)} ({_named(trial_ids[belongs])}): say --drop-other-phases to "
            "leave them out"
        )
    if not belongs.all():
        yield (
            f"surplus: {(~belongs).sum():,} of {of:,} scores have no trial in the key "
            f"({_named(trial_ids[~belongs])}): is it the key of these scores?"
        )


def _duplicates(scores: pd.DataFrame, trial_ids: pd.Index) -> Iterator[str]:
    if len(trial_ids):
        different = scores[scores["trial_id"].isin(trial_ids)].drop_duplicates()
        unequal = int(different["trial_id"].duplicated().sum())
        yield (
            f"duplicate: {len(trial_ids):,} trials have several scores, {unequal:,} scores differ "
            f"({_named(trial_ids)}): keep one line a trial"
        )


def _not_finite(scores: pd.DataFrame) -> Iterator[str]:
    wrong = ~np.isfinite(scores["score"])
    if wrong.any():
        nans = int(scores["score"].isna().sum())
        yield (
            f"not finite: {nans:,} scores are NaN and {wrong.sum() - nans:,} infinite "
            f"({_named(scores['trial_id'][wrong])}): score these recordings again"
        )


def _unlabelled(key: pd.DataFrame) -> Iterator[str]:
    without = key["label"].isna()
    if without.any():
        yield (
            f"unlabelled: {without.sum():,} trials of the key have no label "
            f"({_named(key['trial_id'][without])}): a key says bonafide or spoof of each"
        )


def _phases(trials: pd.DataFrame) -> str:
    counts = trials["phase"].value_counts()
    return ", ".join(f"{count:,} of {phase}" for phase, count in counts.items())


def _named(trial_ids: Iterable[str]) -> str:
    """The first ids, and that there are more."""
    ids = list(trial_ids)
    return ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
