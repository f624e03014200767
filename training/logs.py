"""The course of a run: a CSV of epochs, a CSV of steps, and TensorBoard's event files.

A run that goes on from a checkpoint first forgets the steps that came after it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from fakemamba.files import append, naming, require_file, write_csv, write_whole
from fakemamba.training.epoch import TrainingStep
from fakemamba.training.progress import EpochRecord, Progress
from fakemamba.training.run_folder import RunFolder, TrainingError

LONGEST_NUMBER = 20  # of digits of a step's number, which may be anything in a damaged file
STEP_COLUMNS = ("step", "epoch", "loss", "gradient_norm", "learning_rate")


@dataclass(frozen=True)
class Logs:
    """Writes a run's logs; that they cannot be written is told as by `RunFolder.writing`.

    Attributes:
        folder: the run's.
        epochs: path of ``epochs.csv``.
        steps: path of ``steps.csv``.
        tensorboard: writer of event files.
    """

    folder: RunFolder
    epochs: Path
    steps: Path
    tensorboard: SummaryWriter

    def add_step(self, epoch: int, step: TrainingStep) -> None:
        """Log a step."""
        values = (step.number, epoch, step.loss, step.gradient_norm, step.learning_rate)
        with self.folder.writing():
            append(self.steps, ",".join(map(str, values)) + "\n")
            with naming(self.tensorboard.log_dir):
                for name, value in zip(STEP_COLUMNS[2:], values[2:], strict=True):
                    self.tensorboard.add_scalar(f"step/{name}", value, step.number)

    def write_epochs(self, history: Sequence[EpochRecord]) -> None:
        """Write the epochs, and send the last one to TensorBoard."""
        with self.folder.writing():
            _write_epochs(self.epochs, history)
            with naming(self.tensorboard.log_dir):
                for name, value in history[-1].known().items():
                    if name != "epoch":
                        self.tensorboard.add_scalar(f"epoch/{name}", value, history[-1].epoch)
                self.tensorboard.flush()


@contextmanager
def logs(folder: RunFolder, progress: Progress) -> Iterator[Logs]:
    """The logs in a run's folder, to be gone on with from there.

    Raises:
        TrainingError: the steps that are logged are not those that led there; or the folder cannot
            be written.
    """
    epochs, steps = folder.path / "epochs.csv", folder.path / "steps.csv"
    events = folder.path / "tensorboard"
    kept = _kept(steps, progress) if steps.exists() else ",".join(STEP_COLUMNS) + "\n"
    with _errors_of_threads_told_once():
        with folder.writing():
            write_whole(steps, kept)
            if progress.history:
                _write_epochs(epochs, progress.history)
            with naming(events):
                writer = SummaryWriter(str(events), purge_step=progress.total_steps + 1)
        try:
            yield Logs(folder, epochs, steps, writer)
        finally:
            with suppress(OSError):  # told already; or of steps that only the event file is without
                writer.close()


@contextmanager
def _errors_of_threads_told_once() -> Iterator[None]:
    """TensorBoard's thread keeps its error, which we are given, and Python would print it, too."""
    hook = threading.excepthook

    def unless_kept(told: threading.ExceptHookArgs) -> None:
        if getattr(told.thread, "exception", None) is not told.exc_value:
            hook(told)

    threading.excepthook = unless_kept
    try:
        yield
    finally:
        threading.excepthook = hook


def _kept(path: Path, progress: Progress) -> str:
    """The head, and the lines of steps that are done; what was logged after them is left out."""
    remedy = "remove it, and go on with --resume: later steps are logged anew"
    require_file(path, TrainingError, remedy)
    whole = path.read_text(errors="replace").rpartition("\n")[0]  # a kill may cut the last line
    head, *lines = whole.split("\n") if progress.total_steps else [",".join(STEP_COLUMNS)]
    kept = takewhile(lambda line: not _is_after(line, progress.total_steps), lines)
    text = "\n".join([head, *kept]) + "\n"
    found = hashlib.sha256(text.encode()).hexdigest()
    if progress.total_steps and found != progress.steps_sha256:
        raise TrainingError(f"{path} is not as it was when the checkpoint was written; {remedy}")
    return text


def _is_after(line: str, step: int) -> bool:
    number = line.partition(",")[0]
    return number.isdecimal() and len(number) < LONGEST_NUMBER and int(number) > step


def _write_epochs(path: Path, history: Sequence[EpochRecord]) -> None:
    write_csv(path, list(history[0].known()), (one.known().values() for one in history))
