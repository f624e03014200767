"""The open set: can trials of systems that were fitted to be told from those of others?

AUROC, the share of unseen trials that pass where 95 % of the seen ones do (FPR at 95 % TPR), and
the EER as everywhere in this package, seen trials being those to accept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.resampling import Draws, SortedTrials

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
