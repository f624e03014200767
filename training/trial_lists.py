"""The trials of a recipe and what is learned of them, and what identifies both."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fakemamba.data.corpora import open_corpus
from fakemamba.data.manifest import iterate_manifest
from fakemamba.data.trials import Trial
from fakemamba.training.objectives.frames import FrameObjective
from fakemamba.training.objectives.objective import Listed, Objective
from fakemamba.training.objectives.recordings import RecordingObjective
from fakemamba.training.objectives.sources import SourceObjective
from fakemamba.training.recipe import Recipe, RecipeError
from fakemamba.training.run_folder import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialLists:
    """Trials with audio and with what the objective teaches of them, in their corpus' order."""

    train: list[Trial]
    validation: list[Trial]
    objective: Objective

    def identity(self) -> dict[str, dict[str, Any]]:
        """Counts and a SHA-256 of each list: of ids, targets and sizes of files, but not of paths.

        So a corpus may be moved while a run is interrupted, but not changed.
        """
        return {"train": self._identity(self.train), "validation": self._identity(self.validation)}

    def _identity(self, trials: list[Trial]) -> dict[str, Any]:
        digest = hashlib.sha256()
        total_bytes = 0
        for trial in trials:
            size = trial.path.stat().st_size if trial.path is not None else 0
            total_bytes += size
            digest.update(f"{trial.trial_id}\0{self.objective.told(trial)}\0{size}\n".encode())
        return {
            "trials": len(trials),
            **self.objective.counts(trials),
            "audio_bytes": total_bytes,
            "sha256": digest.hexdigest(),
        }


def read_lists(recipe: Recipe) -> TrialLists:
    """The trials of a recipe, and its objective.

    Raises:
        RecipeError: no corpus and no manifests are named, or no root, or no segments.
        TrainingError: a list lacks a class, a recording or its segments, or has two of one id.
        CorpusError, KeyFileError, ManifestError, SegmentFileError: a list cannot be read.
    """
    train, validation = _listed(recipe)
    paths = [{trial.path for trial in listed.trials} for listed in (train, validation)]
    if shared := paths[0] & paths[1]:
        log.warning(
            "%d recordings are in both lists, such as %s: the validation is not of unseen ones",
            *(len(shared), next(iter(shared))),
        )
    objective = _objective(recipe, train, validation)
    return TrialLists(objective.chosen(train), objective.chosen(validation), objective)


def _objective(recipe: Recipe, train: Listed, validation: Listed) -> Objective:
    if recipe.target.kind == "frames":
        return FrameObjective.of(recipe, train, validation)
    if recipe.target.kind == "source":
        return SourceObjective.of(recipe, train, validation)
    weights = recipe.optimization
    return RecordingObjective((weights.spoof_weight, weights.bonafide_weight))


def _listed(recipe: Recipe) -> tuple[Listed, Listed]:
    """The lists for training and validation as they are."""
    data, need_label = recipe.data, recipe.target.kind == "recording"
    if data.train_manifest is not None and data.validation_manifest is not None:
        manifests = {
            "train_manifest": data.train_manifest,
            "validation_manifest": data.validation_manifest,
        }
        first, second = (
            _checked(name, iterate_manifest(path, need_label=need_label))
            for name, path in manifests.items()
        )
        return first, second
    if data.corpus is None:
        raise RecipeError(
            "data: name a corpus, such as asvspoof2019-la, or train_manifest and "
            "validation_manifest"
        )
    if data.root is None:
        raise RecipeError(f"data.root: say where {data.corpus} is, such as --data.root DIR")
    corpus = open_corpus(data.corpus, data.root)
    first, second = (
        _checked(phase, corpus.trials(phase)) for phase in (data.train_phase, data.validation_phase)
    )
    return first, second


def _checked(name: str, trials: Iterable[Trial]) -> Listed:
    found = list(trials)
    twice = [one for one, count in Counter(trial.trial_id for trial in found).items() if count > 1]
    if twice:
        raise TrainingError(f"{name}: {len(twice):,} trial ids are there twice, such as {twice[0]}")
    missing = [trial for trial in found if trial.path is None or not trial.path.is_file()]
    if missing:
        raise TrainingError(
            f"{name}: {len(missing):,} of {len(found):,} recordings are not there, such as "
            f"{missing[0].path or missing[0].trial_id}; get them, or leave their lines out"
        )
    return Listed(name, found)
