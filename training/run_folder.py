"""The folder of a training run: what is in it, and how it can be cut off at any moment.

``recipe.toml`` and ``run.json`` say what is trained, on what, with what. ``checkpoints/`` has the
state to go on from, ``best/`` the best epochs, ``epochs.csv``, ``steps.csv`` and ``tensorboard/``
the course of it. ``detector/`` is what came of it, and ``result.json`` is written last of all.

Every checkpoint is a folder that gets its name when it is whole, and older ones go after that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from fakemamba.differences import differences
from fakemamba.files import write_json
from fakemamba.locks import LOCK
from fakemamba.training.progress import Progress

FORMAT = 1
PROGRESS = "progress.json"


class TrainingError(ValueError):
    """Training cannot begin or go on; the message says why and what to do."""


class TrainingStoppedError(TrainingError):
    """It was asked to stop; the run can be gone on with."""


@dataclass(frozen=True)
class TrainingResult:
    """What became of a run.

    Attributes:
        detector: folder of the averaged detector.
        epochs: that were trained.
        best: those that were averaged, the best first.
        criterion: the best one's value.
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

    def best(self, epoch: int) -> Path:
        """An epoch's detector."""
        return self.path / "best" / f"epoch-{epoch:04d}"

    def check(self, identity: Mapping[str, Any], *, resume: bool) -> bool:
        """Whether there is a run here to go on with.

        Raises:
            TrainingError: there is one, but it may not be gone on with, or it is another one.
        """
        if not self.facts.exists():
            if self.path.is_dir() and any(one.name != LOCK for one in self.path.iterdir()):
                raise TrainingError(f"{self.path} is not empty and no training run; name another")
            return False
        if not resume:
            raise TrainingError(
                f"{self.path} has a training run in it: go on with it by --resume, or name another "
                "folder"
            )
        found = self._read(self.facts)["identity"]
        if unlike := differences(found, json.loads(json.dumps(identity))):
            raise TrainingError(
                f"{self.path} has another run in it: {'; '.join(unlike)}. Name another folder"
            )
        return True

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Write down what is trained."""
        _write(self.facts, {"format": FORMAT, **facts})

    def read_facts(self) -> dict[str, Any]:
        """What was written down."""
        return self._read(self.facts)

    def newest_checkpoint(self) -> Path | None:
        """The state to go on from, None if there is none yet."""
        whole = (path for path in self.checkpoints.glob("epoch-*") if path.suffix != ".partial")
        return max(whole, default=None)

    def checkpoint_of(self, progress: Progress) -> Path:
        """Where a state belongs."""
        return self.checkpoints / f"epoch-{progress.epoch:04d}-step-{progress.step:08d}"

    def read_progress(self, checkpoint: Path) -> Progress:
        """How far a checkpoint is."""
        return Progress.from_json(self._read(checkpoint / PROGRESS))

    def forget_all_but(self, checkpoint: Path, progress: Progress) -> None:
        """Remove other checkpoints, epochs no longer among the best, and what was half made."""
        kept = {checkpoint, *(self.best(one.epoch) for one in progress.best)}
        for folder in (*self.checkpoints.glob("*"), *(self.path / "best").glob("*")):
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def write_result(self, result: TrainingResult) -> None:
        """Write down that the run is done, and what came of it."""
        content = asdict(result) | {"detector": result.detector.name}
        _write(self.result, {"format": FORMAT, **content})

    def read_result(self) -> TrainingResult | None:
        """What came of the run; None if it is not done."""
        if not self.result.exists():
            return None
        content = self._read(self.result)
        return TrainingResult(
            detector=self.path / content["detector"],
            epochs=content["epochs"],
            best=tuple(content["best"]),
            criterion=content["criterion"],
            train_s=content["train_s"],
        )

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
            raise TrainingError(
                f"{self.path} cannot be written ({error}; {free_mb:,} MB are free); {last}. Make "
                "room, and go on with --resume"
            ) from error

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{path} cannot be read ({error}); train in another folder"
            ) from error
        if content.pop("format", FORMAT) != FORMAT:
            raise TrainingError(f"{path} is of another version of fakemamba; train again")
        return content


@contextmanager
def appearing_folder(folder: Path, *, is_main: bool) -> Iterator[Path]:
    """A folder to write to, beside ``folder``, that gets its name when the block ends well.

    Every rank may write to it. Only the main one's makes it, and gives it its name: between them
    and the others there must be barriers.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    if is_main:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        if is_main:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    if is_main:
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_json(path, content)
