"""Frames, bona fide or spoof, by a linear layer on those that the encoder keeps apart.

A frame's label is that of its middle, as `fakemamba localize-fit` has it, and what that layer has
learned is written as the same kind of classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.text_lines import listed as shown_few
from fakemamba.data.trials import Trial, trial_table
from fakemamba.evaluation.breakdown import durations_s
from fakemamba.evaluation.frame_classifier import FrameClassifier, frames_of, write_classifier
from fakemamba.evaluation.metrics.checks import Counts, Floats
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.evaluation.metrics.segments import (
    UNLABELLED,
    Segment,
    Segments,
    frame_labels,
    labels_at,
)
from fakemamba.evaluation.segment_files import read_segments
from fakemamba.models.detector import Detector
from fakemamba.models.frontends.framing import Framing
from fakemamba.models.loading import weights_sha256
from fakemamba.training.clips import FIRST, Clip, Target
from fakemamba.training.objectives.headed import Headed, frames, silence_for
from fakemamba.training.objectives.objective import Finish, Listed, Outputs
from fakemamba.training.recipe import Recipe, RecipeError
from fakemamba.training.run_folder import TrainingError

SHOWN = 3


@dataclass(frozen=True)
class FrameTarget:
    """The labels of a clip's frames (frames,): 1 bona fide, 0 spoof, -1 none.

    Attributes:
        segments: of each trial, by its id.
        framing: how samples become frames.
        most_samples: that the detector hears of a clip; None is all.
    """

    segments: Segments
    framing: Framing
    most_samples: int | None

    def __call__(self, trial: Trial, clip: Clip) -> Counts:
        """Each frame has the label of its middle, wherever in the recording that is."""
        heard = min(len(clip.waveform), self.most_samples or len(clip.waveform))
        hop = self.framing.hop_samples
        middles = hop * (np.arange(self.framing.frame_count(heard), dtype=np.float64) + 0.5)
        return labels_at(clip.places(middles) / SAMPLE_RATE_HZ, self.segments[trial.trial_id])


@dataclass(frozen=True)
class FrameObjective:
    """See `Objective`.

    Attributes:
        segments: of each trial, by its id.
        class_weights: of spoofed and bona fide frames.
        tuned_back_end: whether encoder and all that is behind the front-end are trained.
    """

    segments: Segments
    class_weights: tuple[float, float]
    tuned_back_end: bool

    @classmethod
    def of(cls, recipe: Recipe, train: Listed, validation: Listed) -> Self:
        """The objective of a recipe.

        Raises:
            RecipeError: the recipe names no segments.
            SegmentFileError: they cannot be read, or go on after their recording.
        """
        path = recipe.target.segments
        if path is None:
            raise RecipeError(
                "target.segments: say where the labelled segments of the recordings are, such as "
                "--target.segments FILE"
            )
        table = trial_table([*train.trials, *validation.trials])
        seconds = durations_s(table)
        known = seconds.notna()
        of_recordings = dict(zip(table["trial_id"][known], seconds[known], strict=True))
        weights = recipe.optimization
        return cls(
            read_segments(path, durations_s=of_recordings),
            (weights.spoof_weight, weights.bonafide_weight),
            recipe.target.tuned_back_end,
        )

    def chosen(self, listed: Listed) -> list[Trial]:
        """All trials, if each has segments and there are some of both classes."""
        ids = [trial.trial_id for trial in listed.trials]
        if without := [one for one in ids if one not in self.segments]:
            raise TrainingError(
                f"{listed.name}: {len(without):,} of {len(ids):,} trials have no segments in "
                f"target.segments: {shown_few(without[:SHOWN])}; label them, or leave them out"
            )
        kinds = {one.is_bonafide for name in ids for one in self.segments[name]}
        for is_bonafide, name in ((True, "bona fide"), (False, "spoof")):
            if is_bonafide not in kinds:
                raise TrainingError(f"{listed.name}: no segment of {len(ids):,} trials is {name}")
        return list(listed.trials)

    def told(self, trial: Trial) -> str:
        """Its segments."""
        return " ".join(map(_told, self.segments[trial.trial_id]))

    def counts(self, trials: Sequence[Trial]) -> dict[str, int]:
        """Segments of each class."""
        kinds = [one.is_bonafide for trial in trials for one in self.segments[trial.trial_id]]
        return {"bonafide_segments": sum(kinds), "spoof_segments": len(kinds) - sum(kinds)}

    def trained(self, detector: Detector) -> nn.Module:
        """The detector with a layer on its frames.

        Raises:
            ClassifierError: the encoder keeps no frames apart.
        """
        frames_of(detector.eval(), silence_for(detector))
        return Headed(detector, frames, 2, tuned_back_end=self.tuned_back_end)

    def target(self, detector: Detector) -> Target:
        """The labels of a clip's frames."""
        return FrameTarget(self.segments, detector.framing, detector.fixed_samples)

    def outputs(self, model: nn.Module, given: Tensor, labels: Tensor) -> Outputs:
        """Of frames with a label, of logits (B, T, 2) and labels (B, t), and their log odds."""
        # What a detector of a fixed length hears again has no label.
        labels = F.pad(labels, (0, given.shape[1] - labels.shape[1]), value=UNLABELLED)  # (B, T)
        is_labelled = labels != UNLABELLED
        logits = given[is_labelled]  # (n, 2)
        return Outputs(logits, logits[:, 1] - logits[:, 0], labels[is_labelled])

    def figures(self, judged: Floats, labels: Counts) -> dict[str, float]:
        """The EER over frames."""
        return {"eer": equal_error(judged[labels == 1], judged[labels == 0]).eer}

    def finish(self, done: Finish) -> None:
        """The layer as a classifier of frames for the averaged detector."""
        weight, bias = (done.head[name].double() for name in ("weight", "bias"))
        spoof, bonafide = self._frames(done)
        classifier = FrameClassifier(
            weights_sha256=weights_sha256(done.folder.detector),
            weight=tuple((weight[1] - weight[0]).tolist()),
            bias=float(bias[1] - bias[0]),
            bonafide=bonafide,
            spoof=spoof,
            recordings=len(done.train),
        )
        with done.folder.writing():
            write_classifier(done.folder.classifier, classifier)

    def _frames(self, done: Finish) -> tuple[int, int]:
        """How many frames of the training recordings are spoof, and how many bona fide.

        Those that clips are cut from: with ``first`` no others are ever heard.
        """
        total = np.zeros(2, np.int64)
        framing = done.detector.framing
        hop_s = framing.hop_samples / SAMPLE_RATE_HZ
        most = done.data.num_samples if done.data.crop == FIRST else np.inf
        for trial in done.train:
            segments = self.segments[trial.trial_id]
            samples = min(round(segments[-1].end_s * SAMPLE_RATE_HZ), most)
            labels = frame_labels(framing.frame_count(int(samples)), segments, hop_s, "centre")
            total += np.bincount(labels[labels != UNLABELLED], minlength=2)
        return int(total[0]), int(total[1])


def _told(segment: Segment) -> str:
    return f"{segment.start_s!r} {segment.end_s!r} {int(segment.is_bonafide)}"
