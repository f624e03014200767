"""How far one visit of a curve's cells is off, and the curve as it might have been.

A cell has 3 to 14 visits: too few to tell its own noise, but all visits of a curve together do. How
far a cell's figure is off follows from it by the number of its visits, with the median's loss, and
is drawn from Student's t. What disturbs a visit makes it longer, so only visits below their cell's
median count; a cell that is off by far more than the curve's others counts with its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakemamba.analysis.scaling.fit import Floats

NORMAL = 0.6827  # of errors that are within one standard deviation
HALF_NORMAL_MEDIAN = 0.6745  # of one standard deviation
MEDIAN_LOSS = 1.3  # of a median's standard error to a mean's: 1.25, and a little for disturbed ones
LEAST_FREEDOM = 2
OWN = 3.0  # times as far off as the curve's others, as a cell's few visits say, is no chance


@dataclass(frozen=True)
class Noise:
    """How far visits and figures are off, as a share of them.

    Attributes:
        visit: standard deviation of one visit, of all cells together.
        figures: of each cell's figure (n,).
        freedom: visits beyond each cell's first.
    """

    visit: float
    figures: Floats
    freedom: int

    def errors(self, draws: int, rng: np.random.Generator) -> Floats:
        """Errors (draws, n) of the logarithms of the figures, as they might have been."""
        wide = np.sqrt(self.freedom / rng.chisquare(self.freedom, (draws, 1)))
        return wide * rng.standard_normal((draws, len(self.figures))) * self.figures


def noise_of(visits: Sequence[npt.ArrayLike]) -> Noise | None:
    """The noise of cells by their visits, n times (k,); None where that is not known."""
    logs = [np.log(np.asarray(one, np.float64)) for one in visits]
    counts = np.array([len(one) for one in logs])
    freedom = int((counts - 1).sum())
    if freedom < LEAST_FREEDOM:
        return None
    below = []
    for one in logs:
        off = np.median(one) - one
        between = 1 + (1 - len(one) % 2) / len(one)  # of an even count it is between two visits
        below.append(between * off[off > 0])
    together = np.concatenate(below)
    visit = float(np.quantile(together, NORMAL)) if len(together) else 0.0
    own = np.array([np.median(one) / HALF_NORMAL_MEDIAN if len(one) else 0.0 for one in below])
    of_each = np.where(own > OWN * visit, own, visit)
    return Noise(visit, MEDIAN_LOSS * of_each / np.sqrt(counts), freedom)
