"""Which system made a spoof, or who speaks, by a linear layer on the detector's embedding.

Classes are the values of a column that training trials have. All have the same weight in the loss,
as in the `linear` tracer of `fakemamba trace fit`; what the layer has learned is written as one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor, nn

from fakemamba.data.trials import BONA_FIDE, Trial, trial_table
from fakemamba.evaluation.calibration import sketch
from fakemamba.evaluation.embedding_files import EmbeddingOrigin
from fakemamba.evaluation.embeddings import embed_trials
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.tracing.classifiers import Linear, seen_scores
from fakemamba.evaluation.tracing.closed_set import NAMES, Named
from fakemamba.evaluation.tracing.confounds import contingency
from fakemamba.evaluation.tracing.model_files import TracerModel, write_tracer
from fakemamba.evaluation.tracing.protocol import Label, TracingError, check_classes, listed_few
from fakemamba.evaluation.tracing.tracer import Choices, calibrated
from fakemamba.models.detector import Detector
from fakemamba.models.loading import weights_sha256
from fakemamba.training.clips import FIRST, Clip, Target
from fakemamba.training.objectives.headed import Headed, recording
from fakemamba.training.objectives.objective import Finish, Listed, Outputs
from fakemamba.training.recipe import Recipe
from fakemamba.training.run_folder import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceTarget:
    """The place of a trial's class among all, whatever part of the recording the clip is."""

    column: Label
    classes: tuple[str, ...]

    def __call__(self, trial: Trial, clip: Clip) -> int:
        """See above."""
        return self.classes.index(getattr(trial, self.column))


@dataclass(frozen=True)
class SourceObjective:
    """See `Objective`.

    Attributes:
        column: of the trials, that names the classes.
        classes: sorted.
        class_weights: of each, so that all weigh the same and trials 1 in the mean.
        tuned_back_end: whether all that is behind the front-end is trained.
    """

    column: Label
    classes: tuple[str, ...]
    class_weights: tuple[float, ...]
    tuned_back_end: bool

    @classmethod
    def of(cls, recipe: Recipe, train: Listed, validation: Listed) -> Self:
        """The objective of a recipe, by the classes of the training trials.

        Raises:
            TrainingError: fewer than two classes, or one with a single trial.
        """
        column = recipe.target.column
        counts = Counter(getattr(trial, column) for trial in _known(train.trials, column))
        try:
            check_classes(np.array(list(counts.elements()), object), column)
        except TracingError as error:
            raise TrainingError(f"{train.name}: {error}") from error
        classes = tuple(sorted(counts))
        even = counts.total() / len(classes)
        weights = tuple(even / counts[one] for one in classes)
        return cls(column, classes, weights, recipe.target.tuned_back_end)

    def chosen(self, listed: Listed) -> list[Trial]:
        """Spoofed trials that have a class, if it is one that is trained on."""
        found = _known(listed.trials, self.column)
        if not found:
            raise TrainingError(
                f"{listed.name}: none of {len(listed.trials):,} trials is spoofed and says its "
                f"{self.column}"
            )
        if other := sorted({getattr(trial, self.column) for trial in found} - {*self.classes}):
            raise TrainingError(
                f"{listed.name}: the {self.column} {listed_few(other)} is of no training trial, so "
                "it cannot be learned; train on it, too, or leave its trials out"
            )
        if left := len(listed.trials) - len(found):
            log.info(
                "%s: %s trials that are bona fide or do not say their %s are left out",
                *(listed.name, f"{left:,}", self.column),
            )
        return found

    def told(self, trial: Trial) -> str:
        """The name of its class."""
        return f"{getattr(trial, self.column)}"

    def counts(self, trials: Sequence[Trial]) -> dict[str, int]:
        """Trials of each class."""
        found = Counter(getattr(trial, self.column) for trial in trials)
        return {f"{self.column} {name}": found[name] for name in self.classes}

    def trained(self, detector: Detector) -> nn.Module:
        """The detector with a layer on its embedding.

        Raises:
            UnsupportedSettingError: code of others names no part that has one.
        """
        classes = len(self.classes)
        return Headed(detector, recording, classes, tuned_back_end=self.tuned_back_end)

    def target(self, detector: Detector) -> Target:
        """The place of a trial's class."""
        return SourceTarget(self.column, self.classes)

    def outputs(self, model: nn.Module, given: Tensor, labels: Tensor) -> Outputs:
        """Logits (B, classes), and which is the greatest."""
        return Outputs(given, given.argmax(1), labels)

    def figures(self, judged: Floats, labels: Counts) -> dict[str, float]:
        """Accuracy and macro-F1, as `fakemamba trace evaluate` has them."""
        named = Named(labels, judged.astype(np.int64), len(self.classes))
        found = named.measure(np.ones(len(named), np.int32))
        return dict(zip(NAMES, map(float, found), strict=True))

    def finish(self, done: Finish) -> None:
        """The layer as a tracer of the averaged detector's embeddings.

        Standardised by the training trials, whose class means are what distances are from.
        Temperature and threshold are chosen by the validation trials, which the layer has not been
        fitted to, though epochs were chosen by them.
        """
        length = done.data.num_samples if done.data.crop == FIRST else None
        manner = Manner(length=length, allow_damaged=done.data.allow_damaged)
        trials = [*done.train, *done.validation]
        found = embed_trials(done.detector, trials, manner, done.counting)
        if found.failures:
            raise TrainingError(
                f"{len(found.failures):,} recordings have no embedding, such as: "
                f"{found.failures[0]}"
            )
        vectors = found.vectors.astype(np.float64)
        train, held = np.split(vectors, [len(done.train)])
        names = np.array([getattr(trial, self.column) for trial in trials], object)
        codes = np.searchsorted(self.classes, names.astype(str))
        fitted, truth = np.split(codes, [len(done.train)])
        weight, bias = (done.head[name].double().numpy() for name in ("weight", "bias"))
        classifier = Linear.of_layer(weight, bias, train, fitted)
        choices = Choices("linear")
        scores = seen_scores(classifier, held)[choices.open_set]
        logits = classifier.logits(held)
        model = TracerModel(
            tracer=calibrated(self.classes, classifier, choices, logits, scores, truth),
            origin=EmbeddingOrigin(weights_sha256(done.folder.detector), None, length),
            width=vectors.shape[1],
            label=self.column,
            tables=contingency(names[: len(done.train)], trial_table(done.train)),
            fitted_on=tuple(one.hex() for one in sketch(one.trial_id for one in trials)),
        )
        with done.folder.writing():
            write_tracer(done.folder.tracer, model)


def _known(trials: Sequence[Trial], column: str) -> list[Trial]:
    """Those that are not bona fide, and say what they are of."""
    return [one for one in trials if one.label != BONA_FIDE and getattr(one, column) is not None]
