"""What the loop asks of an objective: targets of clips, what is trained, figures, what is left.

The loop knows nothing else of what is learned: it makes clips, steps, validations, checkpoints and
the average of the best epochs' weights in one way for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from fakemamba.data.trials import Trial
from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.models.detector import Detector
from fakemamba.training.clips import Target
from fakemamba.training.recipe import DataRecipe
from fakemamba.training.run_folder import RunFolder


@dataclass(frozen=True)
class Listed:
    """Trials and the name of their list, for messages."""

    name: str
    trials: Sequence[Trial]


class Outputs(NamedTuple):
    """What was made of some clips, a row for each of n recordings or frames.

    ``logits`` (n, classes) are what the loss is of, ``judged`` (n,) what figures are of, and
    ``labels`` (n,) the classes' places.
    """

    logits: Tensor
    judged: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Finish:
    """What an objective may need when the averaged detector is in the run's folder.

    Attributes:
        folder: the run's.
        detector: the averaged one, on the run's device.
        head: averaged weights of what was trained beside the detector; empty if nothing was.
        train: the trials that were trained on,
        validation: and those by which epochs were chosen.
        data: how they were cut.
        counting: passes on what it is given, one item a trial, and shows how many there were.
    """

    folder: RunFolder
    detector: Detector
    head: Mapping[str, Tensor]
    train: Sequence[Trial]
    validation: Sequence[Trial]
    data: DataRecipe
    counting: Callable[[Iterable[Any]], Iterable[Any]]


class Objective(Protocol):
    """One of the things that a detector is taught."""

    @property
    def class_weights(self) -> tuple[float, ...]:
        """Of each class, in the loss."""
        ...

    def chosen(self, listed: Listed) -> list[Trial]:
        """Of a list those trials that it can be taught by.

        Raises:
            TrainingError: the list cannot be used.
        """
        ...

    def told(self, trial: Trial) -> str:
        """All that it is taught of a trial, as text, by which lists are told apart."""
        ...

    def counts(self, trials: Sequence[Trial]) -> dict[str, int]:
        """How much there is of what, for people."""
        ...

    def trained(self, detector: Detector) -> nn.Module:
        """What is trained: the detector, or the detector with a head of its own behind it.

        Raises:
            ValueError: the detector has not what is needed.
        """
        ...

    def target(self, detector: Detector) -> Target:
        """What makes the targets of the clips that this detector is given."""
        ...

    def outputs(self, model: nn.Module, given: Tensor, labels: Tensor) -> Outputs:
        """Of what `trained` gave of clips, and the clips' targets as they are collated."""
        ...

    def figures(self, judged: Floats, labels: Counts) -> dict[str, float]:
        """Of all of a validation's rows (n,): values of `EpochRecord`, but ``validation_``."""
        ...

    def finish(self, done: Finish) -> None:
        """Write what the run leaves beside its detector.

        Raises:
            TrainingError: it cannot be made, or written.
        """
        ...
