"""Which bootstrap trials allow: of speakers and attacks where they are known, else of trials.

Trials of one speaker or attack err together, so drawing single trials makes intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TypeVar

import pandas as pd

from fakemamba.evaluation.bootstrap import (
    BootstrapError,
    Difference,
    Interval,
    bootstrap,
    paired,
)
from fakemamba.evaluation.metrics.tandem import AsvRates
from fakemamba.holm import holm

TOO_NARROW = "intervals are of single trials and too narrow"
COMPARED = ("eer", "min_dcf")
CLUSTERS = (("speaker", "attack"), ("speaker",))  # the first that the trials allow is taken

Result = TypeVar("Result")


@dataclass(frozen=True)
class Resampling:
    """How to draw trials.

    Attributes:
        replicates: how often; 0 draws nothing.
        clustered: speakers and attacks, where they are known; else trials.
        seed: of the draws.
    """

    replicates: int = 1000
    clustered: bool = True
    seed: int = 0


USUAL = Resampling()


@dataclass(frozen=True)
class PairedDifference:
    """One metric of a system less that of another on the same trials.

    Attributes:
        metric: its name.
        first: a system,
        second: and the one that is subtracted.
        difference: with its interval and its p value.
        p_holm: the p value corrected for all pairs of this metric (Holm, 1979).
    """

    metric: str
    first: str
    second: str
    difference: Difference
    p_holm: float


def intervals(
    table: pd.DataFrame,
    metrics: Sequence[str],
    resampling: Resampling,
    asv: AsvRates | None = None,
) -> tuple[dict[str, Interval], str | None]:
    """95 % intervals of metrics, and what is to be said against them.

    Args:
        table: from `join`, with trials of both classes.
        metrics: that `bootstrap` knows.
        resampling: how.
        asv: error rates of the ASV system, for t-DCFs.

    Raises:
        BootstrapError: not even trials can be resampled, as with too few replicates.
    """
    if not resampling.replicates:
        return {}, None
    compute = partial(
        bootstrap, table, metrics, resampling.replicates, seed=resampling.seed, asv=asv
    )
    return most_clustered(compute, table, resampling)


def differences(
    tables: Mapping[str, pd.DataFrame], resampling: Resampling
) -> tuple[list[PairedDifference], str | None]:
    """Each system's EER and minDCF less those of each later one, and what is to be said against it.

    Args:
        tables: of each system by its name, from `join`, of the same trials.
        resampling: how.

    Raises:
        BootstrapError: as `intervals`; tables of different trials.
    """
    found, doubts = [], []
    for metric in COMPARED if resampling.replicates else ():
        of_pairs = []
        for first, second in combinations(tables, 2):
            compute = partial(
                paired,
                *(tables[first], tables[second], metric, resampling.replicates),
                seed=resampling.seed,
            )
            difference, doubt = most_clustered(compute, tables[first], resampling)
            of_pairs.append((first, second, difference))
            doubts.append(doubt)
        corrected = holm([difference.p_value for _, _, difference in of_pairs])
        for (first, second, difference), p_holm in zip(of_pairs, corrected, strict=True):
            found.append(PairedDifference(metric, first, second, difference, float(p_holm)))
    return found, next((doubt for doubt in doubts if doubt), None)


def most_clustered(
    compute: Callable[..., Result], table: pd.DataFrame, resampling: Resampling
) -> tuple[Result, str | None]:
    """The result for clusters if the trials have them, else for trials, with the reason.

    ``compute`` takes the columns to draw by, or None, as ``cluster``.
    """
    reason = "clusters were not asked for"
    if resampling.clustered and table["speaker"].isna().all():
        reason = "no speaker is known"
    elif resampling.clustered:
        for cluster in CLUSTERS:
            try:
                return compute(cluster=cluster), None
            except BootstrapError as error:
                reason = str(error)
    return compute(cluster=None), f"{TOO_NARROW}: {reason}"
