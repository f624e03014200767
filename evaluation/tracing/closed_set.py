"""The closed set: how often the system is named rightly where it is one of those fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.resampling import Draws

NAMES = ("accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class Named:
    """Trials by the codes of their systems, and of those that they were said to be of (n,)."""

    truth: Counts
    said: Counts
    classes: int

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.truth)

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Which were named rightly (n,)."""
        return self.truth == self.said

    def confusion(self, counts: Draws) -> Counts:
        """How many trials of each system (rows) were said to be of each (columns)."""
        places = self.truth * self.classes + self.said
        flat = np.bincount(places, counts, self.classes**2).astype(np.int64)
        return flat.reshape(self.classes, self.classes)

    def measure(self, counts: Draws) -> Floats:
        """Accuracy, and the mean over systems that have trials of their F1 (2,)."""
        confusion = self.confusion(counts)
        right, trials = np.diag(confusion), confusion.sum(1)
        total = trials.sum()
        if total == 0:
            return np.full(2, np.nan)
        has = trials > 0
        f1 = 2 * right[has] / (trials + confusion.sum(0))[has]
        return np.array([right.sum() / total, f1.mean()])


@dataclass(frozen=True, eq=False)
class Right:
    """Trials that were guessed rightly or not (n,), and whose accuracy alone is asked for.

    Of a difference of two such, from -1 to 1, it is the difference of the accuracies.
    """

    is_right: Counts

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.is_right)

    def measure(self, counts: Draws) -> Floats:
        """The accuracy (1,)."""
        total = counts.sum()
        return np.array([np.nan if total == 0 else counts @ self.is_right / total])
