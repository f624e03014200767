"""What is seen of a run while it goes on: a bar for the epoch, and a line for each that is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from fakemamba.training.epoch import TrainingStep
from fakemamba.training.progress import EpochRecord

FIGURES = {
    "validation_eer": "EER",
    "validation_accuracy": "accuracy",
    "validation_macro_f1": "macro-F1",
}


@dataclass
class Display:
    """The bar of the phase under way."""

    bars: Progress
    console: Console
    is_shown: bool
    task: TaskID | None = None

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Show another bar instead of the one before."""
        if self.task is not None:
            self.bars.remove_task(self.task)
        self.task = self.bars.add_task(what, total=total, completed=done, told="")

    def advance(self, step: TrainingStep | None = None) -> None:
        """One step or batch more."""
        if self.task is None:
            return
        self.bars.advance(self.task)
        if step is not None:
            self.bars.update(self.task, told=f"loss {step.loss:.4f}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self.is_shown:
            self.bars.console.print(text, markup=False, highlight=False)

    def say_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """The line of an epoch that is done."""
        known = record.known()
        figures = [f"{word} {known[name]:.2%}" for name, word in FIGURES.items() if name in known]
        self.say(
            f"epoch {record.epoch}: loss {record.train_loss:.4f}, validation loss "
            f"{record.validation_loss:.4f}, {', '.join(figures)}, "
            f"{record.epoch_s:.0f} s" + (", the best so far" if is_best else "")
        )


@contextmanager
def display(*, is_shown: bool) -> Iterator[Display]:
    """Bars on stderr, of one rank."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not is_shown, transient=True) as bars:
        yield Display(bars, console, is_shown)
