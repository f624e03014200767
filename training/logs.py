"""The course of a run: a CSV of epochs, a CSV of steps, and TensorBoard's event files.

A run that goes on from a checkpoint first forgets the steps that came after it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from fakemamba.files import appearing_whole, append
from fakemamba.training.epoch import Step
from fakemamba.training.progress import EpochRecord

STEP_COLUMNS = ("step", "epoch", "loss", "gradient_norm", "learning_rate")


@dataclass(frozen=True)
class Logs:
    """Writes a run's logs.

    Attributes:
        epochs: path of ``epochs.csv``.
        steps: path of ``steps.csv``.
        tensorboard: writer of event files.
    """

    epochs: Path
    steps: Path
    tensorboard: SummaryWriter

    def add_step(self, epoch: int, step: Step) -> None:
        """Log a step."""
        values = (step.number, epoch, step.loss, step.gradient_norm, step.learning_rate)
        append(self.steps, ",".join(map(str, values)) + "\n")
        for name, value in zip(STEP_COLUMNS[2:], values[2:], strict=True):
            self.tensorboard.add_scalar(f"step/{name}", value, step.number)

    def write_epochs(self, history: Sequence[EpochRecord]) -> None:
        """Write the epochs, and send the last one to TensorBoard."""
        with appearing_whole(self.epochs) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(EpochRecord)])
            writer.writeheader()
            writer.writerows(asdict(one) for one in history)
        for name, value in asdict(history[-1]).items():
            if name != "epoch":
                self.tensorboard.add_scalar(f"epoch/{name}", value, history[-1].epoch)
        self.flush()

    def flush(self) -> None:
        """Let everything that was logged be on disk."""
        self.tensorboard.flush()


@contextmanager
def logs(folder: Path, total_steps: int) -> Iterator[Logs]:
    """The logs in a run's folder, to be gone on with after so many steps."""
    steps = folder / "steps.csv"
    kept = _lines_up_to(steps, total_steps) if steps.exists() else [",".join(STEP_COLUMNS)]
    with appearing_whole(steps) as partial:
        partial.write_text("\n".join(kept) + "\n")
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=total_steps + 1)
    with writer:
        yield Logs(folder / "epochs.csv", steps, writer)


def _lines_up_to(path: Path, step: int) -> list[str]:
    """The head, and the lines of steps up to one; a last line that was cut off is left out."""
    whole = path.read_text().rpartition("\n")[0].split("\n")
    return [whole[0], *(line for line in whole[1:] if int(line.partition(",")[0]) <= step)]
