"""The trials that a recipe trains and validates on, and what identifies them."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fakemamba.data.corpora import open_corpus
from fakemamba.data.manifest import iterate_manifest
from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial
from fakemamba.training.recipe import DataRecipe, RecipeError
from fakemamba.training.run_folder import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialLists:
    """Trials with labels and audio, in their corpus' order."""

    train: list[Trial]
    validation: list[Trial]

    def identity(self) -> dict[str, dict[str, Any]]:
        """Counts and a SHA-256 of each list: of ids, labels and sizes of files, but not of paths.

        So a corpus may be moved while a run is interrupted, but not changed.
        """
        return {"train": _identity(self.train), "validation": _identity(self.validation)}


def read_lists(recipe: DataRecipe) -> TrialLists:
    """The trials of a recipe.

    Raises:
        RecipeError: no corpus and no manifests are named, or no root.
        TrainingError: a list lacks a class or a recording, or has two of one id.
        CorpusError, KeyFileError, ManifestError: a list cannot be read.
    """
    if recipe.train_manifest is not None and recipe.validation_manifest is not None:
        train = _checked("train_manifest", iterate_manifest(recipe.train_manifest, need_label=True))
        validation = _checked(
            "validation_manifest", iterate_manifest(recipe.validation_manifest, need_label=True)
        )
    elif recipe.corpus is None:
        raise RecipeError(
            "data: name a corpus, such as asvspoof2019-la, or train_manifest and "
            "validation_manifest"
        )
    elif recipe.root is None:
        raise RecipeError(f"data.root: say where {recipe.corpus} is, such as --data.root DIR")
    else:
        corpus = open_corpus(recipe.corpus, recipe.root)
        train = _checked(recipe.train_phase, corpus.trials(recipe.train_phase))
        validation = _checked(recipe.validation_phase, corpus.trials(recipe.validation_phase))
    if shared := {trial.path for trial in train} & {trial.path for trial in validation}:
        log.warning(
            "%d recordings are in both lists, such as %s: the validation is not of unseen ones",
            *(len(shared), next(iter(shared))),
        )
    return TrialLists(train, validation)


def _checked(name: str, trials: Iterable[Trial]) -> list[Trial]:
    found = list(trials)
    labels = Counter(trial.label for trial in found)
    for label in (BONA_FIDE, SPOOF):
        if not labels[label]:
            raise TrainingError(f"{name}: none of {len(found):,} trials is {label}")
    twice = [one for one, count in Counter(trial.trial_id for trial in found).items() if count > 1]
    if twice:
        raise TrainingError(f"{name}: {len(twice):,} trial ids are there twice, such as {twice[0]}")
    missing = [trial for trial in found if trial.path is None or not trial.path.is_file()]
    if missing:
        raise TrainingError(
            f"{name}: {len(missing):,} of {len(found):,} recordings are not there, such as "
            f"{missing[0].path or missing[0].trial_id}; get them, or leave their lines out"
        )
    return found


def _identity(trials: list[Trial]) -> dict[str, Any]:
    digest = hashlib.sha256()
    total_bytes = 0
    for trial in trials:
        size = trial.path.stat().st_size if trial.path is not None else 0
        total_bytes += size
        digest.update(f"{trial.trial_id}\0{trial.label}\0{size}\n".encode())
    labels = Counter(trial.label for trial in trials)
    return {
        "trials": len(trials),
        "bonafide": labels[BONA_FIDE],
        "spoof": labels[SPOOF],
        "audio_bytes": total_bytes,
        "sha256": digest.hexdigest(),
    }
