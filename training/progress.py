"""How far a training run is: what a checkpoint holds beside weights and the optimizer's state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from fakemamba.training.best_epochs import BestEpoch, epochs_without_gain
from fakemamba.training.recipe import SelectionRecipe

HIGHER_IS_BETTER = ("accuracy", "macro-f1")


@dataclass(frozen=True)
class EpochRecord:
    """An epoch that is done, a row of ``epochs.csv``.

    Losses are the class-weighted cross-entropy, in nats; the training loss is the mean of the
    steps', while the weights changed. ``validation_eer``, of recordings or frames, and accuracy and
    macro-F1, of sources, are fractions; what the objective has not is None. ``epoch_s`` is the time
    of training and validation.
    """

    epoch: int
    steps: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_eer: float | None
    validation_accuracy: float | None = field(default=None, kw_only=True)
    validation_macro_f1: float | None = field(default=None, kw_only=True)
    epoch_s: float

    def known(self) -> dict[str, float]:
        """All that there is, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass
class Progress:
    """The epoch under way (from 1), its steps that are done, and what was before.

    Attributes:
        epoch: under way.
        step: how many of its steps are done.
        total_steps: that are done since the run's beginning.
        loss_sum: of this epoch's steps.
        epoch_s: time spent on this epoch.
        history: the epochs before.
        best: the best of them, the best first.
        steps_sha256: of ``steps.csv`` up to here; None if nothing is logged.
    """

    epoch: int = 1
    step: int = 0
    total_steps: int = 0
    loss_sum: float = 0.0
    epoch_s: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)
    best: tuple[BestEpoch, ...] = ()
    steps_sha256: str | None = None

    def is_over(self, recipe: SelectionRecipe) -> bool:
        """Whether the recipe has no further epoch."""
        if len(self.history) >= recipe.max_epochs:
            return True
        values = [criterion(one, recipe) for one in self.history]
        return bool(values) and 0 < recipe.patience <= epochs_without_gain(values)

    def begin_next(self, done: EpochRecord, best: tuple[BestEpoch, ...]) -> None:
        """Go over to the next epoch."""
        self.history.append(done)
        self.best = best
        self.epoch, self.step, self.loss_sum, self.epoch_s = self.epoch + 1, 0, 0.0, 0.0


def criterion(record: EpochRecord, recipe: SelectionRecipe) -> float:
    """The value of an epoch by which the best are chosen; less is better."""
    sign = -1 if recipe.criterion in HIGHER_IS_BETTER else 1
    return sign * chosen_figure(record, recipe)


def chosen_figure(record: EpochRecord, recipe: SelectionRecipe) -> float:
    """The same as it is in the record, in which more may be better."""
    if recipe.criterion == "training-loss":
        return record.train_loss
    return record.known()[f"validation_{recipe.criterion.replace('-', '_')}"]
