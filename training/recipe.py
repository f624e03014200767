"""A recipe: everything that a training run's result depends on, as plain dataclasses.

The defaults are what the published detectors share (Fake-Mamba, XLSR-Conformer and XLSR-Mamba: Adam
at 1e-6, L2 of 1e-4, batches of 20 whole clips' first 66,800 samples, patience of 7 epochs, the mean
of the five best). A recipe names no folder for its output and no device: it gives the same detector
wherever it is run, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from fakemamba.data.augmentation import Augmentation, parse_augmentation
from fakemamba.evaluation.tracing.protocol import Label

Option = bool | int | float | str


# Where data is says nothing of what it is; its lists of trials do.
PATHS = ("data.root", "data.train_manifest", "data.validation_manifest", "target.segments")


class RecipeError(ValueError):
    """A recipe cannot be read or followed; the message begins with the field, with its table."""


@dataclass(frozen=True)
class DetectorRecipe:
    """Which detector, on which front-end, and how much of the front-end is trained.

    Attributes:
        name: of the registry, such as fake-mamba-l.
        frontend: a named size (random weights), a fairseq .pt, or a Hugging Face folder or id.
        options: fields of the detector's configuration, such as depth.
        tuned: which part of the front-end is trained: all, the top `tuned_layers`, or none.
        tuned_layers: how many of the front-end's last layers `tuned = "top"` trains.
        activation_checkpointing: compute the front-end's activations again in the backward pass
            instead of keeping them: less memory, more time, the same result.
        start: a folder of this detector, trained before, to begin with; `frontend` and `options`
            are not used.
        layers: the front-end's first so many are kept, and the others left out; 0 keeps all.
    """

    name: str = "fake-mamba-l"
    frontend: str = "facebook/wav2vec2-xls-r-300m"
    options: dict[str, Option] = field(default_factory=dict)
    tuned: Literal["all", "top", "none"] = "all"
    tuned_layers: int = 0
    activation_checkpointing: bool = False
    start: Path | None = None
    layers: int = 0

    def __post_init__(self) -> None:
        _check_least(self, "detector", 0, "layers")
        _check(
            (self.tuned == "top") == (self.tuned_layers > 0) and self.tuned_layers >= 0,
            f"detector.tuned_layers is {self.tuned_layers} with tuned = {self.tuned!r}: give a "
            'number of layers with tuned = "top", and none otherwise',
        )


@dataclass(frozen=True)
class DataRecipe:
    """What is trained on: two phases of a corpus, or two manifests.

    Attributes:
        corpus: a corpus by name, such as asvspoof2019-la.
        root: where the corpus is.
        train_phase: of the corpus.
        validation_phase: of the corpus.
        train_manifest: instead of a corpus: a CSV or Parquet with path and label.
        validation_manifest: the one that goes with it.
        num_samples: of every clip in a batch, at 16 kHz; a shorter clip is repeated.
        crop: first (the first `num_samples`, as published), random (another stretch in every
            epoch), or whole (clips of their own lengths, padded; `num_samples` is not used).
        augmentation: of the training clips, before the crop, such as rawboost:5; empty for none.
        allow_damaged: train and validate on what is left of damaged recordings, too.
    """

    corpus: str | None = None
    root: Path | None = None
    train_phase: str = "train"
    validation_phase: str = "dev"
    train_manifest: Path | None = None
    validation_manifest: Path | None = None
    num_samples: int = 66_800
    crop: Literal["first", "random", "whole"] = "first"
    augmentation: str = ""
    allow_damaged: bool = False

    def __post_init__(self) -> None:
        manifests = [self.train_manifest is not None, self.validation_manifest is not None]
        _check(
            not (self.corpus is not None and any(manifests)) and manifests[0] == manifests[1],
            "data: name either a corpus, or both train_manifest and validation_manifest",
        )
        _check_least(self, "data", 400, "num_samples")
        try:
            self.parsed_augmentation()
        except ValueError as error:
            raise RecipeError(f"data.augmentation: {error}") from error

    def parsed_augmentation(self) -> Augmentation | None:
        """What `augmentation` says; None if nothing is done."""
        return parse_augmentation(self.augmentation) if self.augmentation else None


@dataclass(frozen=True)
class TargetRecipe:
    """What is learned of a clip.

    Attributes:
        kind: recording (bona fide or spoof, by the detector's own classifier), frames (each frame
            of 20 ms bona fide or spoof) or source (which system made a spoof); the latter two by a
            linear layer of their own, on the encoder's frames or on the detector's embedding.
        segments: of frames: the labelled segments of all recordings, as `fakemamba localize-fit`
            reads them.
        column: of source: the column of the trials that names it.
        tuned_back_end: of frames and source: train what is behind the front-end, too, and not
            alone the new layer.
    """

    kind: Literal["recording", "frames", "source"] = "recording"
    segments: Path | None = None
    column: Label = "attack"
    tuned_back_end: bool = True

    def __post_init__(self) -> None:
        _check(
            self.segments is None or self.kind == "frames",
            f'target.segments are for kind = "frames", not "{self.kind}"',
        )
        _check(
            self.tuned_back_end or self.kind != "recording",
            'target.tuned_back_end is false, but with kind = "recording" nothing else is trained '
            "behind the front-end",
        )


@dataclass(frozen=True)
class OptimizationRecipe:
    """How weights are changed.

    Attributes:
        optimizer: adam (L2 is added to the gradient, as published), adamw (decoupled), or sgd, with
            Nesterov's momentum of 0.9.
        learning_rate: the peak, after the warm-up.
        l2: weight decay, of all weights, as published.
        beta2: of adam and adamw: how slowly they forget the gradients' squares.
        eps: of adam and adamw: what is added to the roots of these.
        batch_size: clips in a step, on all devices together; the last clips of an epoch that fill
            no batch wait for the next shuffle.
        micro_batch_size: clips that a device takes at once, to save memory; 0 takes its whole
            share. Gradients are those of the whole batch, but for batch norms, whose statistics
            are a micro-batch's.
        clip_norm: largest norm of the gradient; 0 does not clip.
        precision: bf16 and fp16 (with loss scaling) are autocast.
        loss: cross-entropy, the mean by class weights, or focal: (1 - p)² times the weighted
            cross-entropy, its mean over clips and classes.
        spoof_weight: of the loss of spoofs; all sources have the same weight.
        bonafide_weight: of the loss of bona fide clips, or frames.
        schedule: of the learning rate after the warm-up: constant, or cosine or exponential to
            the end of `max_epochs`.
        final_share: of the peak, to which these fall; with exponential more than nothing.
        warmup_steps: in which the learning rate rises from nothing.
        cpu_threads: that a CPU trains with: the last digits of sums depend on how many share them.
    """

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-6
    l2: float = 1e-4
    beta2: float = 0.999
    eps: float = 1e-8
    batch_size: int = 20
    micro_batch_size: int = 0
    clip_norm: float = 0.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    loss: Literal["cross-entropy", "focal"] = "cross-entropy"
    spoof_weight: float = 0.1
    bonafide_weight: float = 0.9
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    final_share: float = 0.0
    warmup_steps: int = 0
    cpu_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("learning_rate", "eps", "spoof_weight", "bonafide_weight"):
            value = getattr(self, name)
            _check(0 < value < math.inf, f"optimization.{name} {value}: give a number over 0")
        _check_least(self, "optimization", 0, "l2", "clip_norm")
        _check_least(self, "optimization", 1, "batch_size", "cpu_threads")
        _check_least(self, "optimization", 0, "micro_batch_size", "warmup_steps")
        _check(
            0 <= self.beta2 < 1, f"optimization.beta2 {self.beta2}: give a number from 0 to under 1"
        )
        least = "over 0" if self.schedule == "exponential" else "from 0"
        _check(
            0 <= self.final_share <= 1 and (self.final_share > 0 or least == "from 0"),
            f"optimization.final_share {self.final_share}: give a number {least} to 1 with "
            f'schedule = "{self.schedule}"',
        )


@dataclass(frozen=True)
class SelectionRecipe:
    """When training ends, and which of its epochs make the detector.

    Attributes:
        criterion: what is least in the best epochs: on the validation trials loss (of batches in
            the list's order, as published) or eer, of recordings or frames; or training-loss, the
            mean of an epoch's steps. Of sources instead of eer what is greatest: accuracy or
            macro-f1.
        augmented: validate on augmented clips, as the published code does, anew in every epoch.
        batch_size: of the validation; its loss depends on it a little, as each batch has its own
            sum of class weights.
        patience: end when the best loss is so many epochs old; 0 never does.
        max_epochs: end after so many.
        averaged: so many of the best epochs make the detector.
        averaging: true (the mean), or as-released: (2·b1 + b2 + b3 + b4) / 5 of the best five
            b0 ... b4, which is what the published code computes.
    """

    criterion: Literal["loss", "eer", "training-loss", "accuracy", "macro-f1"] = "loss"
    augmented: bool = False
    batch_size: int = 20
    patience: int = 7
    max_epochs: int = 75
    averaged: int = 5
    averaging: Literal["true", "as-released"] = "true"

    def __post_init__(self) -> None:
        _check_least(self, "selection", 1, "batch_size", "max_epochs", "averaged")
        _check_least(self, "selection", 0, "patience")
        _check(
            self.averaging == "true" or self.averaged == 5,
            f'selection.averaged {self.averaged}: averaging = "as-released" is of 5 epochs',
        )
        fewest = min(self.max_epochs, self.patience + 1 if self.patience else self.max_epochs)
        _check(
            self.averaging == "true" or fewest >= 5,
            f'selection.averaging "as-released" is of 5 epochs, but the run may end after {fewest}',
        )


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        detector: which one.
        data: what it is trained on.
        optimization: how its weights are changed.
        selection: which epochs make it.
        seed: of first weights, order, crops, augmentation and dropout.
        target: what is learned of a clip.
    """

    detector: DetectorRecipe = field(default_factory=DetectorRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    optimization: OptimizationRecipe = field(default_factory=OptimizationRecipe)
    selection: SelectionRecipe = field(default_factory=SelectionRecipe)
    seed: int = 1234
    target: TargetRecipe = field(default_factory=TargetRecipe)

    def __post_init__(self) -> None:
        criterion, kind = self.selection.criterion, self.target.kind
        own = ("accuracy", "macro-f1") if kind == "source" else ("eer",)
        known = ("loss", *own, "training-loss")
        _check(
            criterion in known,
            f'selection.criterion is {criterion!r}, but target.kind = "{kind}" has '
            f"{', '.join(known)}",
        )

    @property
    def trains_detector(self) -> bool:
        """Whether the detector itself is changed, and not alone a layer on what it gives."""
        return self.detector.tuned != "none" or self.target.tuned_back_end


# Fields that recipes of before do not have; what was done then is their default.
TARGET = tuple(f"target.{one.name}" for one in fields(TargetRecipe))


def dotted(part: Recipe | DetectorRecipe) -> dict[str, Any]:
    """All fields by their names with their table's, such as ``data.crop``, as values of JSON."""
    return dict(_dotted(asdict(part), ""))


def without(record: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """What `dotted` gave, but for some fields."""
    return {name: value for name, value in record.items() if name not in names}


def _dotted(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value) if isinstance(value, Path) else value


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RecipeError(otherwise)


def _check_least(part: Any, table: str, least: int, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        _check(least <= value < math.inf, f"{table}.{name} {value}: give {least} or more")
