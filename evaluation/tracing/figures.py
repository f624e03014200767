"""What tracing is worth: all figures of what was said of trials that were not fitted to.

Of these the systems that were fitted are the closed set, and all others are those that "none of
these" would be right for. Beside them stand the possible confounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fakemamba.evaluation.tracing import closed_set, open_set
from fakemamba.evaluation.tracing.classifiers import Floats, Rule
from fakemamba.evaluation.tracing.closed_set import Named
from fakemamba.evaluation.tracing.confounds import (
    CONFOUND_COLUMNS,
    MOST_FREQUENT,
    Confound,
    guessed,
    probe,
)
from fakemamba.evaluation.tracing.folds import BY_TRIAL, Folds, inner_folds
from fakemamba.evaluation.tracing.intervals import (
    TracingFigure,
    clusters,
    figures_of,
    kind_of,
)
from fakemamba.evaluation.tracing.protocol import Mask, Names, Traced, TracingError
from fakemamba.evaluation.tracing.tracer import Choices
from fakemamba.evaluation.tracing.verification import Verification, verify
from fakemamba.evaluation.uncertainty import Resampling


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
class LeftOut:
    """How well a system, or all systems of a family, are known to be none of the others.

    Attributes:
        name: of the system or family.
        systems: that were not fitted to.
        open: as in `TracingEvaluation`, against the systems that are left.
        reason: why there is nothing in it.
    """

    name: str
    systems: tuple[str, ...]
    open: dict[Rule, dict[str, TracingFigure]]
    reason: str | None = None


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
        confounds: possible ones.
        one_unseen: each system, or family, left out in turn; empty where not asked for.
    """

    label: str
    choices: Choices
    kept_together: str
    drawn: str
    trials: int
    left_out: dict[str, int]
    closed: dict[str, TracingFigure]
    classes: tuple[str, ...]
    confusion: list[list[int]]
    systems: dict[str, System]
    open: dict[Rule, dict[str, TracingFigure]]
    verification: Verification
    confounds: tuple[Confound, ...]
    one_unseen: tuple[LeftOut, ...] = ()

    @property
    def confounding(self) -> list[Confound]:
        """Those of them that do as well as tracing."""
        return [one for one in self.confounds if one.does_as_well]


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of n trials, none of which was fitted to.

    ``names`` (n,) are the likeliest systems, ``scores`` (n,) those of the open set by rule,
    ``is_none`` (n,) which were refused; all of seen and unseen systems.
    """

    names: Names
    scores: dict[Rule, Floats]
    is_none: Mask


def judged(
    found: Traced,
    said: Said,
    is_seen: Mask,
    classes: tuple[str, ...],
    choices: Choices,
    folds: Folds | None,
    kept_together: str,
    guesses: Mapping[str, Names],
    resampling: Resampling,
) -> TracingEvaluation:
    """All figures of what was said.

    Args:
        found: the trials (n,).
        said: of them.
        is_seen: (n,), whose systems were fitted to.
        classes: these systems.
        choices: of the tracer.
        folds: of tracing; None lets probes have folds of their own.
        kept_together: what was never on both sides.
        guesses: the systems that trials (n,) would be said to be of, by each column.
        resampling: of the intervals.
    """
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
    is_traced = said.names == found.labels
    confounds = []
    for column, names in guesses.items():
        values = [""] * len(truth) if column == MOST_FREQUENT else _values(found, column, is_seen)
        if column != found.label:
            is_right = names[is_seen] == truth
            seen = (is_right, is_traced[is_seen], of_seen, resampling)
            confounds.append(guessed(column, values, *seen))
    for column in (one for one in CONFOUND_COLUMNS if one != found.label):
        values = _values(found, column)
        own = folds or _own_folds(values, resampling.seed)
        confounds.append(
            probe(
                found.vectors,
                column,
                values,
                own,
                is_seen,
                is_traced,
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
        closed=figures_of(named, closed_set.NAMES, of_seen, resampling),
        classes=classes,
        confusion=confusion,
        systems=_systems(found.labels, said, is_seen),
        open=open_set.by_rule(said.scores, is_seen, speakers, resampling),
        verification=verify(found.vectors, found.labels, speakers, resampling),
        confounds=tuple(confounds),
    )


def _systems(labels: Names, said: Said, is_seen: Mask) -> dict[str, System]:
    found = {}
    for name in sorted(set(labels), key=lambda one: (not is_seen[labels == one].any(), one)):
        of_it = labels == name
        seen = bool(is_seen[of_it].any())
        right = float((said.names[of_it] == name).mean()) if seen else None
        refused = float(said.is_none[of_it].mean())
        found[str(name)] = System(int(of_it.sum()), seen, right, refused)
    return found


def _own_folds(values: Sequence[str | None], seed: int) -> Folds:
    """Folds of trials by a column's values, for a probe where tracing has none."""
    known = np.array([one or "" for one in values], object)
    try:
        return inner_folds(known, None, seed)
    except TracingError:
        return Folds([], BY_TRIAL)


def _values(found: Traced, column: str, chosen: Mask | None = None) -> list[str | None]:
    values = found.table[column] if chosen is None else found.table[column][chosen]
    return [one if isinstance(one, str) else None for one in values]
