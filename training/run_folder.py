"""The folder of a training run: what is in it, and how it can be cut off at any moment.

``recipe.toml`` and ``run.json`` say what is trained, on what, with what. ``checkpoints/`` has the
state to go on from, ``best/`` the best epochs, ``epochs.csv``, ``steps.csv`` and ``tensorboard/``
the course of it. ``detector/`` is what came of it, beside it ``classifier.json`` of frames or
``tracer/`` of sources, and ``result.json`` is written last of all.

Every checkpoint is a folder that gets its name when it is whole, and older ones go after that. What
a run is gone on with from is sealed, or has its SHA-256 written down beside it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from fakemamba.differences import differences
from fakemamba.locks import LOCK
from fakemamba.records import Stamp, read_record, write_sealed
from fakemamba.training.manifest import check_manifest
from fakemamba.training.progress import Progress
from fakemamba.training.recipe import PATHS, Recipe, dotted, without
from fakemamba.training.recipe_files import to_toml

STAMP: Stamp = {"format": 2}
PROGRESS = "progress.json"
HEAD = "head.safetensors"  # of a best epoch: what was trained beside the detector
T = TypeVar("T")


class TrainingError(ValueError):
    """Training cannot begin or go on; the message says why and what to do."""


class TrainingStoppedError(TrainingError):
    """It was asked to stop; the run can be gone on with."""


@dataclass(frozen=True)
class Facts:
    """What ``run.json`` says.

    Attributes:
        identity: what two parts of one run have in common.
        recipe: the whole recipe, values of JSON by dotted names.
        data: counts and SHA-256 of the lists of trials.
        starts: command and environment of each time that it was started.
    """

    identity: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    starts: list[dict[str, Any]]


@dataclass(frozen=True)
class TrainingResult:
    """What became of a run.

    Attributes:
        detector: folder of the averaged detector.
        epochs: that were trained.
        best: those that were averaged, the best first.
        criterion: the best one's value, as it is.
        train_s: time in training and validation, of all the run's parts.
    """

    detector: Path
    epochs: int
    best: tuple[int, ...]
    criterion: float
    train_s: float


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and its records."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The whole recipe."""
        return self.path / "recipe.toml"

    @property
    def facts(self) -> Path:
        """Identity, data and environments."""
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        """States to go on from; the last name is the newest."""
        return self.path / "checkpoints"

    @property
    def detector(self) -> Path:
        """The averaged detector."""
        return self.path / "detector"

    @property
    def result(self) -> Path:
        """That the run is done."""
        return self.path / "result.json"

    @property
    def classifier(self) -> Path:
        """Of frames: the classifier for `fakemamba localize`."""
        return self.path / "classifier.json"

    @property
    def tracer(self) -> Path:
        """Of sources: the tracer for `fakemamba trace`."""
        return self.path / "tracer"

    def best(self, epoch: int) -> Path:
        """An epoch's detector."""
        return self.path / "best" / f"epoch-{epoch:04d}"

    def check(self, identity: Mapping[str, Any], recipe: Recipe, *, resume: bool) -> bool:
        """Whether there is a run here to go on with.

        A run of this recipe that was killed before its ``run.json`` was whole is begun anew.

        Raises:
            TrainingError: there is one, but it may not be gone on with, or it is another one.
        """
        if not self.facts.exists():
            if not self._is_free_for(recipe):
                raise TrainingError(f"{self.path} is not empty and no training run; name another")
            return False
        if not resume:
            raise TrainingError(
                f"{self.path} has a training run in it: go on with it by --resume, or name another "
                "folder"
            )
        found = self.read_facts().identity
        if unlike := differences(found, json.loads(json.dumps(identity))):
            raise TrainingError(
                f"{self.path} has another run in it: {'; '.join(unlike)}. Name another folder"
            )
        return True

    def _is_free_for(self, recipe: Recipe) -> bool:
        """Whether nothing is here but what the beginning of a run of this recipe writes."""
        if not self.path.is_dir():
            return True
        inside = [path for path in self.path.iterdir() if not _is_passing(path)]
        if inside == [self.recipe] and self.recipe.is_file():
            return self.recipe.read_bytes() == to_toml(recipe).encode()
        return not inside

    def write_facts(self, facts: Facts) -> None:
        """Write down what is trained."""
        write_sealed(self.facts, asdict(facts) | STAMP)

    def read_facts(self) -> Facts:
        """What was written down."""
        return self._read(self.facts, Facts)

    def newest_checkpoint(self) -> Path | None:
        """The state to go on from, None if there is none yet."""
        return max(self.checkpoints.glob("epoch-*"), default=None)

    def checkpoint_of(self, progress: Progress) -> Path:
        """Where a state belongs."""
        return self.checkpoints / f"epoch-{progress.epoch:04d}-step-{progress.step:08d}"

    def read_progress(self, checkpoint: Path) -> Progress:
        """How far a checkpoint is, if it and the best epochs are as they were written.

        Raises:
            TrainingError: a file is damaged or missing, or there is one more.
        """
        remedy = (
            f"remove {checkpoint} and go on with --resume from what is left: an older checkpoint, "
            "or else the beginning"
        )
        check_manifest(checkpoint, TrainingError, remedy)
        progress = read_record(checkpoint / PROGRESS, Progress, TrainingError, remedy)
        for one in progress.best:
            remedy = f"it cannot be had again: remove {self.checkpoints} and train anew by --resume"
            check_manifest(self.best(one.epoch), TrainingError, remedy)
        return progress

    def forget_all_but(self, checkpoint: Path, progress: Progress) -> None:
        """Remove other checkpoints, epochs no longer among the best, and what was half made."""
        kept = {checkpoint, *(self.best(one.epoch) for one in progress.best)}
        for folder in (*self.checkpoints.glob("*"), *(self.path / "best").glob("*")):
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def write_result(self, result: TrainingResult) -> None:
        """Write down that the run is done, and what came of it."""
        content = asdict(result) | {"detector": result.detector.name} | STAMP
        write_sealed(self.result, content)

    def read_result(self, recipe: Recipe) -> TrainingResult | None:
        """What came of the run; None if it is not done, or was of a recipe with another end."""
        if not self.result.exists() or not self.detector.is_dir():
            return None
        found = self._read(self.result, TrainingResult)
        before = dotted(Recipe()) | self.read_facts().recipe  # which had fewer fields once
        if without(before, PATHS) != without(dotted(recipe), PATHS):
            return None
        return replace(found, detector=self.path / found.detector)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say what to do where the disk is full or cannot be written.

        Raises:
            TrainingError: instead of the error in the block.
        """
        try:
            yield
        # torch and safetensors have errors of their own for a full disk.
        except (OSError, RuntimeError, SafetensorError) as error:
            newest = self.newest_checkpoint()
            last = "there is no checkpoint yet" if newest is None else f"{newest} is whole"
            free_mb = shutil.disk_usage(self.path.anchor or ".").free // 1_000_000
            if self.path.exists():
                free_mb = shutil.disk_usage(self.path).free // 1_000_000
            is_full = free_mb == 0 and not isinstance(error, OSError)
            reason = os.strerror(errno.ENOSPC) if is_full else error  # torch tells of positions
            raise TrainingError(
                f"{self.path} cannot be written ({reason}; {free_mb:,} MB are free); {last}. Make "
                "room, and go on with --resume"
            ) from error

    def _read(self, path: Path, form: type[T]) -> T:
        remedy = "train in another folder"
        return read_record(path, form, TrainingError, remedy, is_sealed=True, stamp=STAMP)


def _is_passing(path: Path) -> bool:
    """Whether a file is a lock, or half written by who was killed: no work of anybody's."""
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".partial")
