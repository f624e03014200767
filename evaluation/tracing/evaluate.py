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
from fakemamba.evaluation.tracing.classifiers import RULES, Rule, seen_scores
from fakemamba.evaluation.tracing.confounds import (
    CONFOUND_COLUMNS,
    MOST_FREQUENT,
    Table,
    contingency,
    guess,
)
from fakemamba.evaluation.tracing.figures import Said, TracingEvaluation, judged
from fakemamba.evaluation.tracing.folds import BY_TRIAL, Folds
from fakemamba.evaluation.tracing.intervals import TracingFigure, clusters
from fakemamba.evaluation.tracing.protocol import Mask, Names, Traced, TracingError, listed_few
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
    one_unseen: bool = False,
    progress: Progress = iter,
) -> TracingEvaluation:
    """Fit to all folds but one and judge that one, for each.

    Args:
        found: what `split` gave, with ``folds``.
        folds: see there.
        choices: of the tracers.
        unseen: systems that are not fitted to.
        resampling: of the intervals.
        one_unseen: leave each system out in turn as well.
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
    if not one_unseen:
        return evaluated
    return replace(
        evaluated, one_unseen=_each_unseen(found, folds, choices, is_seen, resampling, progress)
    )


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


def _each_unseen(
    found: Traced,
    folds: Folds,
    choices: Choices,
    is_seen: Mask,
    resampling: Resampling,
    progress: Progress,
) -> dict[str, dict[Rule, dict[str, TracingFigure]]]:
    """Each system in turn is not fitted to, in the same folds; where two others are left."""
    systems = sorted(set(found.labels[is_seen]))
    if len(systems) < 3:
        raise TracingError(
            f"leaving one {found.label} out leaves fewer than two of {len(systems)} to tell apart"
        )
    among = found.vectors[is_seen], found.labels[is_seen]
    speakers = clusters(found.table[is_seen], resampling)
    places = np.cumsum(is_seen) - 1
    each = {}
    for name in progress(systems):
        scores = {rule: np.empty(len(among[1])) for rule in RULES}
        for fit, held in folds.parts:
            fitted = fit[found.labels[fit] != name]
            held = held[is_seen[held]]
            _, made = fit_classifier(
                found.vectors[fitted], found.labels[fitted], choices.classifier
            )
            for rule, values in seen_scores(made, found.vectors[held]).items():
                scores[rule][places[held]] = values
        each[str(name)] = open_set.by_rule(scores, among[1] != name, speakers, resampling)
    return each


def _guess(tables: Mapping[str, Table], column: str, table: pd.DataFrame) -> Names:
    """The guesses by a column, or by none where it was not known of those fitted to."""
    if column == MOST_FREQUENT or column not in tables:
        return guess(tables[MOST_FREQUENT], [""] * len(table))
    return guess(tables[column], table[column])
