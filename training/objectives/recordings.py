"""Whole recordings, bona fide or spoof, by the detector's own two logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial
from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.models.detector import Detector
from fakemamba.training.clips import Target, recording_label
from fakemamba.training.objectives.objective import Finish, Listed, Outputs
from fakemamba.training.run_folder import TrainingError


@dataclass(frozen=True)
class RecordingObjective:
    """See `Objective`; ``class_weights`` are of spoof and bona fide."""

    class_weights: tuple[float, float]

    def chosen(self, listed: Listed) -> list[Trial]:
        """All trials, if both classes are there."""
        labels = Counter(trial.label for trial in listed.trials)
        for label in (BONA_FIDE, SPOOF):
            if not labels[label]:
                raise TrainingError(
                    f"{listed.name}: none of {len(listed.trials):,} trials is {label}"
                )
        return list(listed.trials)

    def told(self, trial: Trial) -> str:
        """The label."""
        return f"{trial.label}"

    def counts(self, trials: Sequence[Trial]) -> dict[str, int]:
        """Trials of each class."""
        labels = Counter(trial.label for trial in trials)
        return {label: labels[label] for label in (BONA_FIDE, SPOOF)}

    def trained(self, detector: Detector) -> nn.Module:
        """The detector as it is."""
        return detector

    def target(self, detector: Detector) -> Target:
        """The trial's label."""
        return recording_label

    def outputs(self, model: nn.Module, given: Tensor, labels: Tensor) -> Outputs:
        """The two logits (B, 2), bona fide behind spoof, and the detector's score."""
        assert isinstance(model, Detector)
        return Outputs(model.by_class(given), model.scores(given), labels)

    def figures(self, judged: Floats, labels: Counts) -> dict[str, float]:
        """The EER."""
        return {"eer": equal_error(judged[labels == 1], judged[labels == 0]).eer}

    def finish(self, done: Finish) -> None:
        """The detector is all that there is."""
