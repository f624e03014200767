"""What the units of a study say of each variant: its mean, its spread over seeds, its difference.

Whether a variant differs from the recipe's own is asked by Welch's test over seeds (Biometrika 34,
1947), corrected for all variants (Holm, 1979). It covers seed-to-seed variation alone:
all units are judged on the same trials, and other trials would give other differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind_from_stats

from fakemamba.evaluation.breakdown import DURATION_BUCKETS
from fakemamba.holm import holm
from fakemamba.training.studies.plan import Plan
from fakemamba.training.studies.unit import Unit
from fakemamba.training.studies.variants import OWN, Variant

SURE = 0.05  # of a p value, for a difference to be called larger than seed-to-seed variation

Units = Mapping[tuple[str, int], Unit]  # by variant and seed


@dataclass(frozen=True)
class VariantSummary:
    """One variant over its seeds; rates are fractions, and what is not known is None.

    Attributes:
        variant: its name.
        about: what is different, in words.
        seeds_done: how many seeds have an EER,
        seeds: and how many there are to be.
        eers: of the seeds that are done, in their order.
        eer_mean: of these,
        eer_std: their standard deviation (of a sample, so of two at the least),
        eer_best: and the least, which says little: it falls with the number of seeds.
        eer_change: (mean - the recipe's mean) / the recipe's mean.
        p_value: of no difference to the recipe's own, by Welch's test,
        p_holm: and corrected for all variants.
        verdict: what the test says, in words.
        paper: what the paper says of this variant,
        source: and where that is from.
    """

    variant: str
    about: str
    seeds_done: int
    seeds: int
    eers: tuple[float, ...]
    eer_mean: float | None
    eer_std: float | None
    eer_best: float | None
    eer_change: float | None
    p_value: float | None
    p_holm: float | None
    verdict: str
    paper: str
    source: str


def unit_table(plan: Plan, units: Units) -> pd.DataFrame:
    """A row a unit, in the order in which they are run.

    Returns:
        Columns variant, seed, status, reason, eer and min_dcf, the ends of their intervals,
        epochs, train_s, parameters, and the EER of each duration where there are durations. Rates
        are fractions; what is not known is NaN or None.
    """
    rows = []
    for variant, seed in plan.units:
        unit = units[variant.name, seed]
        found = unit.evaluation or {}
        metrics, intervals = found.get("metrics", {}), found.get("intervals", {})
        row = {
            "variant": variant.name,
            "seed": seed,
            "status": unit.status,
            "reason": unit.reason,
        }
        for metric in ("eer", "min_dcf"):
            ends = intervals.get(metric, {})
            row |= {metric: metrics.get(metric)}
            row |= {f"{metric}_{end}": ends.get(end) for end in ("low", "high")}
        row |= {"epochs": unit.epochs, "train_s": unit.train_s, "parameters": unit.parameters}
        by_duration = found.get("by", {}).get("duration", {})
        if "duration" in plan.judging["test.by"]:
            for bucket in DURATION_BUCKETS:
                row[f"eer {bucket} s"] = by_duration.get(bucket, {}).get("eer")
        rows.append(row)
    counts = dict.fromkeys(("epochs", "parameters"), "Int64")
    numbers = [name for name in rows[0] if name.startswith(("eer", "min_dcf", "train_s"))]
    return pd.DataFrame(rows).astype(counts | dict.fromkeys(numbers, "float64"))


def summarize(plan: Plan, units: Units, published: pd.DataFrame) -> list[VariantSummary]:
    """Every variant of a study over its seeds, the recipe's own first.

    Args:
        plan: the study.
        units: all of its units.
        published: figures, from `read_published`.
    """
    eers = {
        variant.name: [
            unit.evaluation["metrics"]["eer"]
            for seed in plan.seeds
            if (unit := units[variant.name, seed]).evaluation is not None
        ]
        for variant in plan.variants
    }
    found = [
        _summary(variant, eers[variant.name], eers[OWN], len(plan.seeds), published)
        for variant in plan.variants
    ]
    tested = {n: one.p_value for n, one in enumerate(found) if one.p_value is not None}
    for number, p_holm in zip(tested, holm(list(tested.values())), strict=True):
        sure = p_holm < SURE
        words = "larger than the spread of seeds" if sure else "within the spread of seeds"
        verdict = f"{words} (p = {p_holm:.2g})"
        found[number] = replace(found[number], p_holm=float(p_holm), verdict=verdict)
    return found


def duration_table(plan: Plan, units: Units) -> pd.DataFrame:
    """EER by duration: a row a bucket and variant that have trials and a unit that is done.

    Returns:
        Columns bucket (seconds), bonafide and spoof (trials), variant, seeds, eer_mean and eer_std
        (fractions; NaN where there is none) and reason, why a bucket has no EER. Empty without
        durations.
    """
    names = ["bucket", "bonafide", "spoof", "variant", "seeds", "eer_mean", "eer_std", "reason"]
    rows = []
    for variant in plan.variants:
        found = [units[variant.name, seed].evaluation for seed in plan.seeds]
        parts = [one["by"].get("duration", {}) for one in found if one is not None]
        for bucket in parts[0] if parts else ():
            figures = [part[bucket] for part in parts]
            eers = [one["eer"] for one in figures if one["eer"] is not None]
            trials = figures[0]["trials"]
            rows.append(
                [
                    *(bucket, trials["bonafide"], trials["spoof"], variant.name, len(eers)),
                    *(np.mean(eers) if eers else math.nan, _spread(eers)),
                    figures[0]["reason"],
                ]
            )
    return pd.DataFrame(rows, columns=names)


def _summary(
    variant: Variant,
    eers: Sequence[float],
    own: Sequence[float],
    seeds: int,
    published: pd.DataFrame,
) -> VariantSummary:
    mean = float(np.mean(eers)) if eers else None
    own_mean = float(np.mean(own)) if own else None
    is_own = variant.name == OWN
    p_value, verdict = (None, "") if is_own else _test(eers, own)
    paper, source = _paper(variant, published)
    return VariantSummary(
        variant=variant.name,
        about=variant.about,
        seeds_done=len(eers),
        seeds=seeds,
        eers=tuple(eers),
        eer_mean=mean,
        eer_std=_spread(eers),
        eer_best=min(eers, default=None),
        eer_change=mean / own_mean - 1 if mean is not None and own_mean and not is_own else None,
        p_value=p_value,
        p_holm=None,
        verdict=verdict,
        paper=paper,
        source=source,
    )


def _test(eers: Sequence[float], own: Sequence[float]) -> tuple[float | None, str]:
    """Welch's p value, or in words why there is none."""
    if not eers or not own:
        return None, "not done"
    if min(len(eers), len(own)) < 2:
        return None, "one seed: cannot tell"
    if not np.ptp(eers) and not np.ptp(own):
        return None, "no spread between seeds: cannot tell"
    moments = [(np.mean(one), np.std(one, ddof=1), len(one)) for one in (eers, own)]
    return float(ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False).pvalue), ""


def _spread(eers: Sequence[float]) -> float | None:
    return float(np.std(eers, ddof=1)) if len(eers) > 1 else None


def _paper(variant: Variant, published: pd.DataFrame) -> tuple[str, str]:
    """What is published of a variant, and its source with what is to be minded."""
    figures = published[published["system"] == variant.published].to_dict("records")
    if not figures:
        return variant.paper, variant.source
    figure = figures[0]
    where = f" on {figure['data_set']}" if figure["data_set"] else ""
    paper = f"{figure['value']:g} {figure['unit']} {figure['metric']}{where}"
    return paper, "; ".join(filter(None, (figure["source"], figure["note"])))
