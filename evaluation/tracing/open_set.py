"""The open set: can trials of systems that were fitted to be told from those of others?

AUROC, the share of unseen trials that pass where 95 % of the seen ones do (FPR at 95 % TPR), and
the EER as everywhere in this package, seen trials being those to accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.resampling import Draws, SortedTrials
from fakemamba.evaluation.tracing.classifiers import RULES, Rule
from fakemamba.evaluation.tracing.intervals import TracingFigure, figures_of
from fakemamba.evaluation.tracing.protocol import Mask
from fakemamba.evaluation.uncertainty import Resampling

NAMES = ("auroc", "fpr_at_95_tpr", "eer")
TPR = 0.95


@dataclass(frozen=True, eq=False)
class SeenOrNot:
    """Trials, those of seen systems first, by how much they are like these (n,)."""

    scores: Floats
    seen: int
    _sorted: SortedTrials = field(init=False)
    _values: Counts = field(init=False)  # the place of each trial's score among all values (n,)

    def __post_init__(self) -> None:
        order = np.argsort(self.scores, kind="stable")
        none = np.empty((0, 3)), np.empty((0, len(order)))
        object.__setattr__(self, "_sorted", SortedTrials(self.seen, order, *none))
        object.__setattr__(self, "_values", np.unique(self.scores, return_inverse=True)[1])

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.scores)

    def measure(self, counts: Draws) -> Floats:
        """AUROC, FPR at 95 % TPR, and EER (3,); NaN if no seen or no unseen trial was drawn."""
        number = int(self._values.max()) + 1
        seen, unseen = (
            np.bincount(self._values[rows], counts[rows], number)
            for rows in (slice(self.seen), slice(self.seen, None))
        )  # (values,), by ascending score
        totals = seen.sum(), unseen.sum()
        if 0 in totals:
            return np.full(3, np.nan)
        below = np.cumsum(unseen) - unseen
        auroc = seen @ (below + unseen / 2) / (totals[0] * totals[1])
        passing = np.cumsum(seen[::-1])  # from the highest score down
        place = int(np.searchsorted(passing, TPR * totals[0] * (1 - 1e-12)))
        false = np.cumsum(unseen[::-1])[place] / totals[1]
        return np.array([auroc, false, self._sorted.measure(counts)[0]])


def by_rule(
    scores: Mapping[Rule, Floats],
    is_seen: Mask,
    speakers: Counts | None,
    resampling: Resampling,
) -> dict[Rule, dict[str, TracingFigure]]:
    """The figures of each rule's scores (n,); none where nothing is unseen.

    ``is_seen`` and ``speakers`` are (n,), too; without speakers trials are drawn.
    """
    if is_seen.all():
        return {}
    order = np.argsort(~is_seen, kind="stable")  # seen trials first
    drawn = None if speakers is None else speakers[order]
    found = {}
    for rule in RULES:
        measured = SeenOrNot(scores[rule][order], int(is_seen.sum()))
        found[rule] = figures_of(measured, NAMES, drawn, resampling)
    return found
