"""What scores say of a detector: metrics with costs and intervals, of all trials and of parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.breakdown import confusion, parts
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.coverage import check_orientation, split
from fakemamba.evaluation.metrics.checks import Floats, MetricError
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5
from fakemamba.evaluation.metrics.detection import act_dcf, cllr_bits, error_rates
from fakemamba.evaluation.metrics.tandem import (
    TANDEM_COSTS,
    AsvRates,
    asv_rates,
    min_tdcf_2019,
    min_tdcf_2021,
    t_eer,
)
from fakemamba.evaluation.transfer import Transfer, transfer
from fakemamba.evaluation.uncertainty import USUAL, Resampling, intervals

if TYPE_CHECKING:
    from fakemamba.data.keys import AsvScores

AS_LLR = "scores as natural log-likelihood ratios"
COSTS = {
    "eer": "misses and false accepts alike, ASVspoof's convention",
    "min_dcf": DCF_ASVSPOOF5.text,
    "act_dcf": f"{DCF_ASVSPOOF5.text}, threshold {DCF_ASVSPOOF5.bayes_threshold:.7g}, {AS_LLR}",
    "cllr_bits": f"prior 0.5, {AS_LLR}",
}
NO_ASV = "there are no scores of an ASV system: give --asv-scores"
NO_ASV_SCORES = "it needs an ASV system's scores, not its error rates alone: give --asv-scores"
DETECTION = ("eer", "eer_threshold", "min_dcf", "act_dcf", "cllr_bits")


@dataclass(frozen=True)
class Figures:
    """Metrics of some trials.

    Attributes:
        bonafide: how many trials are bona fide,
        spoof: and how many spoof.
        metrics: by their names; rates are fractions, None is unknown.
        intervals: of the metrics that were resampled.
        reason: why there are no metrics, None if there are.
    """

    bonafide: int
    spoof: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval]
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The metrics themselves, and beside them what they are of."""
        return self.metrics | {
            "trials": {"bonafide": self.bonafide, "spoof": self.spoof},
            "intervals": {name: asdict(one) for name, one in self.intervals.items()},
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that is known of one system's scores.

    Attributes:
        whole: metrics of all trials.
        reasons: why a metric of all trials is None.
        costs: in words, by metric.
        by: columns, their values, and the metrics of each value's trials.
        threshold: that ``confusion`` is at; a trial is accepted if its score is at least this.
        confusion: from `confusion`, None if no durations were asked for.
        transfer: what a calibration is worth here, None without one.
        doubt: what is to be said against the intervals.
    """

    whole: Figures
    reasons: dict[str, str]
    costs: dict[str, str]
    by: dict[str, dict[str, Figures]]
    threshold: float
    confusion: pd.DataFrame | None
    transfer: Transfer | None
    doubt: str | None

    def to_json(self) -> dict[str, Any]:
        """Everything as it is written to a file; unknown is None."""
        whole = self.whole.to_json()
        rows = None if self.confusion is None else self.confusion.to_dict("records")
        return {
            "metrics": self.whole.metrics,
            "reasons": self.reasons,
            "costs": self.costs,
            "intervals": whole["intervals"],
            "doubt": self.doubt,
            "trials": whole["trials"],
            "by": {
                column: {value: figures.to_json() for value, figures in rows.items()}
                for column, rows in self.by.items()
            },
            "confusion": None if rows is None else {"threshold": self.threshold, "rows": rows},
            "calibration": None if self.transfer is None else asdict(self.transfer),
        }


def evaluate(
    table: pd.DataFrame,
    *,
    asv: AsvScores | AsvRates | None = None,
    by: Sequence[str] = (),
    resampling: Resampling = USUAL,
    calibration: Calibration | None = None,
    threshold: float | None = None,
    allow_inverted: bool = False,
    name: str = "the score file",
) -> Evaluation:
    """Compute every metric of one system.

    Args:
        table: from `join`.
        asv: scores or error rates of an ASV system, for the metrics of the tandem.
        by: columns to break the metrics down by; ``duration`` brings a confusion table.
        resampling: how intervals are made.
        calibration: of the same detector on development trials.
        threshold: of the confusion table; None takes that of the EER of all trials.
        allow_inverted: let an EER over 50 % pass.
        name: of the scores, for messages.

    Raises:
        CoverageError: an EER over 50 %.
        MetricError: a class without trials.
        BreakdownError: a column that no trial has.
        BootstrapError: too few replicates.
        CalibrationError: the calibration was fitted on some of these trials.
    """
    bonafide, spoof = split(table)
    metrics = _detection(bonafide, spoof)
    if not allow_inverted:
        check_orientation(metrics["eer"], table["score"], name)
    moved = None if calibration is None else transfer(table, calibration)
    rates = asv if asv is None or isinstance(asv, AsvRates) else asv_rates(asv)
    tandem, reasons = _tandem(bonafide, spoof, asv, rates)
    every: dict[str, float | None] = {**metrics, **tandem}
    known = [metric for metric in (*COSTS, *TANDEM_COSTS) if every[metric] is not None]
    sampled = [metric for metric in known if metric != "t_eer"]
    ends, doubt = intervals(table, sampled, resampling, rates)
    costs = COSTS | TANDEM_COSTS
    if rates is not None:
        with_rates = [metric for metric in sampled if metric in tandem]
        costs |= {metric: f"{costs[metric]}; {rates.text}" for metric in with_rates}
    at = metrics["eer_threshold"] if threshold is None else threshold
    return Evaluation(
        whole=Figures(len(bonafide), len(spoof), every, ends),
        reasons=reasons,
        costs=costs,
        by={column: _rows(table, column, resampling) for column in by},
        threshold=at,
        confusion=confusion(table, at) if "duration" in by else None,
        transfer=moved,
        doubt=doubt,
    )


def _detection(bonafide: Floats, spoof: Floats) -> dict[str, float]:
    rates = error_rates(bonafide, spoof)  # sorted once for both
    point = rates.equal_error()
    return {
        "eer": point.eer,
        "eer_threshold": point.threshold,
        "min_dcf": rates.min_cost(DCF_ASVSPOOF5.linear),
        "act_dcf": act_dcf(bonafide, spoof),
        "cllr_bits": cllr_bits(bonafide, spoof),
    }


def _tandem(
    bonafide: Floats, spoof: Floats, asv: AsvScores | AsvRates | None, rates: AsvRates | None
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Metrics with an ASV system, and the reason of each that is None."""
    if asv is None or rates is None:
        return dict.fromkeys(TANDEM_COSTS), dict.fromkeys(TANDEM_COSTS, NO_ASV)
    metrics: dict[str, float | None] = dict.fromkeys(TANDEM_COSTS)
    reasons = {}
    formulas: dict[str, Callable[[], float]] = {
        "min_tdcf_2019": lambda: min_tdcf_2019(bonafide, spoof, rates),
        "min_tdcf_2021": lambda: min_tdcf_2021(bonafide, spoof, rates),
    }
    if isinstance(asv, AsvRates):
        reasons["t_eer"] = NO_ASV_SCORES
    else:
        formulas["t_eer"] = lambda: t_eer(bonafide, spoof, asv)
    for metric, formula in formulas.items():
        try:
            metrics[metric] = formula()
        except MetricError as error:  # an ASV system for which it is not defined
            reasons[metric] = str(error)
    return metrics, reasons


def _rows(table: pd.DataFrame, column: str, resampling: Resampling) -> dict[str, Figures]:
    """Metrics of each value's trials, with an interval of the EER."""
    rows = {}
    for value, part in parts(table, column):
        bonafide, spoof = split(part)
        if len(bonafide) and len(spoof):
            ends, _ = intervals(part, ["eer"], resampling)
            metrics: dict[str, float | None] = {**_detection(bonafide, spoof)}
            rows[value] = Figures(len(bonafide), len(spoof), metrics, ends)
        else:
            reason = f"no {'spoof' if len(bonafide) else 'bona fide'} trial has this {column}"
            nothing: dict[str, float | None] = dict.fromkeys(DETECTION)
            rows[value] = Figures(len(bonafide), len(spoof), nothing, {}, reason)
    return rows
