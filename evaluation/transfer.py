"""What development trials are worth on others: calibration and threshold, transferred."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.coverage import split
from fakemamba.evaluation.metrics.detection import act_dcf, cllr_bits


@dataclass(frozen=True)
class Transfer:
    """Costs before and after calibration, and error rates at the development threshold.

    Attributes:
        act_dcf_before: of the raw scores,
        act_dcf_after: and of the calibrated ones.
        cllr_bits_before: likewise.
        cllr_bits_after: likewise.
        threshold: of raw scores, at the development trials' EER.
        dev_eer: that EER, a fraction.
        frr: share of bona fide trials below the threshold.
        far: share of spoof trials at it or above.
        hter: half total error rate, the mean of both.
    """

    act_dcf_before: float
    act_dcf_after: float
    cllr_bits_before: float
    cllr_bits_after: float
    threshold: float
    dev_eer: float
    frr: float
    far: float
    hter: float


def transfer(table: pd.DataFrame, calibration: Calibration) -> Transfer:
    """Apply a calibration to trials that it has not seen.

    Args:
        table: from `join`.
        calibration: of the same detector.

    Raises:
        CalibrationError: it was fitted on some of these trials.
        MetricError: a class without trials.
    """
    calibration.check_unseen(table["trial_id"])
    real, fake = split(table)
    real_llr, fake_llr = calibration.llr(real), calibration.llr(fake)
    costs_after = act_dcf(real_llr, fake_llr), cllr_bits(real_llr, fake_llr)
    frr = float((real < calibration.eer_threshold).mean())
    far = float((fake >= calibration.eer_threshold).mean())
    return Transfer(
        act_dcf_before=act_dcf(real, fake),
        act_dcf_after=costs_after[0],
        cllr_bits_before=cllr_bits(real, fake),
        cllr_bits_after=costs_after[1],
        threshold=calibration.eer_threshold,
        dev_eer=calibration.eer,
        frr=frr,
        far=far,
        hter=(frr + far) / 2,
    )
