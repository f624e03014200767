"""Tables of scored windows to the decisions that a listener would have made, trial by trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.streams.combining import Combiner
from fakemamba.evaluation.streams.windowing import Windowing


@dataclass(frozen=True, eq=False)
class Decisions:
    """What was said of a trial while it was heard.

    Attributes:
        at_s: seconds that were heard (n,), ascending; silent windows say nothing.
        scores: by the rule (n,), higher is more bona fide.
        heard_s: seconds until its end.
    """

    at_s: Floats
    scores: Floats
    heard_s: float

    def score_at(self, prefix_s: float) -> float:
        """The last score within a prefix, or of all if it is shorter; NaN if there was none yet."""
        count = int(np.searchsorted(self.at_s, prefix_s + 1 / SAMPLE_RATE_HZ))
        return float(self.scores[count - 1]) if count else float("nan")


def decisions_of(
    windows: pd.DataFrame, windowing: Windowing, calibration: Calibration | None = None
) -> dict[str, Decisions]:
    """Decisions of each trial, by a rule.

    Args:
        windows: from `read_windows`.
        windowing: the windows, and the rule.
        calibration: of single windows, for the rule ``evidence``.

    Raises:
        WindowingError: a rule without its calibration.
    """
    rows = zip(*(windows[name].tolist() for name in windows), strict=True)
    found: dict[str, Decisions] = {}
    current, combiner = None, Combiner(windowing, calibration)
    at_s: list[float] = []
    scores: list[float] = []
    heard_s = 0.0
    for trial_id, start_s, end_s, score in rows:
        if trial_id != current:
            if current is not None:
                found[current] = Decisions(np.array(at_s), np.array(scores), heard_s)
            current, combiner = trial_id, Combiner(windowing, calibration)
            at_s, scores = [], []
        heard_s = end_s
        if score == score:  # not silence
            start, end = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
            at_s.append(end_s)
            scores.append(combiner.add(start, end, score))
    if current is not None:
        found[current] = Decisions(np.array(at_s), np.array(scores), heard_s)
    return found
