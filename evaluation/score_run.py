"""A run of scoring from the list of trials to the score file: shared by ranks, and resumable.

Every rank takes the trials whose place in the list is its own modulo the number of ranks, so that
no rank has to know what another one does. All meet in the journal, from which rank 0 writes the
scores in the list's order, and beside them what they were made with, ``SCORES.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.ranks import Ranks
from fakemamba.evaluation.score_files import write_scores
from fakemamba.evaluation.score_journal import (
    Done,
    Identity,
    open_journal,
    read_journal,
    remove_journal,
)
from fakemamba.evaluation.scoring import PLAIN, Scored, score_trials
from fakemamba.evaluation.trial_list import TrialListError, survey
from fakemamba.files import file_sha256, write_json
from fakemamba.journals import JournalError
from fakemamba.models.detector import Detector
from fakemamba.records import in_part, read_record

STAMP = {"format": 1}


@dataclass(frozen=True)
class Settings:
    """How trials are scored, as in `score_trials`."""

    budget_samples: int
    workers: int
    num_samples: int | None = None
    precision: str = "fp32"
    execution: str = PLAIN
    allow_damaged: bool = False


@dataclass(frozen=True)
class Result:
    """How many trials have a score, and the reasons of the others by trial id."""

    num_scored: int
    failures: dict[str, str]


@in_part
@dataclass(frozen=True)
class _ScoreFile:
    format: str
    sha256: str


@in_part
@dataclass(frozen=True)
class _Sidecar:
    scores: _ScoreFile
    identity: dict[str, str | bool | int | None]
    failures: dict[str, str]


@dataclass(frozen=True)
class ScoreRun:
    """One rank's view of a run: `begin`, `work`, and `finish` on rank 0.

    Attributes:
        source: gives the list of trials anew at every call.
        out: the score file.
        identity: what is scored with what; a journal with another one is not resumed.
        num_trials: in the list.
        ranks: this rank's place.
    """

    source: Callable[[], Iterable[Trial]]
    out: Path
    identity: Identity
    num_trials: int
    ranks: Ranks

    @property
    def journal(self) -> Path:
        """The folder in which the run is written down until the scores are."""
        return self.out.with_name(f"{self.out.name}.journal")

    @property
    def sidecar(self) -> Path:
        """The file beside the scores that says what they were made with."""
        return self.out.with_name(f"{self.out.name}.json")

    def result(self, score_format: str) -> Result | None:
        """What came of the run, if it is done: all have scores, which are as they were written."""
        if self.journal.exists() or not (self.out.is_file() and self.sidecar.is_file()):
            return None
        try:
            told = read_record(self.sidecar, _Sidecar, ValueError, "score again")
        except ValueError:  # of another version, or damaged: it says nothing of these scores
            return None
        wanted = _ScoreFile(score_format, file_sha256(self.out))
        if told.failures or told.identity != self.identity or told.scores != wanted:
            return None
        return Result(self.num_trials, {})

    def begin(self, *, resume: bool) -> Done:
        """What is done already. When this returns, every rank has read it, and work may begin.

        Raises:
            JournalError: there is a journal, but ``resume`` is not wanted; or it is of another run.
        """
        if self.journal.exists() and not resume:
            raise JournalError(
                f"{self.journal} is of a run that did not score all: go on with it by --resume, or "
                "remove it and score all again"
            )
        done = read_journal(self.journal, self.identity, self.num_trials)
        self.ranks.wait()
        return done

    def share(self, done: Done) -> int:
        """How many trials are left to this rank."""
        return int(np.isnan(done.scores[self.ranks.index :: self.ranks.count]).sum())

    def work(
        self,
        detector: Detector,
        done: Done,
        settings: Settings,
        on_progress: Callable[[Sequence[Scored]], None],
    ) -> None:
        """Score what is left to this rank into the journal; return when every rank has."""
        under_way: dict[str, int] = {}
        trials = self._left(done, under_way)
        with open_journal(self.journal, self.ranks.index, self.identity) as add:
            for scored in score_trials(detector, trials, **asdict(settings)):
                add((under_way.pop(one.trial.trial_id), one) for one in scored)
                on_progress(scored)
        self.ranks.wait()

    def finish(
        self,
        name: Callable[[Trial], str],
        score_format: str,
        allow_missing: int,
        facts: Mapping[str, Any],
    ) -> Result:
        """Write the scores and what they were made with.

        The journal stays if more than ``allow_missing`` trials have no score: a run that resumes
        it tries these again.

        Args:
            name: what a trial is called in the score file.
            score_format: of the score file.
            allow_missing: how many trials may have no score.
            facts: what else is to be told beside the scores, as JSON.

        Raises:
            JournalError: a rank's file is not there.
            TrialListError: the list is not what it was when the run began.
        """
        done = read_journal(self.journal, self.identity, self.num_trials)
        untold = int(np.isnan(done.scores).sum()) - len(done.reasons)
        if untold:
            raise JournalError(
                f"{self.journal} says nothing of {untold:,} trials; all nodes must see one and the "
                "same folder. Score again with --resume"
            )
        if survey(self.source).sha256 != self.identity["trials_sha256"]:
            raise TrialListError("the list of trials changed while it was scored; score it again")
        failures: dict[str, str] = {}
        damaged: dict[str, str] = {}

        def scored() -> Iterator[tuple[str, float]]:
            for index, (trial, score) in enumerate(zip(self.source(), done.scores, strict=True)):
                if np.isnan(score):
                    failures[trial.trial_id] = done.reasons[index]
                else:
                    if index in done.damage:
                        damaged[trial.trial_id] = done.damage[index]
                    yield name(trial), float(score)

        write_scores(self.out, scored(), score_format)
        sidecar = {
            **STAMP,
            "scores": {
                "file": self.out.name,
                "format": score_format,
                "sha256": file_sha256(self.out),
            },
            "identity": dict(self.identity),
            "counts": {
                "trials": self.num_trials,
                "scored": self.num_trials - len(failures),
                "failed": len(failures),
            },
            "audio_s": done.num_samples / SAMPLE_RATE_HZ,
            "failures": failures,
            "damaged": damaged,
            **facts,
        }
        write_json(self.sidecar, sidecar)
        if len(failures) <= allow_missing:
            remove_journal(self.journal)
        return Result(self.num_trials - len(failures), failures)

    def _left(self, done: Done, under_way: dict[str, int]) -> Iterator[Trial]:
        for index, trial in enumerate(self.source()):
            if index % self.ranks.count == self.ranks.index and np.isnan(done.scores[index]):
                under_way[trial.trial_id] = index
                yield trial
