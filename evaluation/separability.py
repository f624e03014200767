"""How far apart the classes are in an embedding space, and a map of it for the eye.

The numbers are of the space itself, in all its dimensions. A map is not: t-SNE and UMAP keep
neighbours and bend all else, and can show groups where there are none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples

from fakemamba.data.trials import BONA_FIDE
from fakemamba.evaluation.bootstrap import bootstrap
from fakemamba.evaluation.linear_probe import held_out_scores
from fakemamba.evaluation.metrics.detection import equal_error

Method = Literal["tsne", "umap"]
METHOD_NAMES: dict[str, str] = {"tsne": "t-SNE", "umap": "UMAP"}
STAMP = {"schema": 1}
PERPLEXITY = 30.0  # neighbours of a trial in t-SNE, or a third of the trials if that is less
NEIGHBOURS = 15  # of a trial in UMAP
FEWEST = 4  # trials on a map
MEANING = {
    "probe_eer": "EER, a share of one, of a logistic regression on trials that it was not fit to; "
    "0 is told apart by a straight line, 0.5 is chance",
    "silhouette": "of Euclidean distances, from -1 to 1: near 1 if a trial's own class is much "
    "nearer than the other, near 0 if both are as near; mean of both classes' means",
}


class SeparabilityError(ValueError):
    """Embeddings cannot be told apart or mapped; the message says why."""


@dataclass(frozen=True)
class Separability:
    """How well a straight line tells the classes apart, and how compact they are.

    Attributes:
        trials, width: of the embeddings.
        probe_eer: see `held_out_scores`; a share of one.
        probe_low, probe_high: its 95 % interval of drawing as many trials of each class.
        folds, kept_together: how trials were held out.
        silhouette: mean of both classes' means (Rousseeuw 1987).
        silhouette_bonafide, silhouette_spoof: of each class; that of spoofs is low, too, if every
            attack is a group of its own.
    """

    trials: int
    width: int
    probe_eer: float
    probe_low: float
    probe_high: float
    folds: int
    kept_together: str
    silhouette: float
    silhouette_bonafide: float
    silhouette_spoof: float

    def to_json(self) -> dict[str, Any]:
        """The numbers, and what each of them means."""
        return {**STAMP, **asdict(self), "meaning": MEANING}

    @property
    def in_words(self) -> tuple[str, str]:
        """Both numbers, short enough for a title."""
        interval = f"{100 * self.probe_low:.1f}–{100 * self.probe_high:.1f}"
        probe = f"linear probe EER {100 * self.probe_eer:.1f} % ({interval})"
        return f"{probe}, folds by {self.kept_together}", f"silhouette {self.silhouette:.2f}"


def separability(vectors: npt.ArrayLike, trials: pd.DataFrame, seed: int = 0) -> Separability:
    """Measure how separable the classes are in the space of the embeddings.

    Args:
        vectors: (n, width), finite.
        trials: n rows of `trial_table`.
        seed: of the folds and of the interval.

    Raises:
        SeparabilityError: all embeddings are equal.
        ProbeError: a class has fewer than two trials.
    """
    vectors = np.asarray(vectors, np.float64)
    if not np.ptp(vectors, axis=0).any():
        raise SeparabilityError(
            f"all {len(vectors)} embeddings are equal; look at the checkpoint's weights"
        )
    held_out = held_out_scores(vectors, trials, seed)
    is_bonafide = (trials["label"] == BONA_FIDE).to_numpy()
    table = trials[["label", "speaker", "attack"]].assign(score=held_out.scores)
    interval = bootstrap(table, metrics=("eer",), cluster=None, seed=seed)["eer"]
    silhouettes = silhouette_samples(vectors, is_bonafide)
    of_class = [float(silhouettes[which].mean()) for which in (is_bonafide, ~is_bonafide)]
    return Separability(
        trials=len(vectors),
        width=vectors.shape[1],
        probe_eer=equal_error(held_out.scores[is_bonafide], held_out.scores[~is_bonafide]).eer,
        probe_low=interval.low,
        probe_high=interval.high,
        folds=held_out.folds,
        kept_together=held_out.kept_together,
        silhouette=sum(of_class) / 2,
        silhouette_bonafide=of_class[0],
        silhouette_spoof=of_class[1],
    )


def project(vectors: npt.ArrayLike, method: Method = "tsne", seed: int = 0) -> np.ndarray:
    """A map (n, 2) of embeddings (n, width), the same for the same embeddings, seed and library.

    Embeddings that differ by rounding, as those of two devices do, can have quite another map.

    Args:
        vectors: finite.
        method: ``tsne`` (van der Maaten and Hinton 2008) or ``umap`` (McInnes et al. 2018).
        seed: of the start and of the steps.

    Raises:
        SeparabilityError: fewer than four embeddings.
    """
    vectors = np.asarray(vectors, np.float32)
    if len(vectors) < FEWEST:
        raise SeparabilityError(f"{len(vectors)} embeddings are no map; give {FEWEST} or more")
    if method == "tsne":
        perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    from umap import UMAP  # takes seconds to import

    neighbours = min(NEIGHBOURS, len(vectors) - 1)
    start = "spectral" if len(vectors) > NEIGHBOURS else "random"
    mapper = UMAP(n_neighbors=neighbours, init=start, random_state=seed, n_jobs=1)
    return np.asarray(mapper.fit_transform(vectors))
