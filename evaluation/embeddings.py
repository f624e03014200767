"""Recordings to embeddings: what a detector has made of each before it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fakemamba.data.batches import Batch
from fakemamba.data.trials import Trial
from fakemamba.evaluation.manner import Manner
from fakemamba.files import atomic_write
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.names import one_line

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A vector a trial, and why others have none.

    Attributes:
        trials: n of them, in the order that they were given in.
        vectors: (n, width), the detector's pooled features before its classifier.
        failures: what kept the others from having one.
        damaged: what is missing of the recordings that are not all there, by their trials' ids.
    """

    trials: tuple[Trial, ...]
    vectors: Vectors
    failures: tuple[str, ...]
    damaged: dict[str, str]


def embed_trials(
    detector: Detector,
    trials: Sequence[Trial],
    manner: Manner,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Embeddings:
    """Embed recordings by `Detector.embed`, on the detector's device.

    Args:
        detector: in eval mode.
        trials: whose recordings are embedded; ids are unique.
        manner: how; precision and execution are the detector's own, and so is the device.
        progress: passes on what it is given, one item a trial, and may count them.
    """
    found: dict[str, Vectors | str] = {}
    damage: dict[str, str] = {}

    def results() -> Iterator[tuple[Trial, Vectors | str]]:
        for batch in manner.batches(trials):
            damage.update(batch.damage)
            yield from _embed(detector, batch)

    for trial, result in progress(results()):
        found[trial.trial_id] = result
    embedded, vectors, failures = [], [], []
    for trial in trials:
        result = found[trial.trial_id]
        if isinstance(result, str):
            failures.append(result)
        else:
            embedded.append(trial)
            vectors.append(result)
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    ids = [trial.trial_id for trial in embedded]
    damaged = {one: damage[one] for one in ids if one in damage}
    return Embeddings(tuple(embedded), stacked, tuple(failures), damaged)


def write_embeddings(path: str | Path, embeddings: Embeddings) -> None:
    """Write vectors with their trials as NumPy's npz, which is read with ``allow_pickle=False``.

    The arrays are ``trial_ids`` (n,), ``vectors`` (n, width) float32, and the texts ``labels``,
    ``attacks`` and ``speakers`` (n,), which are empty where a corpus does not know them.
    """
    texts: dict[str, Any] = {
        f"{name}s": np.array([getattr(one, name) or "" for one in embeddings.trials], np.str_)
        for name in ("trial_id", "label", "attack", "speaker")
    }
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, vectors=embeddings.vectors, **texts)


@torch.inference_mode()
def _embed(detector: Detector, batch: Batch) -> list[tuple[Trial, Vectors | str]]:
    """Each trial of a batch with its vector (width,), or with why it has none."""
    results: list[tuple[Trial, Vectors | str]] = list(batch.failures)
    if not batch.trials:
        return results
    device = detector.device
    try:
        vectors = detector.embed(batch.waveforms.to(device), batch.lengths)  # (B, width)
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
        return results + [result for row in rows for result in _embed(detector, row)]
    for trial, vector in zip(batch.trials, vectors.float().cpu().numpy(), strict=True):
        is_finite = np.isfinite(vector).all()
        reason = f"{trial.path}: the detector's embedding is not finite"
        results.append((trial, vector if is_finite else reason))
    return results
