"""A tracer: a classifier whose probabilities hold, and that may answer "none of these".

Both are chosen on trials that were held out of the fit: the temperature that their logits are
divided by (Guo et al. 2017), and the threshold under which a small share of them is refused. The
classifier itself is then fitted to all trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from fakemamba.evaluation.tracing.classifiers import (
    CLASSIFIERS,
    Classifier,
    Codes,
    Floats,
    Name,
    Rule,
    seen_scores,
)
from fakemamba.evaluation.tracing.folds import inner_folds
from fakemamba.evaluation.tracing.protocol import Mask, Names, TracingError

NONE_OF_THESE = "none of these"
REFUSED = 0.05  # of seen trials, if nothing else is asked for
LOG_TEMPERATURES = (-6.0, 12.0)


@dataclass(frozen=True)
class Choices:
    """How a tracer is made.

    Attributes:
        classifier: linear is logistic regression, knn the nearest neighbours by cosine,
            mahalanobis class means with one shrunk covariance.
        open_set: What "none of these" is decided by: the likeliest system's odds, the energy of
            the logits, or the distance to what was fitted to.
        refuse: Share of recordings of known systems that may be refused, on held-out folds.

    Raises:
        TracingError: a share that cannot be.
    """

    classifier: Name = "linear"
    open_set: Rule = "distance"
    refuse: float = REFUSED

    def __post_init__(self) -> None:
        if not 0 <= self.refuse < 1:
            raise TracingError(f"--refuse {self.refuse:g}: give a share from 0 to under 1")


@dataclass(frozen=True, eq=False)
class Traces:
    """What a tracer says of n trials.

    Attributes:
        codes: (n,), the places of the likeliest classes among all.
        probabilities: (n, classes), of each system if it is one of them.
        scores: (n,) each, how much trials are like what was fitted to, by rule.
        is_none: (n,), which are refused as none of the systems.
    """

    codes: Codes
    probabilities: Floats
    scores: dict[Rule, Floats]
    is_none: Mask


@dataclass(frozen=True, eq=False)
class Tracer:
    """A classifier with its classes, temperature and threshold.

    Attributes:
        classes: names of systems, in the order of the logits.
        classifier: fitted to all trials.
        choices: how it was made.
        temperature: of the logits; over 0.
        threshold: a trial whose score by ``choices.open_set`` is less is none of the classes.
        held_out: of how many trials both were chosen.
    """

    classes: tuple[str, ...]
    classifier: Classifier
    choices: Choices
    temperature: float
    threshold: float
    held_out: int

    def trace(self, vectors: Floats) -> Traces:
        """Judge vectors (n, width)."""
        logits = self.classifier.logits(vectors)
        scores = seen_scores(self.classifier, vectors)
        is_none = scores[self.choices.open_set] < self.threshold
        probabilities = softmax(logits / self.temperature, axis=1)
        return Traces(logits.argmax(1), probabilities, scores, is_none)


def fit_classifier(
    vectors: Floats, labels: Names, name: Name
) -> tuple[tuple[str, ...], Classifier]:
    """The classes of trials, sorted, and a classifier of them, without temperature and threshold.

    Raises:
        TracingError: fewer than two systems, or embeddings that are all equal.
    """
    classes, codes = np.unique(labels.astype(str), return_inverse=True)
    if len(classes) < 2:
        raise TracingError("fewer than two systems: there is nothing to tell apart")
    if not np.ptp(vectors, axis=0).any():
        raise TracingError(
            f"all {len(vectors)} embeddings are equal; look at the checkpoint's weights"
        )
    return tuple(classes.tolist()), CLASSIFIERS[name].fit(vectors, codes.astype(np.int64))


def fit_tracer(
    vectors: Floats,
    labels: Names,
    groups: Names | None,
    choices: Choices,
    seed: int = 0,
) -> Tracer:
    """Fit a classifier to all trials, and choose temperature and threshold by held-out ones.

    Args:
        vectors: (n, width).
        labels: (n,), the names of systems.
        groups: (n,), such as speakers, which are held out together where each system has two.
        choices: how.
        seed: of the division into folds.

    Raises:
        TracingError: fewer than two systems, no system with two trials, or embeddings that are all
            equal.
    """
    classes, classifier = fit_classifier(vectors, labels, choices.classifier)
    codes = np.searchsorted(classes, labels.astype(str))
    logits, scores, truth = [], [], []
    for fit, held in inner_folds(labels, groups, seed).parts:
        _, partial = fit_classifier(vectors[fit], labels[fit], choices.classifier)
        logits.append(partial.logits(vectors[held]))
        scores.append(seen_scores(partial, vectors[held])[choices.open_set])
        truth.append(codes[held])
    held_out = np.concatenate(logits), np.concatenate(scores), np.concatenate(truth)
    return calibrated(classes, classifier, choices, *held_out)


def calibrated(
    classes: tuple[str, ...],
    classifier: Classifier,
    choices: Choices,
    logits: Floats,
    scores: Floats,
    codes: Codes,
) -> Tracer:
    """A tracer whose temperature and threshold are chosen by trials that were held out of a fit.

    Args:
        classes: names of systems, in the order of the logits.
        classifier: the tracer's.
        choices: how it is made.
        logits: of the trials (n, classes), by what they were held out of.
        scores: theirs by ``choices.open_set`` (n,).
        codes: the places of their systems among all (n,).
    """
    threshold = float(np.quantile(scores, choices.refuse, method="lower"))
    temperature = _temperature(logits, codes)
    return Tracer(classes, classifier, choices, temperature, threshold, len(scores))


def _temperature(logits: Floats, codes: Codes) -> float:
    """The one whose probabilities cost held-out trials least: logits (n, classes), codes (n,)."""
    rows = np.arange(len(codes))

    def cost(log_temperature: float) -> float:
        chances = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(chances[rows, codes].mean())

    return float(np.exp(minimize_scalar(cost, bounds=LOG_TEMPERATURES, method="bounded").x))
