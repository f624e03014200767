"""Scores to log-likelihood ratios: an affine map and a threshold, both of development trials.

Prior-weighted logistic regression (Brümmer and du Preez, "Application-independent evaluation of
speaker detection", Computer Speech & Language 20, 2006): llr = scale · score + offset has the least
cross-entropy at the prior that is asked for. At the prior 0.5 that is the least Cllr. The trials
that it was fitted on are remembered, so that nothing is evaluated on them.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.metrics.detection import cllr_bits, equal_error
from fakemamba.evaluation.score_origin import ScoreOrigin
from fakemamba.files import file_sha256, write_json
from fakemamba.records import Stamp, read_record

STAMP: Stamp = {"kind": "fakemamba-calibration", "schema": 1}
HASH_BYTES = 8
MOST_HASHES = 4096


class CalibrationError(ValueError):
    """A calibration cannot be fitted, read or used; the message says why and what to do."""


def _hashes(text: object) -> tuple[bytes, ...]:
    """Hashes as they are in a file, in base 64."""
    if not isinstance(text, str):
        raise ValueError("should be a valid string")
    content = base64.b64decode(text, validate=True)
    starts = range(0, len(content), HASH_BYTES)
    return tuple(content[start : start + HASH_BYTES] for start in starts)


@dataclass(frozen=True)
class Calibration:
    """An affine map to log-likelihood ratios, and where development trials were told apart.

    Attributes:
        scale: of the score; over 0.
        offset: llr = scale · score + offset, in nats.
        pi_spoof: prior of a spoof at which the cross-entropy is least.
        smoothed: the classes did not overlap, so that no finite scale was best, and the fit is to
            Platt's smoothed targets instead.
        eer: of the development trials, a fraction.
        eer_threshold: of their raw scores.
        cllr_bits_before: of their raw scores.
        cllr_bits_after: of their llrs, which were fitted on the same trials.
        bonafide: how many of these trials are bona fide,
        spoof: and how many are spoof.
        fitted_on: the least hashes of their ids, ascending, as `sketch` makes them.
        origin: what their scores were made with, None where that is not known.
    """

    scale: Annotated[float, Field(gt=0)]
    offset: float
    pi_spoof: Annotated[float, Field(gt=0, lt=1)]
    smoothed: bool
    eer: Annotated[float, Field(ge=0, le=1)]
    eer_threshold: float
    cllr_bits_before: Annotated[float, Field(ge=0)]
    cllr_bits_after: Annotated[float, Field(ge=0)]
    bonafide: Annotated[int, Field(ge=1)]
    spoof: Annotated[int, Field(ge=1)]
    fitted_on: Annotated[tuple[bytes, ...], BeforeValidator(_hashes)]
    origin: ScoreOrigin | None = None  # files of before have none

    def llr(self, scores: Floats) -> Floats:
        """Scores (n,) to log-likelihood ratios (n,), in nats."""
        return self.scale * scores + self.offset

    def told(self, path: Path) -> dict[str, Any]:
        """It as JSON, of a file, but for the trials that it was fitted to."""
        facts = {key: value for key, value in asdict(self).items() if key != "fitted_on"}
        return {"file": str(path), "sha256": file_sha256(path), **facts}

    def check_unseen(self, trial_ids: Iterable[str]) -> None:
        """Refuse to be evaluated on the trials of the fit.

        Raises:
            CalibrationError: some of these trials are among them.
        """
        kept = frozenset(self.fitted_on)
        if shared := sum(_hash(one) in kept for one in trial_ids):
            raise CalibrationError(
                f"the calibration was fitted on trials that are evaluated here: {shared:,} of the "
                f"{len(kept):,} that it remembers of its {self.bonafide + self.spoof:,} are; fit "
                "it on a development set. If only the names are the same, a column trial_id in one "
                "of the manifests can tell them apart"
            )

    def check_origin(self, origin: ScoreOrigin, *alike: ScoreOrigin) -> None:
        """Refuse scores of other weights, another length or other windows, if its own are known.

        Args:
            origin: of the scores.
            alike: others whose scores mean the same.

        Raises:
            CalibrationError: they differ.
        """
        if self.origin not in (None, origin, *alike):
            raise CalibrationError(
                f"the calibration was fitted to scores of {self.origin}, but these are of {origin};"
                " take the --length or the windows of its trials, or score development trials with "
                "this checkpoint and calibrate anew"
            )


def sketch(trial_ids: Iterable[str]) -> tuple[bytes, ...]:
    """The 4,096 least hashes of distinct ids, ascending, in whatever order the ids come.

    Up to 4,096 trials these are all. Of more they are an even sample, in which a shared part of 1 %
    is missed once in 1e17 times, but a handful of single trials can be.
    """
    return tuple(heapq.nsmallest(MOST_HASHES, map(_hash, trial_ids)))


def fit_calibration(
    bonafide: Floats,
    spoof: Floats,
    trial_ids: Iterable[str],
    pi_spoof: float = 0.5,
    origin: ScoreOrigin | None = None,
) -> Calibration:
    """Fit the affine map and the threshold to development trials.

    Where the classes do not overlap the likelihood grows with the scale without end. The targets
    are then those of Platt ("Probabilistic outputs for support vector machines", 1999), which
    bound it: (n + 1) / (n + 2) for a class of n trials.

    Args:
        bonafide: scores (n,), higher is more bona fide.
        spoof: scores (m,).
        trial_ids: of all these trials, in any order.
        pi_spoof: the prior of a spoof that errors are weighed by, in (0, 1).
        origin: what the scores were made with, if that is known.

    Raises:
        CalibrationError: a prior outside (0, 1), scores that are all equal, or scores whose best
            scale is not positive, so that they say nothing of the class or the opposite.
        MetricError: a class without trials, or scores that are not finite.
    """
    if not 0 < pi_spoof < 1:
        raise CalibrationError(f"a prior of {pi_spoof:g} for spoof: it must be between 0 and 1")
    point = equal_error(bonafide, spoof)
    scores = np.concatenate([bonafide, spoof])
    if scores.min() == scores.max():
        raise CalibrationError(f"all {len(scores):,} scores are equal: there is nothing to fit")
    middle, spread = float(scores.mean()), float(scores.std())
    smoothed = bool(bonafide.min() >= spoof.max())
    slope, height = _regress(
        (bonafide - middle) / spread, (spoof - middle) / spread, pi_spoof, smoothed
    )
    if not slope > 0:
        raise CalibrationError(
            f"the best scale is {slope / spread:.3g}, so higher scores are not more bona fide (EER "
            f"{point.eer:.2%}): an affine map cannot calibrate them"
        )
    scale = slope / spread
    offset = height - scale * middle
    return Calibration(
        scale=scale,
        offset=offset,
        pi_spoof=pi_spoof,
        smoothed=smoothed,
        eer=point.eer,
        eer_threshold=point.threshold,
        cllr_bits_before=cllr_bits(bonafide, spoof),
        cllr_bits_after=cllr_bits(scale * bonafide + offset, scale * spoof + offset),
        bonafide=len(bonafide),
        spoof=len(spoof),
        fitted_on=sketch(trial_ids),
        origin=origin,
    )


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration as JSON; numbers come back as they were."""
    content = STAMP | asdict(calibration)
    content["fitted_on"] = base64.b64encode(b"".join(calibration.fitted_on)).decode()
    write_json(path, content)


def read_calibration(path: str | Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        CalibrationError: no such file, another kind of file, another schema, or values that no fit
            can have given.
    """
    remedy = (
        "it is not a calibration, or damaged: make one with: fakemamba calibrate DEV_SCORES --key "
        "DEV_KEY --out calibration.json"
    )
    found = read_record(path, Calibration, CalibrationError, remedy, stamp=STAMP)
    trials, hashes = found.bonafide + found.spoof, len(found.fitted_on)
    if hashes != min(trials, MOST_HASHES):
        raise CalibrationError(f"{path}: {hashes} hashes of {trials} trials; {remedy}")
    return found


def _regress(
    bonafide: Floats, spoof: Floats, pi_spoof: float, smoothed: bool
) -> tuple[float, float]:
    """Slope and height with the least prior-weighted cross-entropy, of standardised scores."""
    import scipy.optimize  # slow, and reading a calibration does not need it
    from scipy.special import expit

    scores = np.concatenate([bonafide, spoof])  # (n + m,)
    counts = np.array([len(bonafide), len(spoof)])
    signs = np.repeat([1.0, -1.0], counts)
    weights = np.repeat(np.array([1 - pi_spoof, pi_spoof]) / counts, counts)
    targets = np.repeat((counts + 1) / (counts + 2) if smoothed else np.ones(2), counts)
    log_odds = math.log((1 - pi_spoof) / pi_spoof)

    def cost(line: Floats) -> tuple[float, Floats]:
        margins = signs * (line[0] * scores + line[1] + log_odds)
        loss = weights @ (np.logaddexp(0, -margins) + (1 - targets) * margins)
        pulls = weights * signs * (1 - targets - expit(-margins))
        return float(loss), np.array([pulls @ scores, pulls.sum()])

    def curvature(line: Floats) -> Floats:
        shares = expit(line[0] * scores + line[1] + log_odds)
        bends = weights * shares * (1 - shares)
        cross = bends @ scores
        return np.array([[bends @ scores**2, cross], [cross, bends.sum()]])

    found = scipy.optimize.minimize(
        cost,
        np.array([1.0, -log_odds]),
        jac=True,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-10},
    )
    return float(found.x[0]), float(found.x[1])


def _hash(trial_id: str) -> bytes:
    return hashlib.blake2b(trial_id.encode(), digest_size=HASH_BYTES).digest()
