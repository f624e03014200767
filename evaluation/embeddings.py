"""Recordings to embeddings: what a detector, or a layer of its front-end, has made of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fakemamba.data.batches import Batch
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import Embeddings, EmbeddingsError
from fakemamba.evaluation.embedding_journal import EmbeddingJournal, Found
from fakemamba.evaluation.manner import Manner
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.frontends.outputs import states_of
from fakemamba.models.frontends.s3prl import fitted
from fakemamba.models.masking import masked_mean
from fakemamba.names import one_line

Layer = int | Literal["all"] | None  # of the front-end; None: the detector's own embedding alone


def embed_trials(
    detector: Detector,
    trials: Sequence[Trial],
    manner: Manner,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    layer: Layer = None,
    journal: EmbeddingJournal | None = None,
) -> Embeddings:
    """Embed recordings by `Detector.embed` or by a layer, on the detector's device.

    Args:
        detector: in eval mode.
        trials: whose recordings are embedded; ids are unique.
        manner: how; precision and execution are the detector's own, and so is the device.
        progress: passes on what it is given, one item a trial, and may count them.
        layer: take the mean over an utterance's frames of this state of the front-end (0 is what
            its first layer is given), in which the final norm is not yet; ``all`` takes all of
            them beside the detector's own, in one pass.
        journal: what is in it is not embedded again, and all that is made is added.

    Raises:
        EmbeddingsError: there is no such layer, or the front-end is not of this package.
        OSError: the journal cannot be written.
    """
    if layer is not None:
        _check_layer(detector, layer)
    found: dict[str, Found | str] = {}
    known: dict[str, Found] = {} if journal is None else journal.known
    damage: dict[str, str] = {} if journal is None else dict(journal.damage)

    def results() -> Iterator[tuple[Trial, Found | str]]:
        yield from ((one, known[one.trial_id]) for one in trials if one.trial_id in known)
        for batch in manner.batches(one for one in trials if one.trial_id not in known):
            damage.update(batch.damage)
            made = _embed(detector, batch, layer)
            if journal is not None:
                vectors = [(one.trial_id, it) for one, it in made if not isinstance(it, str)]
                journal.add(vectors, batch.damage)
            yield from made

    for trial, result in progress(results()):
        found[trial.trial_id] = result
    embedded, vectors, layers, failures = [], [], [], []
    for trial in trials:
        result = found[trial.trial_id]
        if isinstance(result, str):
            failures.append(result)
            continue
        embedded.append(trial)
        vectors.append(result[0])
        if result[1] is not None:
            layers.append(result[1])
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    ids = [trial.trial_id for trial in embedded]
    damaged = {one: damage[one] for one in ids if one in damage}
    states = np.stack(layers) if layers else None
    return Embeddings(tuple(embedded), stacked, tuple(failures), damaged, states)


def _check_layer(detector: Detector, layer: int | str) -> None:
    if isinstance(detector, ExternalDetector):
        raise EmbeddingsError(
            f"{detector.name} is external: which layers it has is not known; take its own "
            "embedding, without a layer"
        )
    last = len(detector.frontend.layers)
    if layer != "all" and not 0 <= int(layer) <= last:
        raise EmbeddingsError(
            f"there is no layer {layer}: the front-end has 0 to {last}, where 0 is what the first "
            "one is given"
        )


@torch.inference_mode()
def _embed(detector: Detector, batch: Batch, layer: Layer) -> list[tuple[Trial, Found | str]]:
    """Each trial of a batch with its vectors, or with why it has none."""
    results: list[tuple[Trial, Found | str]] = list(batch.failures)
    if not batch.trials:
        return results
    try:
        made = _vectors(detector, batch.waveforms.to(detector.device), batch.lengths, layer)
    except (UnsupportedInputError, ExternalDetectorError) as error:
        if len(batch.trials) == 1:
            reason = f"{batch.trials[0].path}: {one_line(str(error))}; give a fixed --length"
            return [(batch.trials[0], reason)]
        rows = (
            Batch((trial,), waveform[None, :length], length[None])
            for trial, waveform, length in zip(
                batch.trials, batch.waveforms, batch.lengths, strict=True
            )
        )
        return results + [result for row in rows for result in _embed(detector, row, layer)]
    own, states = (None if one is None else one.float().cpu().numpy() for one in made)
    assert own is not None
    for row, trial in enumerate(batch.trials):
        found = own[row], None if states is None else states[row]
        is_finite = all(one is None or np.isfinite(one).all() for one in found)
        reason = f"{trial.path}: the detector's embedding is not finite"
        results.append((trial, found if is_finite else reason))
    return results


def _vectors(
    detector: Detector, waveforms: Tensor, lengths: Tensor, layer: Layer
) -> tuple[Tensor, Tensor | None]:
    """What is asked for of waveforms (B, L): (B, width), and (B, 1 + layers, hidden) if all are."""
    if layer is None:
        return detector.embed(waveforms, lengths), None
    frontend = detector.frontend
    given, valid = detector.prepared(waveforms, detector.check_input(waveforms, lengths))
    counts = None if valid is None else frontend.frame_counts(valid)
    if layer != "all":
        states, counts = frontend.layer_frames(given, valid)  # (B, T, hidden) each
        return masked_mean(states[layer], counts), None
    with states_of(frontend.layers) as states:
        own = detector.embed(waveforms, lengths)  # (B, width)
    kept = [fitted(state, given.shape[1], valid, frontend.config) for state in states]
    return own, torch.stack([masked_mean(state, counts) for state in kept], 1)
