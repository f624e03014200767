"""Embeddings of a checkpoint for the commands that need some, with progress and failures told."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fakemamba.cli.printing import counting, say
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import EmbeddingOrigin, Embeddings
from fakemamba.evaluation.embedding_journal import ENDING, EmbeddingJournal
from fakemamba.evaluation.embeddings import Layer, embed_trials
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.trial_list import survey
from fakemamba.models.device import resolve_device
from fakemamba.models.loading import load_detector


@contextmanager
def embedded_by(
    checkpoint: Path,
    trials: Sequence[Trial],
    manner: Manner,
    layer: Layer = None,
    *,
    kept_at: Path | None = None,
) -> Iterator[Embeddings]:
    """The embeddings of trials, with their origin.

    If they are to be kept in a file, they are in a journal beside it until the block ends, and one
    that a killed run has left is gone on with.

    Raises:
        CheckpointError, ExternalDetectorError: see `load_detector`.
        EmbeddingsError: there is no such layer.
        JournalError: the journal is of another run, or damaged.
    """
    place = resolve_device(manner.device)
    identity = scoring_identity(checkpoint, survey(lambda: trials).sha256, manner, place)
    journal = None
    if kept_at is not None:
        path = kept_at.with_name(kept_at.name + ENDING)
        journal = EmbeddingJournal(path, identity | {"layer": layer})
    model = load_detector(checkpoint, manner.detector, needs_scores=False)
    shown = counting("embedding", total=len(trials))
    found = embed_trials(model.to(place), trials, manner, shown, layer, journal)
    for failure in found.failures:
        say(f"not embedded: {failure}", file=sys.stderr)
    one = layer if isinstance(layer, int) else None
    origin = EmbeddingOrigin(str(identity["weights_sha256"]), one, manner.length)
    yield replace(found, origin=origin)
    if journal is not None:
        journal.remove()
