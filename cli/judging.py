"""How ``fakemamba detect`` judges scores: its options, and what is read of them before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fakemamba.cli.detection_output import CALIBRATE
from fakemamba.evaluation.calibration import Calibration, read_calibration
from fakemamba.evaluation.judgement import Judgement, OperatingPoint, judge_score, operating_point
from fakemamba.evaluation.metrics.costs import DCF_ASVSPOOF5, DcfCosts


@dataclass(frozen=True)
class VerdictOptions:
    """What makes a probability and a verdict of a score.

    Attributes:
        calibration: JSON of `fakemamba calibrate`, fitted to scores of this checkpoint.
        threshold: Of the verdict: bayes is where the expected cost is least, eer where the
            calibration's trials have equal errors; or a score, from which on it is bona fide.
        pi_spoof: Share of spoofs that you expect among such recordings; 0.05 if not given.
        cost_miss: What it costs to reject bona fide; 1 if not given.
        cost_false_accept: What it costs to accept a spoof; 10 if not given.
    """

    calibration: Path | None = None
    threshold: Annotated[
        Literal["bayes", "eer"] | float, tyro.conf.arg(metavar="bayes|eer|SCORE")
    ] = "bayes"
    pi_spoof: float | None = None
    cost_miss: float | None = None
    cost_false_accept: float | None = None

    def prepared(self) -> Judge:
        """What it comes to.

        Raises:
            ValueError: options that do not go together, or a calibration that cannot be read.
        """
        words = {
            "pi_spoof": self.pi_spoof,
            "c_miss": self.cost_miss,
            "c_fa": self.cost_false_accept,
        }
        given = {name: value for name, value in words.items() if value is not None}
        if given and self.calibration is None:
            raise ValueError(f"a prior and costs need a --calibration, made with: {CALIBRATE}")
        if given.keys() - {"pi_spoof"} and self.threshold != "bayes":
            raise ValueError(
                f"costs belong to --threshold bayes, but --threshold is {self.threshold}"
            )
        costs = replace(DCF_ASVSPOOF5, **given)
        fitted = None if self.calibration is None else read_calibration(self.calibration)
        return Judge(fitted, operating_point(self.threshold, fitted, costs), costs)


@dataclass(frozen=True)
class Judge:
    """Judges scores; a calibration, and with it an operating point, may be missing."""

    calibration: Calibration | None
    point: OperatingPoint | None
    costs: DcfCosts

    def judgement(self, score: float) -> Judgement:
        """What is made of one score."""
        return judge_score(score, self.calibration, self.point, self.costs.pi_spoof)
