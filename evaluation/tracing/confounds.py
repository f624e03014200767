"""Possible confounds: could the system have been named by what it is tied to, not by its traces?

Two negative controls a column (language, speaker, source, what is said). The *guess* sees no
embedding: it names the system that had most trials of the same language among those that were
fitted to. The *probe* tells the language itself by the same embeddings, classifier and folds. If
one of them does as well as tracing, the result is called confounded: tracing may be no more than
telling languages. It does if the 95 % interval of how far tracing is above it, on the same trials
and the same draws of them, has zero or less in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from fakemamba.evaluation.metrics.checks import Counts
from fakemamba.evaluation.tracing.classifiers import Floats, Name
from fakemamba.evaluation.tracing.closed_set import Right
from fakemamba.evaluation.tracing.folds import Folds
from fakemamba.evaluation.tracing.intervals import TracingFigure, figures_of
from fakemamba.evaluation.tracing.protocol import Mask, Names
from fakemamba.evaluation.tracing.tracer import fit_classifier
from fakemamba.evaluation.uncertainty import Resampling

CONFOUND_COLUMNS = ("language", "speaker", "source", "text_id")
MOST_FREQUENT = "nothing"  # the column of the guess that names the most frequent system
Kind = Literal["guess", "probe"]
Table = Mapping[str, Mapping[str, int]]  # of a column: trials of each system, by its values


@dataclass(frozen=True)
class Confound:
    """What may do as well as tracing, and how well it does.

    Attributes:
        kind: ``guess`` the system from the column, or ``probe`` the column from the embeddings.
        column: of the trials; ``nothing`` is the guess of the most frequent system.
        accuracy: a share of one; None where there is none, and ``reason`` says why.
        behind: how far tracing's accuracy on the same trials is above it; below zero it is better.
        trials: of how many.
        reason: why there is no figure.
        is_known: a trial says the column.
    """

    kind: Kind
    column: str
    accuracy: TracingFigure | None
    behind: TracingFigure | None
    trials: int
    reason: str | None = None
    is_known: bool = True

    @property
    def does_as_well(self) -> bool:
        """Whether tracing is not clearly better."""
        return self.behind is not None and self.behind.least <= 0


def contingency(labels: Names, table: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Of each confound that any trial has: how many trials of each system have each value."""
    found = {}
    for column in CONFOUND_COLUMNS:
        if table[column].notna().any():
            found[column] = _counted(zip(table[column], labels, strict=True))
    return found | {MOST_FREQUENT: _counted(("", one) for one in labels)}


def guess(seen: Table, values: Iterable[str | None]) -> Names:
    """The most frequent system of each value, or of all trials where the value is a new one (n,).

    Args:
        seen: of one column, from `contingency`.
        values: of the trials (n,).
    """
    best = {value: _most(counts) for value, counts in seen.items()}
    total: Counter[str] = Counter()
    for counts in seen.values():
        total.update(counts)
    overall = _most(total)
    return np.array([best.get(value or "", overall) for value in values], object)


def guessed(
    column: str,
    values: Sequence[str | None],
    is_right: Mask,
    is_traced: Mask,
    speakers: Counts | None,
    resampling: Resampling,
) -> Confound:
    """The confound whose guesses are right where it says, and tracing where it does (n,)."""
    if reason := _says_nothing(column, values):
        return Confound("guess", column, None, None, 0, reason, any(values))
    compared = _compared(is_right, is_traced, speakers, resampling)
    return Confound("guess", column, *compared, len(is_right))


def probe(
    vectors: Floats,
    column: str,
    values: Sequence[str | None],
    folds: Folds,
    judged: Mask,
    is_traced: Mask,
    classifier: Name,
    speakers: Counts | None,
    resampling: Resampling,
) -> Confound:
    """Tell a column's values by a classifier that was fitted to the other folds.

    Args:
        vectors: (n, width).
        column: its name.
        values: (n,), None where a trial does not say it.
        folds: of tracing.
        judged: (n,), whose accuracy is asked for: those that tracing is judged by.
        is_traced: (n,), whose systems it named rightly.
        classifier: that of tracing.
        speakers: the number of each trial's (n,), or None.
        resampling: of the interval.
    """
    if reason := _says_nothing(column, values):
        return Confound("probe", column, None, None, 0, reason, any(values))
    known = np.array([one or "" for one in values], object)
    has = known != ""
    is_right = np.full(len(known), -1, np.int64)
    for fit, held in folds.parts:
        fitted = fit[has[fit]]
        there = set(known[fitted])
        held = held[has[held] & judged[held] & np.isin(known[held], list(there))]
        if len(there) < 2 or not len(held):
            continue
        classes, made = fit_classifier(vectors[fitted], known[fitted], classifier)
        said = np.array(classes, object)[made.logits(vectors[held]).argmax(1)]
        is_right[held] = said == known[held]
    counted = is_right >= 0
    total = int((has & judged).sum())
    if 2 * counted.sum() < total:
        reason = (
            f"{total - int(counted.sum()):,} of {total:,} held-out trials have a {column} that no "
            "trial has which was fitted to: it cannot have been known again"
        )
        return Confound("probe", column, None, None, int(counted.sum()), reason)
    of_counted = None if speakers is None else np.unique(speakers[counted], return_inverse=True)[1]
    compared = _compared(is_right[counted] > 0, is_traced[counted], of_counted, resampling)
    return Confound("probe", column, *compared, int(counted.sum()))


def _compared(
    is_right: Mask, is_traced: Mask, speakers: Counts | None, resampling: Resampling
) -> tuple[TracingFigure, TracingFigure]:
    """The accuracy of trials (n,), and how far that of tracing the same is above it."""
    right, traced = is_right.astype(np.int64), is_traced.astype(np.int64)
    accuracy, behind = (
        figures_of(Right(one), ["accuracy"], speakers, resampling)["accuracy"]
        for one in (right, traced - right)
    )
    return accuracy, behind


def _says_nothing(column: str, values: Sequence[str | None]) -> str | None:
    """Why a column cannot be a confound."""
    there = {one for one in values if one}
    if column == MOST_FREQUENT:
        return None
    if not there:
        return f"no trial says its {column}, so it cannot be ruled out"
    return f"all trials have one {column}" if len(there) == 1 else None


def _counted(pairs: Iterable[tuple[str | None, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for value, name in pairs:
        if value is not None:
            found[value][name] += 1
    return {value: dict(sorted(counts.items())) for value, counts in sorted(found.items())}


def _most(counts: Mapping[str, int]) -> str:
    return max(counts, key=lambda name: (counts[name], name))
