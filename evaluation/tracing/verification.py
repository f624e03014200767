"""Verification: are two recordings of one system? By the cosine of their embeddings, without a fit.

Pairs are of different speakers where there are such of both kinds, as a voice that is known again
would make two recordings alike. Vectors are taken less their mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.resampling import Draw, Draws, SortedTrials, draw_clusters, draw_trials
from fakemamba.evaluation.tracing.classifiers import unit
from fakemamba.evaluation.tracing.intervals import TracingFigure, figures_of
from fakemamba.evaluation.tracing.protocol import Names
from fakemamba.evaluation.uncertainty import Resampling

MOST_TRIALS = 400  # by lot, whose pairs are all taken


@dataclass(frozen=True)
class Verification:
    """How well pairs of one system are told from others.

    Attributes:
        eer: a share of one; None if there are no pairs of one kind, and ``reason`` says so.
        same, different: pairs of one system, and of two.
        across_speakers: all pairs are of two speakers.
        reason: why there is no figure.
    """

    eer: TracingFigure | None
    same: int
    different: int
    across_speakers: bool
    reason: str | None = None


def verify(
    vectors: Floats, labels: Names, speakers: Counts | None, resampling: Resampling
) -> Verification:
    """Compare all pairs of trials, of at most 400 trials by lot.

    Args:
        vectors: (n, width).
        labels: (n,), the names of their systems.
        speakers: the number of each trial's (n,); None where that is not known.
        resampling: of the lot and of the interval, for which speakers are drawn, or trials: a pair
            counts as often as one of it was drawn times the other.
    """
    if len(vectors) > MOST_TRIALS:
        rng = np.random.default_rng(resampling.seed)
        chosen = np.sort(rng.choice(len(vectors), MOST_TRIALS, replace=False))
        vectors, labels = vectors[chosen], labels[chosen]
        speakers = None if speakers is None else np.unique(speakers[chosen], return_inverse=True)[1]
    directions = unit(vectors - vectors.mean(0))
    first, second = np.triu_indices(len(vectors), 1)
    is_same = labels[first] == labels[second]
    across = False
    if speakers is not None:
        differs = speakers[first] != speakers[second]
        across = bool((is_same & differs).any() and (~is_same & differs).any())
        if across:
            first, second, is_same = first[differs], second[differs], is_same[differs]
    same, different = int(is_same.sum()), int((~is_same).sum())
    if not same or not different:
        kind = "two systems" if same else "one system"
        return Verification(None, same, different, across, f"there are no pairs of {kind}")
    order = np.argsort(~is_same, kind="stable")  # those of one system first
    first, second = first[order], second[order]
    cosines = (directions @ directions.T)[first, second]
    none = np.empty((0, 3)), np.empty((0, len(cosines)))
    pairs = SortedTrials(same, np.argsort(cosines, kind="stable"), *none)
    draw = _draw_pairs(first, second, speakers, len(vectors))
    eer = figures_of(pairs, ["eer"], None, resampling, draw)["eer"]
    return Verification(eer, same, different, across)


def _draw_pairs(first: Counts, second: Counts, speakers: Counts | None, trials: int) -> Draw:
    """What draws speakers or trials, and counts pairs by both of their trials."""
    once = draw_trials(trials, 0) if speakers is None else draw_clusters([speakers])

    def draw(rng: np.random.Generator, counts: Draws) -> None:
        of_trials = np.empty(trials, np.int32)
        once(rng, of_trials)
        counts[:] = of_trials[first] * of_trials[second]

    return draw
