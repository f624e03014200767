"""Embeddings of a checkpoint for the commands that need some, with progress and failures told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fakemamba.cli.printing import counting, say
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import EmbeddingOrigin, Embeddings
from fakemamba.evaluation.embeddings import Layer, embed_trials
from fakemamba.evaluation.manner import Manner
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import load_detector, weights_sha256


def embed_by(
    checkpoint: Path, trials: Sequence[Trial], manner: Manner, layer: Layer = None
) -> Embeddings:
    """The embeddings of trials, with their origin.

    Raises:
        CheckpointError, ExternalDetectorError: see `load_detector`.
        EmbeddingsError: there is no such layer.
    """
    place = resolve_device(manner.device)
    model = load_detector(checkpoint, manner.detector)
    shown = counting("embedding", total=len(trials))
    found = embed_trials(model.to(place), trials, manner, shown, layer)
    for failure in found.failures:
        say(f"not embedded: {failure}", file=sys.stderr)
    one = layer if isinstance(layer, int) else None
    origin = EmbeddingOrigin(weights_sha256(checkpoint), one, manner.length)
    return replace(found, origin=origin)
