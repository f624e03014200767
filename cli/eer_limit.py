"""By how much the EER of a detector may rise that is written in another form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fakemamba.cli.scored_table import scored_table
from fakemamba.data.trials import Trial
from fakemamba.evaluation.bootstrap import Difference
from fakemamba.evaluation.eer_rise import eer_rise
from fakemamba.evaluation.manner import Manner
from fakemamba.models.detector import Detector
from fakemamba.models.loading import load_detector


class EerLimit:
    """The rise of EER over a whole detector in fp32, and its limit.

    Args:
        whole: it, which is scored at once.
        trials: with labels.
        manner: how they are scored.
        most_points: percentage points that the upper end of a rise's interval may be.
    """

    def __init__(
        self, whole: Detector, trials: Sequence[Trial], manner: Manner, most_points: float
    ) -> None:
        self.trials, self.manner, self.most_points = trials, manner, most_points
        self._before = scored_table("the detector", whole, trials, manner)

    def rise(self, what: str, scored: Path | Detector) -> Difference:
        """Of a detector, or of a model in a file; ``what`` it is, for people."""
        detector = load_detector(scored) if isinstance(scored, Path) else scored
        return eer_rise(scored_table(what, detector, self.trials, self.manner), self._before)

    def allows(self, rise: Difference) -> bool:
        """Whether the rise is within the limit, at the upper end of its interval."""
        return rise.high * 100 <= self.most_points


def in_points(rise: Difference) -> str:
    """A rise in percentage points, with its interval."""
    low, value, high = (100 * one for one in (rise.low, rise.value, rise.high))
    return f"{value:.2f} percentage points ({low:.2f} to {high:.2f})"
