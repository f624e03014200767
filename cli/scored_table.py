"""Scores of trials by a detector as a table, with progress on stderr."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fakemamba.cli.printing import counting
from fakemamba.data.trials import Trial
from fakemamba.evaluation.eer_rise import scores_of
from fakemamba.evaluation.manner import Manner
from fakemamba.models.detector import Detector


def scored_table(
    what: str, detector: Detector, trials: Sequence[Trial], manner: Manner
) -> pd.DataFrame:
    """What `scores_of` gives; ``what`` is scored, for people."""
    shown = counting(f"scoring {what}", total=len(trials), transient=True)
    return scores_of(detector, trials, manner, shown)
