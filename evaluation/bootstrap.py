"""How sure a metric is: percentile intervals by the bootstrap, and paired differences of systems.

Two ways to resample. Trial-wise, as many trials of each class are drawn as there are: what another
draw of trials would give from the same speakers and attacks, with the share of spoof fixed. These
intervals are too narrow for a claim about detectors, since trials of a speaker or an attack err
together. Clustered by speaker and attack, these are drawn instead, and a trial counts as often as
its speaker times its attack was drawn (Owen, "The pigeonhole bootstrap", Annals of Applied
Statistics 1, 2007); in simulations it is a little too wide rather than too narrow.

A replicate's value is the metric of the drawn trials, a trial that was drawn twice being two. The
error rates of an ASV system are taken as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.trials import BONA_FIDE, SPOOF
from fakemamba.evaluation.metrics.checks import Counts, Floats, checked
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5, DcfCosts, LinearCost
from fakemamba.evaluation.metrics.detection import surprise_bits
from fakemamba.evaluation.metrics.tandem import AsvRates, linear_2019, linear_2021

if TYPE_CHECKING:  # else where trials are drawn, as numba is slow to import
    from fakemamba.evaluation.resampling import Draw, SortedTrials

LINEAR = ("min_dcf", "min_tdcf_2019", "min_tdcf_2021")
MEANS = ("act_dcf", "cllr_bits")
METRICS = ("eer", "min_dcf", "act_dcf", "cllr_bits")
ENDS_PERCENT = (2.5, 97.5)
LEAST_REPLICATES = 40  # at fewer the ends of a 95 % interval are the most extreme replicates
LEAST_USABLE = 0.9  # of the replicates have to have a figure


class BootstrapError(ValueError):
    """Trials cannot be resampled as asked; the message says why and what can be."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, of how many replicates, and what was resampled."""

    low: float
    high: float
    replicates: int
    kind: str


@dataclass(frozen=True)
class Difference:
    """One system's metric less another's on the same trials, its 95 % interval and p value.

    ``p_value`` is two-sided, of no difference: that of the normal distribution whose standard
    deviation the replicates have. Shares of replicates would end at 2 / (replicates + 1), which
    Holm's correction over 28 pairs raises over 5 % however large the difference is.
    """

    value: float
    low: float
    high: float
    p_value: float
    replicates: int
    kind: str


def bootstrap(
    table: pd.DataFrame,
    metrics: Sequence[str] = METRICS,
    replicates: int = 1000,
    cluster: Sequence[str] | None = None,
    seed: int = 0,
    *,
    costs: DcfCosts = DCF_ASVSPOOF5,
    asv: AsvRates | None = None,
) -> dict[str, Interval]:
    """95 % percentile intervals of metrics.

    Args:
        table: one row a trial: score, label and, to resample clusters, their columns.
        metrics: any of eer, min_dcf, act_dcf, cllr_bits, min_tdcf_2019 and min_tdcf_2021.
        replicates: how many times trials are drawn.
        cluster: columns whose values are drawn, ("speaker", "attack") for instance; None draws
            trials. A class that has no value in a column, as bona fide trials have no attack, is
            resampled by the others alone.
        seed: the same one gives the same intervals, on any number of threads.
        costs: of min_dcf and act_dcf.
        asv: error rates of the ASV system, for the t-DCFs at their published costs.

    Raises:
        BootstrapError: an unknown metric, a t-DCF without ASV rates, too few replicates, trials or
            a class without a cluster, a column with a single value, or replicates without a class.
        MetricError: a class without trials, or scores that are not finite.
    """
    found = _resample([table], metrics, replicates, cluster, seed, costs, asv)
    return percentile_intervals(metrics, found.values[:, 0], found.kind)


def percentile_intervals(
    metrics: Sequence[str], values: npt.NDArray[np.float64], kind: str
) -> dict[str, Interval]:
    """The middle 95 % of each metric's values (replicates, metrics), drawn as ``kind`` says."""
    ends = np.percentile(values, ENDS_PERCENT, axis=0)  # (2, metrics)
    return {
        metric: Interval(float(low), float(high), len(values), kind)
        for metric, (low, high) in zip(metrics, ends.T, strict=True)
    }


def paired(
    table_a: pd.DataFrame,
    table_b: pd.DataFrame,
    metric: str = "eer",
    replicates: int = 1000,
    cluster: Sequence[str] | None = None,
    seed: int = 0,
    *,
    costs: DcfCosts = DCF_ASVSPOOF5,
    asv: AsvRates | None = None,
) -> Difference:
    """The metric of system a less that of b, where both see the same draws of trials.

    Args:
        table_a: as for `bootstrap`, with a column trial_id.
        table_b: the same trials in any order; its scores are used, and table_a's clusters.
        metric: one of those of `bootstrap`, as are the other arguments.

    Raises:
        BootstrapError: as `bootstrap`; other trials, or other labels of them.
        MetricError: a class without trials, or scores that are not finite.
    """
    tables = [table_a, _aligned(table_b, table_a)]
    found = _resample(tables, [metric], replicates, cluster, seed, costs, asv)
    value = float(found.plain[0, 0] - found.plain[1, 0])
    return difference(value, found.values[:, 0, 0] - found.values[:, 1, 0], found.kind)


def difference(value: float, replicates: Floats, kind: str) -> Difference:
    """A difference with its interval, from those of replicates (n,), drawn as ``kind`` says."""
    from scipy.special import ndtr  # scipy.stats takes a second to import

    low, high = np.percentile(replicates, ENDS_PERCENT)
    spread = replicates.std(ddof=1)
    if spread > 0:
        p_value = float(2 * ndtr(-abs(value) / spread))
    else:  # the same in every replicate, so that shares are all there is
        p_value = 1.0 if value == 0 else 2 / (len(replicates) + 1)
    return Difference(value, float(low), float(high), p_value, len(replicates), kind)


@dataclass(frozen=True, eq=False)
class _Resampled:
    """Values of those draws in which both classes are, and of the trials as they are.

    ``values`` is (replicates, systems, metrics), ``plain`` is (systems, metrics).
    """

    values: npt.NDArray[np.float64]
    plain: npt.NDArray[np.float64]
    kind: str


def _resample(
    tables: Sequence[pd.DataFrame],
    metrics: Sequence[str],
    replicates: int,
    cluster: Sequence[str] | None,
    seed: int,
    costs: DcfCosts,
    asv: AsvRates | None,
) -> _Resampled:
    """Metrics of several systems, whose tables have the same trials in the same order."""
    from fakemamba.evaluation.resampling import replicate

    check_replicates(replicates)
    linear = _linear_costs(metrics, costs, asv)
    means = [metric for metric in MEANS if metric in metrics]
    is_spoof = _is_spoof(tables[0])
    # By class, then by the first system's score, so that its trials are read one after the other.
    places = np.lexsort((tables[0]["score"].to_numpy(np.float64), is_spoof))
    bonafide = len(places) - int(is_spoof.sum())
    systems = [
        _sorted_trials(one["score"].to_numpy(np.float64)[places], bonafide, linear, means, costs)
        for one in tables
    ]
    clusters = tables[0].filter(list(cluster or ()))  # no other column is moved
    draw, kind = how_to_draw(clusters.iloc[places], bonafide, cluster)
    computed = ["eer", *linear, *means]
    columns = [computed.index(metric) for metric in metrics]
    values = replicate(systems, draw, replicates, seed)[..., columns]
    usable = np.isfinite(values).all(axis=(1, 2))
    check_usable(int(usable.sum()), replicates, cluster)
    once = np.ones(len(places), np.int32)
    plain = np.array([system.measure(once)[columns] for system in systems])
    return _Resampled(values[usable], plain, kind)


def check_replicates(replicates: int) -> None:
    """Refuse too few.

    Raises:
        BootstrapError: they are.
    """
    if replicates < LEAST_REPLICATES:
        raise BootstrapError(
            f"{replicates} replicates cannot give a 95 % interval: at least {LEAST_REPLICATES}, "
            "better 1,000"
        )


def enough(usable: int | Counts, replicates: int) -> npt.NDArray[np.bool_]:
    """Whether enough draws have a figure, where others have none, for an interval of it.

    Args:
        usable: how many have it, of one figure or of several (n,).
        replicates: of how many.
    """
    return np.asarray(np.asarray(usable) / replicates >= LEAST_USABLE)


def check_usable(usable: int, replicates: int, cluster: Sequence[str] | None) -> None:
    """Refuse draws of which too many have no trial of a class, by the rule of `enough`.

    Raises:
        BootstrapError: they are.
    """
    if not enough(usable, replicates):
        raise BootstrapError(
            f"{replicates - usable:,} of {replicates:,} replicates drew no trial of one class, as "
            f"too few clusters by {' x '.join(cluster or ())} have trials of it; resample trials, "
            "and say so"
        )


def _linear_costs(
    metrics: Sequence[str], costs: DcfCosts, asv: AsvRates | None
) -> dict[str, LinearCost]:
    """The linear costs whose minimum is asked for."""
    known = ("eer", *LINEAR, *MEANS)
    if unknown := [metric for metric in metrics if metric not in known]:
        raise BootstrapError(f"no intervals of {', '.join(unknown)}; there are {', '.join(known)}")
    found = {}
    for metric in (one for one in LINEAR if one in metrics):
        if metric == "min_dcf":
            found[metric] = costs.linear
        elif asv is None:
            raise BootstrapError(f"{metric} needs the error rates of an ASV system")
        else:
            found[metric] = (linear_2019 if metric == "min_tdcf_2019" else linear_2021)(asv)
    return found


def _is_spoof(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    if unknown := set(table["label"].unique()) - {BONA_FIDE, SPOOF}:
        raise BootstrapError(
            f"labels must be {BONA_FIDE} or {SPOOF}, not {', '.join(map(repr, unknown))}"
        )
    return (table["label"] == SPOOF).to_numpy()


def _sorted_trials(
    scores: Floats,
    bonafide: int,
    linear: dict[str, LinearCost],
    means: Sequence[str],
    costs: DcfCosts,
) -> SortedTrials:
    """One system's trials; scores (n,) are those of bona fide trials, then those of spoof."""
    from fakemamba.evaluation.resampling import SortedTrials

    real, fake = checked("bona fide", scores[:bonafide]), checked("spoof", scores[bonafide:])
    slopes = [
        (one.floor, one.miss / one.default, one.false_accept / one.default)
        for one in linear.values()
    ]
    losses = [_losses(metric, real, fake, costs) for metric in means]
    return SortedTrials(
        bonafide,
        np.argsort(scores, kind="stable"),
        np.array(slopes).reshape(len(linear), 3),
        np.array(losses).reshape(len(means), len(scores)),
    )


def _losses(metric: str, real: Floats, fake: Floats, costs: DcfCosts) -> Floats:
    """What each trial costs (n,) in a metric that is the sum of both classes' means."""
    if metric == "cllr_bits":
        return np.concatenate([surprise_bits(real), surprise_bits(-fake)]) / 2
    cost, threshold = costs.linear, costs.bayes_threshold
    wrong = cost.miss * (real < threshold), cost.false_accept * (fake >= threshold)
    return np.concatenate(wrong) / cost.default


def how_to_draw(
    table: pd.DataFrame, bonafide: int, cluster: Sequence[str] | None
) -> tuple[Draw, str]:
    """The way to resample a table in which bona fide trials come first, and its name.

    Raises:
        BootstrapError: trials or a class without a cluster, or a column with a single value.
    """
    from fakemamba.evaluation.resampling import draw_clusters, draw_trials

    if cluster is None:
        return draw_trials(bonafide, len(table) - bonafide), "trials, within each class"
    classes = [("bona fide", slice(bonafide)), ("spoof", slice(bonafide, None))]
    classes = [(name, rows) for name, rows in classes if len(table[rows])]
    memberships = [_membership(table, column, classes) for column in cluster]
    for name, rows in classes:
        if all((one[rows] < 0).all() for one in memberships):
            raise BootstrapError(
                f"no {name} trial has {' or '.join(cluster)}, so that none would be resampled; "
                "cluster by another column too, or resample trials"
            )
    return draw_clusters(memberships), f"clusters, {' x '.join(cluster)}"


def _membership(table: pd.DataFrame, column: str, classes: Sequence[tuple[str, slice]]) -> Counts:
    """The number of each trial's cluster (n,), -1 in a class that has none."""
    if column not in table:
        raise BootstrapError(f"no column {column!r} to cluster by; resample trials instead")
    codes, values = pd.factorize(table[column])
    for name, rows in classes:
        unknown = codes[rows] < 0
        if unknown.any() and not unknown.all():
            raise BootstrapError(
                f"{unknown.sum():,} of {len(unknown):,} {name} trials have no {column}, so their "
                "cluster is not known; add it to the key, or resample trials"
            )
    if len(values) < 2:
        raise BootstrapError(
            f"a {column} of the trials is {list(values)}: fewer than two show no spread; resample "
            "trials instead"
        )
    return codes.astype(np.int64)


def _aligned(table: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """A table's rows in the order of another's trials."""
    for one in (table, like):
        if one["trial_id"].duplicated().any():
            raise BootstrapError("a trial stands twice in a table, so trials cannot be paired")
    by_id = table.set_index("trial_id")
    ids = pd.Index(like["trial_id"])
    if unpaired := len(ids.symmetric_difference(by_id.index)):
        raise BootstrapError(
            f"{unpaired:,} trials are of one system only; a difference needs the same trials of "
            "both"
        )
    aligned = by_id.loc[ids]
    if differing := int((aligned["label"].to_numpy() != like["label"].to_numpy()).sum()):
        raise BootstrapError(f"{differing:,} trials have another label in the second system's key")
    return aligned
