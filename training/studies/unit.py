"""One unit of a study: a variant trained with one seed, judged, and written down.

One that failed has its reason. Tried again, training and scoring go on where they were.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from fakemamba import interrupts
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.loading import load_detector
from fakemamba.records import read_record, write_sealed
from fakemamba.training.recipe import Recipe
from fakemamba.training.run_folder import TrainingResult, TrainingStoppedError
from fakemamba.training.studies.judging import Judging
from fakemamba.training.studies.variants import StudyError

RECORD = "unit.json"

Train = Callable[[Recipe, Path], TrainingResult]  # goes on with what is in the folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unit:
    """What became of one variant with one seed.

    Attributes:
        status: done, failed, or waiting (not begun, or not ended).
        reason: why it failed.
        epochs: that were trained.
        train_s: seconds that training took.
        parameters: of the detector, whether trained or not.
        evaluation: as `Evaluation.to_json` gives it.
    """

    status: Literal["done", "failed", "waiting"]
    reason: str | None = None
    epochs: int | None = None
    train_s: float | None = None
    parameters: int | None = None
    evaluation: dict[str, Any] | None = None


def run_unit(recipe: Recipe, folder: Path, judging: Judging, train: Train) -> Unit:
    """Do what is left of a unit, and write down how it ended.

    Args:
        recipe: of the variant, with the seed.
        folder: of the unit.
        judging: of what was trained.
        train: trains a detector.

    Returns:
        The unit, done or failed: no error of training, scoring or evaluating leaves here.

    Raises:
        KeyboardInterrupt: it was asked to stop; nothing is written down.
    """
    try:
        trained = train(recipe, folder / "run")
        name = recipe.detector.name
        evaluation = judging.judge(trained.detector, folder / "scores.csv", name)
        parameters = load_detector(trained.detector, name).parameters()
        unit = Unit(
            status="done",
            epochs=trained.epochs,
            train_s=trained.train_s,
            parameters=sum(one.numel() for one in parameters),
            evaluation=evaluation.to_json(),
        )
    except TrainingStoppedError as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        if interrupts.has_come():  # the end of a worker, where a signal reached all processes
            raise KeyboardInterrupt from error
        unit = _failed(error)
    if unit.status == "failed":  # the error and its frames, which may hold tensors, are gone now
        gc.collect()
        torch.cuda.empty_cache()
    write_sealed(folder / RECORD, asdict(unit))
    return unit


def read_unit(folder: Path) -> Unit:
    """How a unit ended, as it was written down; waiting if it was not.

    Raises:
        StudyError: the record cannot be read.
    """
    path = folder / RECORD
    if not path.exists():
        return Unit(status="waiting")
    remedy = "it is not the record of a unit: remove it"
    return read_record(path, Unit, StudyError, remedy, is_sealed=True)


def _failed(error: Exception) -> Unit:
    """The record of an error; of one that was not foreseen the place is shown as well."""
    if is_out_of_memory(error):
        return Unit(status="failed", reason=f"out of memory: {error}")
    if not isinstance(error, (ValueError, OSError)):
        log.warning("an error that was not foreseen:", exc_info=error)
        return Unit(status="failed", reason=f"{type(error).__name__}: {error}")
    return Unit(status="failed", reason=str(error))
