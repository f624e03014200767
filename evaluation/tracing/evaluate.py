"""Tracing judged: by folds of one set of trials, or by a fitted tracer on trials of others.

Both come to the same: what was said of trials that were not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.evaluation.tracing import open_set
from fakemamba.evaluation.tracing.classifiers import RULES, seen_scores
from fakemamba.evaluation.tracing.confounds import (
    CONFOUND_COLUMNS,
    MOST_FREQUENT,
    Table,
    contingency,
    guess,
)
from fakemamba.evaluation.tracing.figures import LeftOut, Said, TracingEvaluation, judged
from fakemamba.evaluation.tracing.folds import BY_TRIAL, Folds
from fakemamba.evaluation.tracing.intervals import clusters
from fakemamba.evaluation.tracing.protocol import (
    Mask,
    Names,
    Traced,
    TracingError,
    Turn,
    families_of,
    listed_few,
)
from fakemamba.evaluation.tracing.tracer import Choices, Tracer, fit_classifier, fit_tracer
from fakemamba.evaluation.uncertainty import USUAL, Resampling

Progress = Callable[[Iterable[Any]], Iterable[Any]]


def evaluate_by_folds(
    found: Traced,
    folds: Folds,
    choices: Choices,
    unseen: Sequence[str] = (),
    *,
    resampling: Resampling = USUAL,
    in_turn: Turn | None = None,
    progress: Progress = iter,
) -> TracingEvaluation:
    """Fit to all folds but one and judge that one, for each.

    Args:
        found: what `split` gave, with ``folds``.
        folds: see there.
        choices: of the tracers.
        unseen: systems that are not fitted to.
        resampling: of the intervals.
        in_turn: leave each system, or all systems of each family, out in turn as well.
        progress: passes on what it is given, one item a fold, and may count them.

    Raises:
        TracingError: embeddings that are all equal, or one of the folds has too few trials.
    """
    groups = None if folds.kept_together == BY_TRIAL else found.groups(folds.kept_together)
    count = len(found.labels)
    names, is_none = np.empty(count, object), np.zeros(count, bool)
    scores = {rule: np.empty(count) for rule in RULES}
    guesses = {column: np.empty(count, object) for column in (*CONFOUND_COLUMNS, MOST_FREQUENT)}
    for fit, held in progress(folds.parts):
        inner = None if groups is None else groups[fit]
        tracer = fit_tracer(found.vectors[fit], found.labels[fit], inner, choices, resampling.seed)
        said = tracer.trace(found.vectors[held])
        names[held] = np.array(tracer.classes, object)[said.codes]
        is_none[held] = said.is_none
        for rule in RULES:
            scores[rule][held] = said.scores[rule]
        tables = contingency(found.labels[fit], found.table.iloc[fit])
        for column, at in guesses.items():
            at[held] = _guess(tables, column, found.table.iloc[held])
    is_seen = ~np.isin(found.labels, list(unseen))
    evaluated = judged(
        found,
        Said(names, scores, is_none),
        is_seen,
        tuple(sorted(set(found.labels[is_seen]))),
        choices,
        folds,
        folds.kept_together,
        guesses,
        resampling,
    )
    if in_turn is None:
        return evaluated
    left_out = _each_left_out(found, folds, choices, is_seen, in_turn, resampling, progress)
    return replace(evaluated, one_unseen=left_out)


def evaluate_tracer(
    found: Traced,
    tracer: Tracer,
    tables: Mapping[str, Table],
    resampling: Resampling = USUAL,
) -> TracingEvaluation:
    """Judge a tracer by trials that it was not fitted to.

    Args:
        found: of systems that it was fitted to, two or more, and of others.
        tracer: fitted.
        tables: what `contingency` says of the trials that it was fitted to.
        resampling: of the intervals.

    Raises:
        TracingError: no trial is of a system that it was fitted to.
    """
    is_seen = np.isin(found.labels, list(tracer.classes))
    if not is_seen.any():
        raise TracingError(
            f"no trial is of any {found.label} that was fitted to ({listed_few(tracer.classes)})"
        )
    said = tracer.trace(found.vectors)
    names = np.array(tracer.classes, object)[said.codes]
    guesses = {
        column: _guess(tables, column, found.table) for column in (*CONFOUND_COLUMNS, MOST_FREQUENT)
    }
    return judged(
        found,
        Said(names, said.scores, said.is_none),
        is_seen,
        tracer.classes,
        tracer.choices,
        None,
        "model",
        guesses,
        resampling,
    )


def _each_left_out(
    found: Traced,
    folds: Folds,
    choices: Choices,
    is_seen: Mask,
    in_turn: Turn,
    resampling: Resampling,
    progress: Progress,
) -> tuple[LeftOut, ...]:
    """Each system or family in turn is not fitted to, in the same folds."""
    named = found.labels if in_turn == "system" else families_of(found)
    what = found.label if in_turn == "system" else in_turn
    among, speakers = np.flatnonzero(is_seen), clusters(found.table[is_seen], resampling)
    count, each = len(set(found.labels[is_seen])), list[LeftOut]()
    for name in progress(sorted(set(named[is_seen]))):
        is_out = named == name  # (n,)
        systems = tuple(sorted(set(found.labels[is_out & is_seen])))
        if len(set(found.labels[is_seen & ~is_out])) < 2:
            reason = f"leaving one {what} out leaves fewer than two of {count} to tell apart"
            each.append(LeftOut(str(name), systems, {}, reason))
            continue
        scores = {rule: np.empty(len(found.labels)) for rule in RULES}
        for fit, held in folds.parts:
            fitted = fit[~is_out[fit]]
            _, made = fit_classifier(
                found.vectors[fitted], found.labels[fitted], choices.classifier
            )
            for rule, values in seen_scores(made, found.vectors[held]).items():
                scores[rule][held] = values
        of_seen = {rule: values[among] for rule, values in scores.items()}
        figures = open_set.by_rule(of_seen, ~is_out[among], speakers, resampling)
        each.append(LeftOut(str(name), systems, figures))
    if each and all(one.reason for one in each):
        raise TracingError(str(each[0].reason))
    return tuple(each)


def _guess(tables: Mapping[str, Table], column: str, table: pd.DataFrame) -> Names:
    """The guesses by a column, or by none where it was not known of those fitted to."""
    if column == MOST_FREQUENT or column not in tables:
        return guess(tables[MOST_FREQUENT], [""] * len(table))
    return guess(tables[column], table[column])
