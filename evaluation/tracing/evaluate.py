"""Tracing judged: by folds of one set of trials, or by a fitted tracer on trials of others.

Both come to the same: what was said of trials that were not fitted to. Of these the systems that
were fitted are the closed set, and all others are those that "none of these" would be right for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.evaluation.tracing import closed_set, open_set
from fakemamba.evaluation.tracing.classifiers import RULES, Floats, Rule, seen_scores
from fakemamba.evaluation.tracing.closed_set import Named
from fakemamba.evaluation.tracing.confounds import (
    CONFOUNDS,
    MOST_FREQUENT,
    Control,
    Table,
    contingency,
    guess,
    guessed,
    probe,
)
from fakemamba.evaluation.tracing.folds import Folds, divide, inner_folds
from fakemamba.evaluation.tracing.intervals import (
    Estimate,
    clusters,
    estimates,
    kind_of,
)
from fakemamba.evaluation.tracing.open_set import SeenOrNot
from fakemamba.evaluation.tracing.protocol import (
    Mask,
    Names,
    Traced,
    TracingError,
    apart,
    check_classes,
    listed_few,
)
from fakemamba.evaluation.tracing.tracer import Choices, Tracer, fit_classifier, fit_tracer
from fakemamba.evaluation.tracing.verification import Verification, verify
from fakemamba.evaluation.uncertainty import USUAL, Resampling

BY_TRIAL, USUAL_SPLIT = "trial", "speaker"
Progress = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, eq=False)
class System:
    """What was said of the trials of one system.

    Attributes:
        trials: how many.
        is_seen: it was fitted to.
        right: share that was named rightly, if it had to be one of those known; None of unseen.
        refused: share of which it was said that it is none of these.
    """

    trials: int
    is_seen: bool
    right: float | None
    refused: float


@dataclass(frozen=True, eq=False)
class TracingEvaluation:
    """How well systems are traced.

    Attributes:
        label: the column that names systems.
        choices: of the tracer.
        kept_together: what was never on both sides: ``speaker``, ``trial``, or ``model`` where a
            tracer was given that was fitted to other trials.
        drawn: what intervals are drawn of.
        trials: how many were judged, of seen and unseen systems.
        left_out: how many were not, by the reason.
        closed: accuracy and macro_f1 of seen systems.
        classes: those fitted to, in the order of ``confusion``.
        confusion: trials of each seen system (rows) by what they were said to be of, if it had to
            be one of these.
        systems: by their names.
        open: for each rule AUROC, FPR at 95 % TPR and EER; empty where no system is unseen.
        verification: of pairs.
        controls: negative ones.
        one_unseen: for each system in turn that was not fitted to, by rule, the AUROC and so on;
            empty where not asked for.
    """

    label: str
    choices: Choices
    kept_together: str
    drawn: str
    trials: int
    left_out: dict[str, int]
    closed: dict[str, Estimate]
    classes: tuple[str, ...]
    confusion: list[list[int]]
    systems: dict[str, System]
    open: dict[Rule, dict[str, Estimate]]
    verification: Verification
    controls: tuple[Control, ...]
    one_unseen: dict[str, dict[Rule, dict[str, Estimate]]]

    @property
    def confounding(self) -> list[Control]:
        """The controls that do as well as tracing."""
        accuracy = self.closed["accuracy"]
        return [one for one in self.controls if one.does_as_well(accuracy)]


@dataclass(frozen=True, eq=False)
class _Said:
    """What was said of n trials, none of which was fitted to.

    ``names`` (n,) are the likeliest systems, ``scores`` (n,) those of the open set by rule,
    ``is_none`` (n,) which were refused; all of seen and unseen systems.
    """

    names: Names
    scores: dict[Rule, Floats]
    is_none: Mask


def split(found: Traced, by: str | None, unseen: Sequence[str], seed: int) -> tuple[Traced, Folds]:
    """Trials in folds, and which trials are left for that.

    Args:
        found: of all systems.
        by: a column that is never on both sides, or ``trial``; None is the speaker, where each
            trial and two of each system are known, else the trial.
        unseen: systems that are not fitted to.
        seed: of the lot.

    Raises:
        TracingError: a system of ``unseen`` has no trials, fewer than two others are left, one of
            them has a single trial, or they cannot be divided.
    """
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
    guesses = {column: np.empty(count, object) for column in (*CONFOUNDS, MOST_FREQUENT)}
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
    evaluated = _evaluation(
        found,
        _Said(names, scores, is_none),
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
            f"no trial is of a {found.label} that was fitted to ({listed_few(tracer.classes)})"
        )
    said = tracer.trace(found.vectors)
    names = np.array(tracer.classes, object)[said.codes]
    guesses = {
        column: _guess(tables, column, found.table) for column in (*CONFOUNDS, MOST_FREQUENT)
    }
    return _evaluation(
        found,
        _Said(names, said.scores, said.is_none),
        is_seen,
        tracer.classes,
        tracer.choices,
        None,
        "model",
        guesses,
        resampling,
    )


def _split_by(found: Traced, by: str, unseen: Sequence[str], seed: int) -> tuple[Traced, Folds]:
    if by != BY_TRIAL:
        found = apart(found, by, unseen)
    is_seen = ~np.isin(found.labels, list(unseen))
    check_classes(found.labels[is_seen], found.label)
    groups = None if by == BY_TRIAL else found.groups(by)
    return found, divide(found.labels, is_seen, groups, by, seed)


def _evaluation(
    found: Traced,
    said: _Said,
    is_seen: Mask,
    classes: tuple[str, ...],
    choices: Choices,
    folds: Folds | None,
    kept_together: str,
    guesses: Mapping[str, Names],
    resampling: Resampling,
) -> TracingEvaluation:
    """All figures of what was said; ``folds`` None lets probes have folds of their own."""
    speakers = clusters(found.table, resampling)
    of_seen = clusters(found.table[is_seen], resampling)
    truth = found.labels[is_seen]
    named = Named(
        np.searchsorted(classes, truth.astype(str)),
        np.searchsorted(classes, said.names[is_seen].astype(str)),
        len(classes),
    )
    once = np.ones(len(named), np.int32)
    confusion = named.confusion(once).astype(int).tolist()
    controls = []
    for column, names in guesses.items():
        values = [""] * len(truth) if column == MOST_FREQUENT else _values(found, column, is_seen)
        if column != found.label:
            seen = (names[is_seen], of_seen, resampling)
            controls.append(guessed(column, values, truth, *seen))
    for column in (one for one in CONFOUNDS if one != found.label):
        values = _values(found, column)
        own = folds or _own_folds(values, resampling.seed)
        controls.append(
            probe(
                found.vectors,
                column,
                values,
                own,
                is_seen,
                choices.classifier,
                speakers,
                resampling,
            )
        )
    return TracingEvaluation(
        label=found.label,
        choices=choices,
        kept_together=kept_together,
        drawn=kind_of(of_seen),
        trials=len(found.labels),
        left_out=found.left_out,
        closed=estimates(named, closed_set.NAMES, of_seen, resampling),
        classes=classes,
        confusion=confusion,
        systems=_systems(found.labels, said, is_seen),
        open=_open(said.scores, is_seen, speakers, resampling),
        verification=verify(found.vectors, found.labels, speakers, resampling),
        controls=tuple(controls),
        one_unseen={},
    )


def _systems(labels: Names, said: _Said, is_seen: Mask) -> dict[str, System]:
    found = {}
    for name in sorted(set(labels), key=lambda one: (not is_seen[labels == one].any(), one)):
        of_it = labels == name
        seen = bool(is_seen[of_it].any())
        right = float((said.names[of_it] == name).mean()) if seen else None
        refused = float(said.is_none[of_it].mean())
        found[str(name)] = System(int(of_it.sum()), seen, right, refused)
    return found


def _open(
    scores: Mapping[Rule, Floats],
    is_seen: Mask,
    speakers: np.ndarray | None,
    resampling: Resampling,
) -> dict[Rule, dict[str, Estimate]]:
    """Each rule's figures; none where nothing is unseen."""
    if is_seen.all():
        return {}
    order = np.argsort(~is_seen, kind="stable")  # seen trials first
    drawn = None if speakers is None else speakers[order]
    found = {}
    for rule in RULES:
        measured = SeenOrNot(scores[rule][order], int(is_seen.sum()))
        found[rule] = estimates(measured, open_set.NAMES, drawn, resampling)
    return found


def _each_unseen(
    found: Traced,
    folds: Folds,
    choices: Choices,
    is_seen: Mask,
    resampling: Resampling,
    progress: Progress,
) -> dict[str, dict[Rule, dict[str, Estimate]]]:
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
        each[str(name)] = _open(scores, among[1] != name, speakers, resampling)
    return each


def _own_folds(values: Sequence[str | None], seed: int) -> Folds:
    """Folds of trials by a column's values, for a probe where tracing has none."""
    known = np.array([one or "" for one in values], object)
    try:
        return inner_folds(known, None, seed)
    except TracingError:
        return Folds([], BY_TRIAL)


def _guess(tables: Mapping[str, Table], column: str, table: pd.DataFrame) -> Names:
    """The guesses by a column, or by none where it was not known of those fitted to."""
    if column == MOST_FREQUENT or column not in tables:
        return guess(tables[MOST_FREQUENT], [""] * len(table))
    return guess(tables[column], table[column])


def _values(found: Traced, column: str, chosen: Mask | None = None) -> list[str | None]:
    values = found.table[column] if chosen is None else found.table[column][chosen]
    return [one if isinstance(one, str) else None for one in values]
