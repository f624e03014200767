"""Figures with their 95 % intervals, by drawing speakers, or single trials where these are unknown.

Trials of a speaker err together, so that to draw trials would give intervals that are too narrow
for speakers who are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fakemamba.evaluation.bootstrap import ENDS_PERCENT, check_replicates, enough
from fakemamba.evaluation.metrics.checks import Counts
from fakemamba.evaluation.uncertainty import Resampling

if TYPE_CHECKING:  # else where trials are drawn, as numba is slow to import
    from fakemamba.evaluation.resampling import Draw, Resampled

SPEAKERS, TRIALS = "clusters, speaker", "trials"


@dataclass(frozen=True)
class TracingFigure:
    """A share of one and its 95 % interval, which is not there where too few draws have a value."""

    value: float
    low: float | None
    high: float | None

    @property
    def least(self) -> float:
        """The lower end, or the figure itself."""
        return self.value if self.low is None else self.low

    @property
    def most(self) -> float:
        """The upper end, or the figure itself."""
        return self.value if self.high is None else self.high


def clusters(table: pd.DataFrame, resampling: Resampling) -> Counts | None:
    """The number of each trial's speaker (n,), if speakers are to be drawn.

    None if trials are: that is asked for, or not all have a speaker, or all have the same.
    """
    if not resampling.clustered:
        return None
    codes, speakers = pd.factorize(table["speaker"])
    return codes.astype(np.int64) if len(speakers) > 1 and (codes >= 0).all() else None


def kind_of(speakers: Counts | None) -> str:
    """What is drawn, in a word or two."""
    return TRIALS if speakers is None else SPEAKERS


def figures_of(
    measured: Resampled,
    names: Sequence[str],
    speakers: Counts | None,
    resampling: Resampling,
    draw: Draw | None = None,
) -> dict[str, TracingFigure]:
    """Figures of trials, and what draws of their speakers make of them.

    Args:
        measured: gives the figures of any draw.
        names: of the figures.
        speakers: the number of each trial's (n,); None draws trials.
        resampling: how often.
        draw: another way to draw than these two.

    Raises:
        BootstrapError: too few draws.
    """
    from fakemamba.evaluation.resampling import draw_clusters, draw_trials, replicate

    count = len(measured)
    plain = measured.measure(np.ones(count, np.int32))
    if not resampling.replicates:
        return {
            one: TracingFigure(float(value), None, None)
            for one, value in zip(names, plain, strict=True)
        }
    check_replicates(resampling.replicates)
    if draw is None:
        draw = draw_trials(count, 0) if speakers is None else draw_clusters([speakers])
    values = replicate([measured], draw, resampling.replicates, resampling.seed)[:, 0]
    found = {}
    for name, value, drawn in zip(names, plain, values.T, strict=True):
        usable = drawn[np.isfinite(drawn)]
        low = high = None
        if enough(len(usable), resampling.replicates):
            low, high = map(float, np.percentile(usable, ENDS_PERCENT))
        found[name] = TracingFigure(float(value), low, high)
    return found
