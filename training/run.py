"""A training run from its recipe to a detector: begun, gone on with, ended.

The loop is the same for every detector of the registry and every objective: shuffled epochs of
steps, a validation after each, the best epochs kept, and their average at the end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed

from fakemamba.data.trials import Trial
from fakemamba.files import appearing_folder, file_sha256
from fakemamba.interrupts import is_first_rank
from fakemamba.locks import sole_writer
from fakemamba.models.checkpoints import save_pretrained
from fakemamba.models.detector import Detector
from fakemamba.training.best_epochs import BestEpoch, averaged, averaged_head, with_epoch
from fakemamba.training.checkpoint import Checkpoints
from fakemamba.training.clips import FIRST, WHOLE, ClipsOfEpoch, Preparation
from fakemamba.training.detector_tuning import prepare_frontend
from fakemamba.training.devices import accelerated, threads, worker_processes
from fakemamba.training.display import Display, display
from fakemamba.training.epoch import Trainer, TrainingStep
from fakemamba.training.first_detector import first_detector
from fakemamba.training.logs import Logs, logs
from fakemamba.training.loss import LOSSES
from fakemamba.training.objectives.objective import Finish
from fakemamba.training.optimizer import make_optimizer
from fakemamba.training.progress import EpochRecord, Progress, chosen_figure, criterion
from fakemamba.training.recipe import Recipe
from fakemamba.training.run_folder import (
    HEAD,
    RunFolder,
    TrainingResult,
    TrainingStoppedError,
)
from fakemamba.training.run_record import run_identity, write_down
from fakemamba.training.stopping import stop_asked_for
from fakemamba.training.trial_lists import TrialLists, read_lists
from fakemamba.training.validation import validate

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    workers: int | None = None,
    save_minutes: float = 10.0,
) -> TrainingResult:
    """Train a detector by a recipe.

    On a CPU, a run that was cut off and gone on with gives the same bytes as one that was not,
    whatever the number of workers, or of threads that torch was given.

    Args:
        recipe: what to do.
        out: the run's folder, see `RunFolder`.
        resume: go on with the run that is there; begin one if there is none.
        device: auto, cpu, or cuda; under torchrun every rank takes its own GPU.
        workers: processes that read recordings, for each rank; None takes some of the cores.
        save_minutes: from one checkpoint to the next within an epoch; one is written after each.

    Raises:
        RecipeError: the recipe cannot be followed with this data or these devices.
        ClassifierError: frames are to be judged, but the encoder keeps none apart.
        TrainingError: see there; also where it was asked to stop.
        BusyError: another process trains into that folder.
    """
    with sole_writer(out, is_folder=True, is_first=is_first_rank()):
        folder = RunFolder(out)
        lists = read_lists(recipe)
        begun = folder.check(run_identity(recipe, lists), recipe, resume=resume)
        done = folder.read_result(recipe) if begun else None
        if done is not None:
            log.info("%s: the training is done, nothing is left to do", out)
            return done
        with accelerated(recipe, device) as accelerator, threads(recipe):
            with folder.writing():
                if accelerator.is_main_process:
                    write_down(folder, recipe, lists, accelerator.device, begun=begun)
                accelerator.wait_for_everyone()
            run = _Run(
                recipe, folder, lists, accelerator, worker_processes(workers), save_minutes * 60
            )
            return run.finish(run.train())


@dataclass(frozen=True)
class _Run:
    recipe: Recipe
    folder: RunFolder
    lists: TrialLists
    accelerator: Accelerator
    workers: int
    save_every_s: float

    def train(self) -> Progress:
        """Train until the recipe's end, or until it is asked to stop."""
        set_seed(self.recipe.seed)
        made = self.recipe.detector
        detector = first_detector(made).train()
        prepare_frontend(detector, made)
        if self.recipe.trains_detector:
            detector.taught = self.recipe.target.kind
        objective, recipe = self.lists.objective, self.recipe.optimization
        trained = objective.trained(detector)
        optimizer = make_optimizer(trained, recipe)
        model, optimizer = self.accelerator.prepare(trained, optimizer)
        loss = LOSSES[recipe.loss](objective.class_weights)
        trainer = Trainer(
            *(model, optimizer, self.recipe, objective, loss, self.accelerator, self.workers)
        )
        steps = trainer.steps_in(len(self.lists.train))
        checkpoints = Checkpoints(self.folder, self.accelerator)
        progress = checkpoints.resume()
        is_main = self.accelerator.is_main_process
        with (
            display(is_shown=is_main) as shown,
            logs(self.folder, progress) if is_main else nullcontext() as log,
            stop_asked_for() as stop,
        ):
            while not progress.is_over(self.recipe.selection):
                shown.begin(f"epoch {progress.epoch}", steps, progress.step)
                epoch = _Epoch(self, detector, trainer, checkpoints, progress, shown, log)
                epoch.train(stop)
                epoch.validate()
        return progress

    def finish(self, progress: Progress) -> TrainingResult:
        """Average the best epochs, and make of them what the objective leaves."""
        selection = self.recipe.selection
        result = TrainingResult(
            detector=self.folder.detector,
            epochs=len(progress.history),
            best=tuple(one.epoch for one in progress.best),
            criterion=chosen_figure(progress.history[progress.best[0].epoch - 1], selection),
            train_s=sum(one.epoch_s for one in progress.history),
        )
        if self.accelerator.is_main_process:
            folders = [self.folder.best(one.epoch) for one in progress.best]
            detector = averaged(folders, selection.averaging, self.recipe.detector.name)
            with (
                self.folder.writing(),
                appearing_folder(self.folder.detector, is_main=True) as partial,
            ):
                save_pretrained(detector, partial)
            self._finish_objective(detector, [folder / HEAD for folder in folders])
            with self.folder.writing():
                self.folder.write_result(result)
        self.accelerator.wait_for_everyone()
        return result

    def _finish_objective(self, detector: Detector, heads: Sequence[Path]) -> None:
        lists = self.lists
        head = {}
        if heads[0].exists():
            head = averaged_head(heads, self.recipe.selection.averaging)
        with display(is_shown=True) as shown:

            def counting(trials: Iterable[Any]) -> Iterator[Any]:
                shown.begin("embedding", len(lists.train) + len(lists.validation))
                for one in trials:
                    shown.advance()
                    yield one

            lists.objective.finish(
                Finish(
                    folder=self.folder,
                    detector=detector.to(self.accelerator.device),
                    head=head,
                    train=lists.train,
                    validation=lists.validation,
                    data=self.recipe.data,
                    counting=counting,
                )
            )


@dataclass
class _Epoch:
    """An epoch under way, with all that sees its steps."""

    run: _Run
    detector: Detector
    trainer: Trainer
    checkpoints: Checkpoints
    progress: Progress
    shown: Display
    log: Logs | None

    def __post_init__(self) -> None:
        self.since = self.saved = time.monotonic()

    def train(self, stop: Any) -> None:
        """All steps that are left; a wish to stop ends the run behind a checkpoint."""
        clips = self._clips(self.run.lists.train, self.run.recipe.data.crop, augmented=True)

        def wishes() -> tuple[bool, bool]:
            return time.monotonic() - self.saved >= self.run.save_every_s, stop()

        self.trainer.run(clips, self.progress, wishes, self._after_step)

    def _clips(self, trials: Sequence[Trial], crop: str, *, augmented: bool) -> ClipsOfEpoch:
        data = self.run.recipe.data
        augmentation = data.parsed_augmentation() if augmented else None
        preparation = Preparation(data.num_samples, crop, augmentation, self.run.recipe.seed)
        target = self.run.lists.objective.target(self.detector)
        return ClipsOfEpoch(trials, preparation, self.progress.epoch, data.allow_damaged, target)

    def _after_step(self, step: TrainingStep) -> None:
        self.shown.advance(step)
        if self.log is not None:
            self.log.add_step(self.progress.epoch, step)
        if step.save or step.stop:
            self._save()
        if step.stop:
            raise TrainingStoppedError(
                f"stopped in epoch {self.progress.epoch} after step {self.progress.step}, as was "
                f"asked for; go on with it by --resume"
            )

    def _save(self) -> None:
        self._count_time()
        self._write_checkpoint()
        self.saved = time.monotonic()

    def _write_checkpoint(self) -> None:
        if self.log is not None:
            self.progress.steps_sha256 = file_sha256(self.log.steps)
        self.checkpoints.save(self.progress)

    def _count_time(self) -> None:
        now = time.monotonic()
        self.progress.epoch_s += now - self.since
        self.since = now

    def validate(self) -> None:
        """Judge the epoch, keep it if it is one of the best, and write down that it is done."""
        run, progress, selection = self.run, self.progress, self.run.recipe.selection
        crop = WHOLE if run.recipe.data.crop == WHOLE else FIRST
        count = -(-len(run.lists.validation) // selection.batch_size)
        self.shown.begin("validation", -(-count // run.accelerator.num_processes))
        found = validate(
            self.trainer.model,
            self._clips(run.lists.validation, crop, augmented=selection.augmented),
            run.lists.objective,
            self.trainer.loss,
            run.accelerator,
            batch_size=selection.batch_size,
            workers=run.workers,
            on_batch=self.shown.advance,
        )
        self._count_time()
        record = EpochRecord(
            epoch=progress.epoch,
            steps=progress.step,
            learning_rate=self.trainer.optimizer.param_groups[0]["lr"],
            train_loss=progress.loss_sum / progress.step,
            validation_loss=found.loss,
            validation_eer=found.figures.get("eer"),
            validation_accuracy=found.figures.get("accuracy"),
            validation_macro_f1=found.figures.get("macro_f1"),
            epoch_s=progress.epoch_s,
        )
        new = BestEpoch(record.epoch, criterion(record, selection))
        best = with_epoch(progress.best, new, selection.averaged)
        if new in best:
            self.checkpoints.save_epoch(self.trainer.model, self.detector, record.epoch)
        progress.begin_next(record, best)
        self.since = time.monotonic()
        if self.log is not None:
            self.log.write_epochs(progress.history)
        self._write_checkpoint()
        self.shown.say_epoch(record, is_best=best[0] == new)
