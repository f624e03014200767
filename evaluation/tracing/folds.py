"""Trials in folds, each held out in turn, with groups such as speakers never on both sides."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from fakemamba.evaluation.tracing.protocol import (
    Mask,
    Names,
    Traced,
    TracingError,
    apart,
    check_classes,
    listed_few,
)

BY_TRIAL, USUAL_SPLIT = "trial", "speaker"
MOST_FOLDS = 5
TRIES = 50  # of a division in which each part that is fitted to has all systems
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Folds:
    """Pairs of what is fitted to, and what is held out then; and what is kept together."""

    parts: list[tuple[Places, Places]]
    kept_together: str


def split(found: Traced, by: str | None, unseen: Sequence[str], seed: int) -> tuple[Traced, Folds]:
    """Trials in folds, and which trials are left for that.

    Args:
        found: of all systems.
        by: a column that is never on both sides, or ``trial``; None is the speaker, where each
            trial and two of each system are known, else the trial. By ``attack``, families or
            vocoders are told of systems that were not fitted to.
        unseen: systems that are not fitted to.
        seed: of the lot.

    Raises:
        TracingError: a system of ``unseen`` has no trials, fewer than two others are left, one of
            them has a single trial, or they cannot be divided, as by what they are named by.
    """
    if by == found.label:
        raise TracingError(
            f"what is told is the {by}, so no {by} can be kept out of what is fitted to; tell "
            "another label, as by --label family, or leave each out in turn by --leave-one-out"
        )
    if absent := sorted({*unseen} - {*found.labels}):
        raise TracingError(
            f"no trial is of the unseen {listed_few(absent)}; there are "
            f"{listed_few(sorted(set(found.labels)))}"
        )
    if by is not None:
        return _split_by(found, by, unseen, seed)
    try:
        kept, folds = _split_by(found, USUAL_SPLIT, unseen, seed)
        if len(kept.labels) == len(found.labels):
            return kept, folds
    except TracingError:
        pass
    return _split_by(found, BY_TRIAL, unseen, seed)


def divide(
    labels: Names, is_seen: Mask, groups: Names | None, kept_together: str, seed: int
) -> Folds:
    """Divide trials into at most five folds, with all systems on the side that is fitted to.

    Args:
        labels: (n,), the names of systems.
        is_seen: (n,), whose systems are fitted to; others are held out only.
        groups: (n,), what is never on both sides; None divides single trials.
        kept_together: what a group is, in a word.
        seed: of the lot.

    Raises:
        TracingError: a system is in one group alone, or no division was found.
    """
    strata = np.where(is_seen, labels, "")  # what is not fitted to need not be even
    if groups is None:
        fewest = min(Counter(labels[is_seen].tolist()).values())
        with warnings.catch_warnings():  # that there are fewer unseen trials than folds
            warnings.simplefilter("ignore", UserWarning)
            single = StratifiedKFold(min(MOST_FOLDS, fewest), shuffle=True, random_state=seed)
            parts = list(single.split(strata, strata))
        return Folds([(fit[is_seen[fit]], held) for fit, held in parts], BY_TRIAL)
    wanted = set(labels[is_seen])
    fewest = min(len(set(groups[is_seen & (labels == one)])) for one in wanted)
    if fewest < 2:
        raise TracingError(f"a system has one {kept_together} alone, which cannot be held apart")
    for shift in range(TRIES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            splitter = StratifiedGroupKFold(
                min(MOST_FOLDS, fewest), shuffle=True, random_state=seed + shift
            )
            parts = list(splitter.split(strata, strata, groups))
        kept = [(fit[is_seen[fit]], held) for fit, held in parts if len(held)]
        if all(set(labels[fit]) == wanted for fit, _ in kept):
            return Folds(kept, kept_together)
    raise TracingError(
        f"no division keeps each {kept_together} on one side and every system on the other: some "
        "are made of too few; take these out, or split by trial"
    )


def inner_folds(labels: Names, groups: Names | None, seed: int) -> Folds:
    """Folds within what is fitted to, by groups where each system has two; else by trials.

    A system with a single trial there is always fitted to and never held out.

    Raises:
        TracingError: no system has two trials.
    """
    if groups is not None:
        pairs = set(zip(labels.tolist(), groups.tolist(), strict=True))
        if min(Counter(name for name, _ in pairs).values()) >= 2:
            try:
                return divide(labels, np.ones(len(labels), bool), groups, "group", seed)
            except TracingError:
                pass
    counts = Counter(labels.tolist())
    is_lonely = np.array([counts[one] < 2 for one in labels], bool)
    lonely, rest = np.flatnonzero(is_lonely), np.flatnonzero(~is_lonely)
    if not len(rest):
        raise TracingError("no system has two trials, so none can be held out to choose by")
    found = divide(labels[rest], np.ones(len(rest), bool), None, BY_TRIAL, seed)
    parts = [(np.concatenate([rest[fit], lonely]), rest[held]) for fit, held in found.parts]
    return Folds(parts, BY_TRIAL)


def _split_by(found: Traced, by: str, unseen: Sequence[str], seed: int) -> tuple[Traced, Folds]:
    if by != BY_TRIAL:
        found = apart(found, by, unseen)
    is_seen = ~np.isin(found.labels, list(unseen))
    check_classes(found.labels[is_seen], found.label)
    groups = None if by == BY_TRIAL else found.groups(by)
    return found, divide(found.labels, is_seen, groups, by, seed)
