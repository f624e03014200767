"""What tells systems apart: fitted by scikit-learn, and from then on arrays and a few products.

Each is a dataclass of arrays alone, with which it can be written and read without running anything.
It gives logits (n, classes), whose greatest is its choice, and distances (n,) to what it was fitted
to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]  # the places of trials' classes among all
Name = Literal["linear", "knn", "mahalanobis"]
Rule = Literal["softmax", "energy", "distance"]
RULES: tuple[Rule, ...] = ("softmax", "energy", "distance")

NEIGHBOURS = 5
MAX_ITERATIONS = 2_000


class Classifier(Protocol):
    """What is fitted to vectors (n, width) of classes (n,), and judges others."""

    @classmethod
    def fit(cls, vectors: Floats, codes: Codes) -> Self:
        """Fit to vectors (n, width) whose classes are 0 to the greatest of codes (n,)."""
        ...

    def logits(self, vectors: Floats) -> Floats:
        """(n, classes), higher is more likely."""
        ...

    def distances(self, vectors: Floats) -> Floats:
        """How far vectors are from those of the nearest class (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Linear:
    """Logistic regression on standardised features, all classes of equal weight.

    The distance is Euclidean, from the nearest class' mean, in standard deviations.
    """

    middle: Floats  # (width,)
    spread: Floats  # (width,)
    coefficients: Floats  # (classes, width)
    intercepts: Floats  # (classes,)
    means: Floats  # (classes, width), standardised

    @classmethod
    def fit(cls, vectors: Floats, codes: Codes) -> Self:
        """See `Classifier.fit`."""
        middle, spread = _standards(vectors)
        given = (vectors - middle) / spread
        model = LogisticRegression(class_weight="balanced", max_iter=MAX_ITERATIONS)
        model.fit(given, codes)
        coefficients, intercepts = model.coef_, model.intercept_
        if len(coefficients) == 1:  # of two classes: the logit of the second one
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        return cls(middle, spread, coefficients, intercepts, _class_means(given, codes))

    @classmethod
    def of_layer(cls, weight: Floats, bias: Floats, vectors: Floats, codes: Codes) -> Self:
        """A linear layer (classes, width) that was trained elsewhere on vectors as they are.

        Logits are those of the layer; vectors (n, width) of classes (n,) standardise distances.
        """
        middle, spread = _standards(vectors)
        means = _class_means((vectors - middle) / spread, codes)
        return cls(middle, spread, weight * spread, bias + weight @ middle, means)

    def logits(self, vectors: Floats) -> Floats:
        """See `Classifier.logits`."""
        return (vectors - self.middle) / self.spread @ self.coefficients.T + self.intercepts

    def distances(self, vectors: Floats) -> Floats:
        """See `Classifier.distances`."""
        given = (vectors - self.middle) / self.spread
        squares = [((given - mean) ** 2).sum(1) for mean in self.means]
        return np.sqrt(np.min(squares, axis=0))


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """The five nearest by the cosine, of vectors less their mean; each votes by its similarity.

    Logits are the sums of votes. The distance is the mean of one less the cosine to the five.
    """

    middle: Floats  # (width,)
    references: Floats  # (n, width), of length 1
    codes: Codes  # (n,)

    @classmethod
    def fit(cls, vectors: Floats, codes: Codes) -> Self:
        """See `Classifier.fit`."""
        middle = vectors.mean(0)
        return cls(middle, unit(vectors - middle), codes)

    def logits(self, vectors: Floats) -> Floats:
        """See `Classifier.logits`."""
        places, cosines = self._nearest(vectors)  # (n, neighbours) each
        votes = np.zeros((len(vectors), int(self.codes.max()) + 1))
        rows = np.repeat(np.arange(len(vectors)), places.shape[1])
        np.add.at(votes, (rows, self.codes[places].ravel()), cosines.clip(0).ravel())
        return votes

    def distances(self, vectors: Floats) -> Floats:
        """See `Classifier.distances`."""
        return 1 - self._nearest(vectors)[1].mean(1)

    def _nearest(self, vectors: Floats) -> tuple[Codes, Floats]:
        cosines = unit(vectors - self.middle) @ self.references.T  # (n, references)
        count = min(NEIGHBOURS, len(self.references))
        places = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return places, np.take_along_axis(cosines, places, 1)


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Gaussians around the classes' means with one covariance, shrunk as by Ledoit and Wolf (2004).

    Features are standardised first. Logits are half the squared distances, negative.
    """

    middle: Floats  # (width,)
    spread: Floats  # (width,)
    whitener: Floats  # (width, width), after which the covariance is the identity
    means: Floats  # (classes, width), of whitened vectors

    @classmethod
    def fit(cls, vectors: Floats, codes: Codes) -> Self:
        """See `Classifier.fit`."""
        middle, spread = _standards(vectors)
        given = (vectors - middle) / spread
        means = _class_means(given, codes)
        shrunk = LedoitWolf(assume_centered=True).fit(given - means[codes])
        whitener = np.linalg.cholesky(shrunk.precision_)
        return cls(middle, spread, whitener, means @ whitener)

    def logits(self, vectors: Floats) -> Floats:
        """See `Classifier.logits`."""
        return -self._squares(vectors) / 2

    def distances(self, vectors: Floats) -> Floats:
        """See `Classifier.distances`."""
        return np.sqrt(self._squares(vectors).min(1))

    def _squares(self, vectors: Floats) -> Floats:
        white = (vectors - self.middle) / self.spread @ self.whitener  # (n, width)
        return np.stack([((white - mean) ** 2).sum(1) for mean in self.means], 1)


CLASSIFIERS: dict[Name, type[Classifier]] = {
    "linear": Linear,
    "knn": NearestNeighbours,
    "mahalanobis": Mahalanobis,
}


def seen_scores(classifier: Classifier, vectors: Floats) -> dict[Rule, Floats]:
    """How much each of vectors (n, width) is like what was fitted to (n,), by each rule.

    ``softmax``: the log odds of the likeliest class, whose order is that of the greatest softmax
    (Hendrycks and Gimpel 2017) and has no ties where that is nearly 1. ``energy``: the log of the
    logits' sum of exponentials (Liu et al. 2020). ``distance``: the distance, negative (Lee et al.
    2018; Sun et al. 2022).
    """
    logits = classifier.logits(vectors)
    ordered = np.sort(logits, axis=1)
    return {
        "softmax": ordered[:, -1] - logsumexp(ordered[:, :-1], axis=1),
        "energy": logsumexp(logits, axis=1),
        "distance": -classifier.distances(vectors),
    }


def unit(vectors: Floats) -> Floats:
    """Vectors (n, width) of length 1; one of length 0 stays so."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _standards(vectors: Floats) -> tuple[Floats, Floats]:
    """Means and standard deviations of features, 1 where one is the same in all vectors."""
    spread = vectors.std(0)
    return vectors.mean(0), np.where(spread > 0, spread, 1)


def _class_means(vectors: Floats, codes: Codes) -> Floats:
    return np.stack([vectors[codes == one].mean(0) for one in range(int(codes.max()) + 1)])
