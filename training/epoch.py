"""One epoch of steps: forward, loss, backward, optimizer, from any step on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from fakemamba.evaluation.metrics.segments import UNLABELLED
from fakemamba.training.clips import Clips, ClipsOfEpoch, load, shuffled_batches
from fakemamba.training.loss import WeightedCrossEntropy
from fakemamba.training.objectives.objective import Objective
from fakemamba.training.progress import Progress
from fakemamba.training.recipe import Recipe, RecipeError
from fakemamba.training.run_folder import TrainingError
from fakemamba.training.schedule import learning_rate
from fakemamba.training.validation import forward, readable


@dataclass(frozen=True)
class TrainingStep:
    """A step that is done, and what some rank wished to be done after it.

    Attributes:
        number: since the run's beginning, from 1.
        loss: of its clips, in nats.
        gradient_norm: before clipping.
        learning_rate: of the step.
        clips: on all ranks.
        save: write a checkpoint.
        stop: end the run, to be gone on with later.
    """

    number: int
    loss: float
    gradient_norm: float
    learning_rate: float
    clips: int
    save: bool
    stop: bool


@dataclass(frozen=True)
class Trainer:
    """What all epochs of a run share.

    Attributes:
        model: what the objective trains, prepared by accelerate.
        optimizer: of it, prepared too.
        recipe: the run's.
        objective: what is learned.
        loss: the recipe's.
        accelerator: devices and ranks.
        workers: processes that read, for each rank.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    objective: Objective
    loss: WeightedCrossEntropy
    accelerator: Accelerator
    workers: int

    def steps_in(self, num_trials: int) -> int:
        """Steps of an epoch.

        Raises:
            RecipeError: none, or a batch cannot be shared among the devices.
        """
        batch_size, ranks = self.recipe.optimization.batch_size, self.accelerator.num_processes
        if batch_size % ranks:
            raise RecipeError(
                f"optimization.batch_size {batch_size} cannot be shared evenly by {ranks} devices; "
                f"give a multiple of {ranks}"
            )
        if num_trials < batch_size:
            raise RecipeError(
                f"optimization.batch_size {batch_size}, but there are {num_trials} training trials"
            )
        return num_trials // batch_size

    def run(
        self,
        clips: ClipsOfEpoch,
        progress: Progress,
        wishes: Callable[[], tuple[bool, bool]],
        on_step: Callable[[TrainingStep], None],
    ) -> None:
        """Go on with an epoch; `progress` is brought up to date after every step.

        Args:
            clips: of the epoch.
            progress: where to begin.
            wishes: whether this rank wishes a checkpoint after the step, and to stop there.
            on_step: called after every step; when it was told to stop, that was the last.

        Raises:
            TrainingError: a recording cannot be read, or loss or gradient are not finite.
        """
        batches = shuffled_batches(
            len(clips), self.recipe.optimization.batch_size, clips.preparation.seed, clips.epoch
        )
        planned = len(batches) * self.recipe.selection.max_epochs
        left = batches[progress.step :]
        parts = [self._own_parts(batch) for batch in left]
        is_gpu = self.accelerator.device.type == "cuda"
        loaded = readable(
            load(clips, [part for own in parts for part in own], workers=self.workers, pin=is_gpu)
        )
        self.model.train()
        for own in parts:
            rate = learning_rate(self.recipe.optimization, progress.total_steps, planned)
            step = self._step(list(islice(loaded, len(own))), rate, progress, wishes())
            progress.step += 1
            progress.total_steps += 1
            progress.loss_sum += step.loss
            on_step(step)
            if step.stop:
                return

    def _own_parts(self, batch: Sequence[int]) -> list[list[int]]:
        """This rank's share of a batch, in micro-batches; as many on every rank."""
        share = len(batch) // self.accelerator.num_processes
        own = batch[self.accelerator.process_index * share :][:share]
        size = self.recipe.optimization.micro_batch_size or len(own)
        return [list(own[start : start + size]) for start in range(0, len(own), size)]

    def _step(
        self,
        micro_batches: Sequence[Clips],
        rate: float,
        progress: Progress,
        wishes: tuple[bool, bool],
    ) -> TrainingStep:
        accelerator, recipe = self.accelerator, self.recipe.optimization
        # Dropout is another one in every step and on every rank, and the same in a resumed run.
        state = (self.recipe.seed, progress.total_steps, accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(state).generate_state(1, np.uint64)[0] >> 1))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        # What ranks tell one another: (loss, wish for a checkpoint, wish to stop).
        told = torch.tensor([0.0, *map(float, wishes)], device=accelerator.device)
        weight = self._weight(micro_batches)
        for number, clips in enumerate(micro_batches, 1):
            is_last = number == len(micro_batches)
            with nullcontext() if is_last else accelerator.no_sync(self.model):
                made, _ = forward(self.model, clips, self.objective, accelerator.device)
                share = self.loss.share(made.logits, made.labels, weight)
                # Ranks' gradients are averaged, but their shares add up.
                accelerator.backward(share * accelerator.num_processes)
            told[0] += share.detach()
        loss, saves, stops = accelerator.reduce(told, "sum").tolist()
        self._require_finite("loss", loss, progress)
        limit = recipe.clip_norm or math.inf
        norm = float(accelerator.clip_grad_norm_(self.model.parameters(), limit))
        if recipe.precision != "fp16":  # its scaler skips such a step, and lowers the scale
            self._require_finite("gradient's norm", norm, progress)
        self.optimizer.step()
        return TrainingStep(
            progress.total_steps + 1, loss, norm, rate, recipe.batch_size, saves > 0, stops > 0
        )

    def _weight(self, micro_batches: Sequence[Clips]) -> float:
        """Of a batch's labels, on all ranks; of frames it depends on where clips are cut."""
        targets = [one for clips in micro_batches for one in clips.labels.flatten().tolist()]
        labels = [label for label in targets if label != UNLABELLED]
        own = torch.tensor(self.loss.total_weight(labels), dtype=torch.float64)
        if self.accelerator.num_processes > 1:
            own = self.accelerator.reduce(own.to(self.accelerator.device), "sum")
        return float(own)

    def _require_finite(self, what: str, value: float, progress: Progress) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"the {what} is {value} in step {progress.step + 1} of epoch {progress.epoch}, so "
                "the weights were left as they were before it. The newest checkpoint is whole: "
                "train again in another folder with a lower learning rate, clip_norm, or "
                'precision = "fp32"'
            )
