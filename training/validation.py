"""The loss and the EER of the validation trials, shared by ranks.

As published, the loss is the mean over clips of their batch's class-weighted mean, the batches
being those of the list's order. Where the list has one class after the other, as ASVspoof's have,
nearly every batch is of one class, its weights cancel out, and the loss is the unweighted
cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import extract_model_from_parallel
from torch import nn

from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.models.detector import Detector
from fakemamba.training.clips import Clips, ClipsOfEpoch, label_index, load
from fakemamba.training.loss import WeightedCrossEntropy
from fakemamba.training.run_folder import TrainingError


@dataclass(frozen=True)
class Validation:
    """``loss`` in nats and ``eer``, a fraction."""

    loss: float
    eer: float


def validate(
    model: nn.Module,
    clips: ClipsOfEpoch,
    loss: WeightedCrossEntropy,
    accelerator: Accelerator,
    *,
    batch_size: int,
    workers: int,
    on_batch: Callable[[], None],
) -> Validation:
    """Judge all clips in evaluation mode; every rank gets the result.

    Raises:
        TrainingError: a recording cannot be read, or a score is not finite.
    """
    count = len(clips)
    batches = [
        range(first, min(first + batch_size, count)) for first in range(0, count, batch_size)
    ]
    rank, ranks = accelerator.process_index, accelerator.num_processes
    # All ranks compute as often, since some wait for one another in every forward pass: the last
    # round is filled up with a batch whose result is not used.
    rounds = -(-len(batches) // ranks)
    own = [min(number * ranks + rank, len(batches) - 1) for number in range(rounds)]
    used = [number * ranks + rank < len(batches) for number in range(rounds)]
    losses = torch.zeros(len(batches), dtype=torch.float64)
    scores = torch.zeros(count, dtype=torch.float64)
    model.eval()
    loaded = load(
        clips,
        [list(batches[number]) for number in own],
        workers=workers,
        pin=accelerator.device.type == "cuda",
    )
    with torch.no_grad():
        for number, is_used, batch in zip(own, used, readable(loaded), strict=True):
            logits, judged, labels = forward(model, batch, accelerator.device)
            if is_used:
                weight = loss.total_weight(labels.tolist())
                losses[number] = loss.share(logits, labels, weight).double().cpu()
                scores[batches[number]] = judged.double().cpu()
            on_batch()
    model.train()
    if ranks > 1:
        device = accelerator.device
        losses = accelerator.reduce(losses.to(device), "sum").cpu()
        scores = accelerator.reduce(scores.to(device), "sum").cpu()
    sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float64)
    if not bool(torch.isfinite(scores).all()):
        first = clips.trials[int(torch.isfinite(scores).logical_not().int().argmax())]
        raise TrainingError(
            f"the score of {first.trial_id} ({first.path}) in the validation is not finite; the "
            "checkpoints are those before this epoch's end. Train with a lower learning rate"
        )
    labels_of_all = np.array([label_index(trial) for trial in clips.trials])
    by_class = (scores.numpy()[labels_of_all == label] for label in (1, 0))
    return Validation(float((losses * sizes).sum() / count), equal_error(*by_class).eer)


def forward(
    model: nn.Module, clips: Clips, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (B, 2) with bona fide behind spoof, scores and labels (B,) of clips, on the device."""
    detector = extract_model_from_parallel(model)
    assert isinstance(detector, Detector)
    waveforms = clips.waveforms.to(device, non_blocking=True)
    lengths = None if clips.lengths is None else clips.lengths.to(device, non_blocking=True)
    logits = model(waveforms, lengths)
    labels = clips.labels.to(device, non_blocking=True)
    return detector.by_class(logits), detector.scores(logits), labels


def readable(loaded: Iterator[Clips]) -> Iterator[Clips]:
    """The clips, if all could be read.

    Raises:
        TrainingError: the reason why one could not.
    """
    for clips in loaded:
        if clips.reasons:
            raise TrainingError(f"{clips.reasons[0]}; mend or remove it, and go on with --resume")
        yield clips
