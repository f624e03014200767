"""The loss and the figures of the validation trials, shared by ranks.

As published, the loss is the mean over clips of their batch's class-weighted mean, the batches
being those of the list's order. Where the list has one class after the other, as ASVspoof's have,
nearly every batch is of one class, its weights cancel out, and the loss is the unweighted
cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import extract_model_from_parallel, gather_object
from torch import nn

from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.training.clips import Clips, ClipsOfEpoch, load
from fakemamba.training.loss import WeightedCrossEntropy
from fakemamba.training.objectives.objective import Objective, Outputs
from fakemamba.training.run_folder import TrainingError


@dataclass(frozen=True)
class Validation:
    """``loss`` in nats, and the objective's ``figures``, such as ``eer``, a fraction."""

    loss: float
    figures: Mapping[str, float]


def validate(
    model: nn.Module,
    clips: ClipsOfEpoch,
    objective: Objective,
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
        MetricError: there is nothing of a class to have figures of.
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
    is_finite = torch.zeros(count, dtype=torch.float64)
    judged: dict[int, tuple[Floats, Counts]] = {}  # rows of a batch, and their labels
    model.eval()
    loaded = load(
        clips,
        [list(batches[number]) for number in own],
        workers=workers,
        pin=accelerator.device.type == "cuda",
    )
    with torch.no_grad():
        for number, is_used, batch in zip(own, used, readable(loaded), strict=True):
            made, given = forward(model, batch, objective, accelerator.device)
            if is_used:
                weight = loss.total_weight(made.labels.tolist())
                losses[number] = loss.share(made.logits, made.labels, weight).double().cpu()
                is_finite[batches[number]] = given.isfinite().flatten(1).all(1).double().cpu()
                rows = made.judged.double().cpu().numpy()
                judged[number] = rows, made.labels.cpu().numpy()
            on_batch()
    model.train()
    if ranks > 1:
        device = accelerator.device
        losses = accelerator.reduce(losses.to(device), "sum").cpu()
        is_finite = accelerator.reduce(is_finite.to(device), "sum").cpu()
        judged = dict(gather_object(list(judged.items())))
    sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float64)
    if not bool(is_finite.all()):
        first = clips.trials[int(is_finite.argmin())]
        raise TrainingError(
            f"the score of {first.trial_id} ({first.path}) in the validation is not finite; the "
            "checkpoints are those before this epoch's end. Train with a lower learning rate"
        )
    in_order = [judged[number] for number in range(len(batches))]
    rows, labels = (np.concatenate(column) for column in zip(*in_order, strict=True))
    return Validation(float((losses * sizes).sum() / count), objective.figures(rows, labels))


def forward(
    model: nn.Module, clips: Clips, objective: Objective, device: torch.device
) -> tuple[Outputs, torch.Tensor]:
    """What an objective makes of clips, and what the model gave of them (B, ...), on the device."""
    waveforms = clips.waveforms.to(device, non_blocking=True)
    lengths = None if clips.lengths is None else clips.lengths.to(device, non_blocking=True)
    given = model(waveforms, lengths)
    labels = clips.labels.to(device, non_blocking=True)
    return objective.outputs(extract_model_from_parallel(model), given, labels), given


def readable(loaded: Iterator[Clips]) -> Iterator[Clips]:
    """The clips, if all could be read.

    Raises:
        TrainingError: the reason why one could not.
    """
    for clips in loaded:
        if clips.reasons:
            raise TrainingError(f"{clips.reasons[0]}; mend or remove it, and go on with --resume")
        yield clips
