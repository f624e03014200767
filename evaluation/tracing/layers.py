"""A study by layers: what the detector's own encoder adds over the layers of its front-end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fakemamba.evaluation.embedding_files import Embeddings, EmbeddingsError
from fakemamba.evaluation.tracing import closed_set
from fakemamba.evaluation.tracing.classifiers import Name
from fakemamba.evaluation.tracing.closed_set import Named, Right
from fakemamba.evaluation.tracing.folds import Folds
from fakemamba.evaluation.tracing.intervals import TracingFigure, clusters, figures_of
from fakemamba.evaluation.tracing.protocol import Mask, Traced
from fakemamba.evaluation.tracing.tracer import fit_classifier
from fakemamba.evaluation.uncertainty import Resampling


@dataclass(frozen=True)
class LayerAccuracy:
    """How well systems are told apart by one layer.

    Attributes:
        layer: of the front-end; None is the detector's own embedding.
        width: numbers of a trial's embedding.
        accuracy: a share of one.
        macro_f1: a share of one.
        added: how far the accuracy of the detector's own embedding is above it, on the same trials
            and draws; None of that itself.
    """

    layer: int | None
    width: int
    accuracy: TracingFigure
    macro_f1: TracingFigure
    added: TracingFigure | None


def by_layer(
    embeddings: Embeddings,
    found: Traced,
    folds: Folds,
    is_seen: Mask,
    classifier: Name,
    resampling: Resampling,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> list[LayerAccuracy]:
    """The closed set's figures by each layer and by the detector's own embedding, in that order.

    Args:
        embeddings: with all layers.
        found: trials of these, in ``folds``.
        folds: the same for all.
        is_seen: (n,), whose systems are fitted to.
        classifier: the same for all.
        resampling: of the intervals; the same draws for all.
        progress: passes on what it is given, one item a layer, and may count them.

    Raises:
        EmbeddingsError: there are not all layers among the embeddings.
        TracingError: the embeddings of a layer are all equal.
    """
    if embeddings.layers is None:
        raise EmbeddingsError(
            f"these are {embeddings.origin} alone: write all layers, by --layers, to study them"
        )
    places = {one.trial_id: place for place, one in enumerate(embeddings.trials)}
    rows = np.array([places[one] for one in found.table["trial_id"]])
    classes, codes = np.unique(found.labels[is_seen].astype(str), return_inverse=True)
    speakers = clusters(found.table[is_seen], resampling)
    layers: list[int | None] = [*range(embeddings.layers.shape[1]), None]
    widths, each = [], []
    for layer in progress(layers):
        vectors = embeddings.at(layer).vectors[rows].astype(np.float64)
        said = np.empty(len(rows), object)
        for fit, held in folds.parts:
            names, made = fit_classifier(vectors[fit], found.labels[fit], classifier)
            said[held] = np.array(names, object)[made.logits(vectors[held]).argmax(1)]
        named = Named(codes, np.searchsorted(classes, said[is_seen].astype(str)), len(classes))
        widths.append(vectors.shape[1])
        each.append(named)
    study = []
    for layer, width, named in zip(layers, widths, each, strict=True):
        figures = figures_of(named, closed_set.NAMES, speakers, resampling)
        added = None
        if layer is not None:
            more = Right(each[-1].is_right.astype(np.int64) - named.is_right)
            added = figures_of(more, ["accuracy"], speakers, resampling)["accuracy"]
        study.append(LayerAccuracy(layer, width, **figures, added=added))
    return study
