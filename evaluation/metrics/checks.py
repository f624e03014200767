"""Scores that a metric can be computed from, sorted as the ASVspoof packages sort them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BEFORE_ALL = 0.001  # the official threshold that accepts everything is this far below all scores


class MetricError(ValueError):
    """A metric is not defined for its input; the message names the class or the cost."""


def checked(name: str, scores: npt.ArrayLike) -> Floats:
    """The scores of a class as a float64 array (n,).

    Raises:
        MetricError: there are none, some are not finite, or they are not one number a trial.
    """
    try:
        values = np.asarray(scores, np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(f"{name}: scores must be numbers: {error}") from error
    if values.ndim != 1:
        raise MetricError(f"{name}: one score a trial is needed, not an array {values.shape}")
    if not len(values):
        raise MetricError(f"{name}: no scores, so no error rate; are the labels of this key right?")
    if not (finite := np.isfinite(values)).all():
        raise MetricError(
            f"{name}: {(~finite).sum():,} of {len(values):,} scores are NaN or infinite, the first "
            f"at position {int(np.argmin(finite))}"
        )
    return values


def count_rejected(*classes: Floats) -> tuple[Floats, Counts]:
    """How many trials of each class each threshold rejects, in the official order.

    Classes are concatenated as they are given and sorted stably, so a tie is not one step but
    one a trial, and the class that is given first is rejected first.

    Args:
        classes: c arrays of scores, n in all.

    Returns:
        Thresholds (n + 1,), of which the first accepts all, and the counts (c, n + 1).
    """
    scores = np.concatenate(classes)
    order = np.argsort(scores, kind="stable")
    owner = np.repeat(np.arange(len(classes), dtype=np.int8), [len(one) for one in classes])[order]
    rejected = np.zeros((len(classes), len(scores) + 1), np.int64)
    for number in range(len(classes)):
        np.cumsum(owner == number, out=rejected[number, 1:])
    ascending = scores[order]
    return np.concatenate([ascending[:1] - BEFORE_ALL, ascending]), rejected
