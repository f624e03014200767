"""A run of scoring from the list of trials to the score file: shared by ranks, and resumable.

Every rank takes the trials whose place in the list is its own modulo the number of ranks, so that
no rank has to know what another one does. All meet in the journal, from which rank 0 writes the
scores in the list's order, and beside them what they were made with, ``SCORES.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.evaluation.ranks import Ranks
from fakemamba.evaluation.score_files import check_id, write_scores
from fakemamba.evaluation.score_journal import (
    Done,
    Identity,
    open_journal,
    read_journal,
    remove_journal,
)
from fakemamba.evaluation.scoring import Scored
from fakemamba.evaluation.streams.window_files import WINDOWS_SUFFIX, write_windows
from fakemamba.evaluation.trial_list import TrialListError, survey
from fakemamba.files import file_sha256, write_json
from fakemamba.journals import JournalError
from fakemamba.records import in_part, read_record

STAMP = {"format": 1}


@dataclass(frozen=True)
class Output:
    """The score file that a run is to write, and in which form.

    Attributes:
        path: of the file.
        score_format: as in `write_scores`.
        name: what a trial is called in it, by default its id.
        allow_missing: how many trials may have no score.
    """

    path: Path
    score_format: str = "csv"
    name: Callable[[Trial], str] = attrgetter("trial_id")
    allow_missing: int = 0

    @property
    def journal(self) -> Path:
        """The folder in which a run is written down until the scores are."""
        return self.path.with_name(f"{self.path.name}.journal")

    @property
    def windows(self) -> Path:
        """The table of scored windows beside the scores, where recordings were scored so."""
        return self.path.with_name(f"{self.path.name}{WINDOWS_SUFFIX}")

    @property
    def sidecar(self) -> Path:
        """The file beside the scores that says what they were made with."""
        return self.path.with_name(f"{self.path.name}.json")

    def check(self, trial: Trial) -> None:
        """Refuse a trial that the file could not hold, before the work and not after it.

        Raises:
            ScoreFileError: it has no name that could be read back.
        """
        check_id(self.name(trial), self.score_format)


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
    out: Output
    identity: Identity
    num_trials: int
    ranks: Ranks

    def result(self) -> Result | None:
        """What came of the run, if it is done: all have scores, which are as they were written."""
        files = [self.out.path, self.out.sidecar]
        files += [self.out.windows] * (self.identity["windowing"] is not None)
        if self.out.journal.exists() or not all(one.is_file() for one in files):
            return None
        try:
            told = read_record(self.out.sidecar, _Sidecar, ValueError, "score again")
        except ValueError:  # of another version, or damaged: it says nothing of these scores
            return None
        wanted = _ScoreFile(self.out.score_format, file_sha256(self.out.path))
        if told.failures or told.identity != self.identity or told.scores != wanted:
            return None
        return Result(self.num_trials, {})

    def begin(self, *, resume: bool) -> Done:
        """What is done already. When this returns, every rank has read it, and work may begin.

        Raises:
            JournalError: there is a journal, but ``resume`` is not wanted; or it is of another run.
        """
        if self.out.journal.exists() and not resume:
            raise JournalError(
                f"{self.out.journal} is of a run that did not score all: go on with it by "
                "--resume, or remove it and score all again"
            )
        done = read_journal(self.out.journal, self.identity, self.num_trials)
        self.ranks.wait()
        return done

    def share(self, done: Done) -> int:
        """How many trials are left to this rank."""
        return int(np.isnan(done.scores[self.ranks.index :: self.ranks.count]).sum())

    def work(
        self,
        score: Callable[[Iterable[Trial]], Iterator[list[Scored]]],
        done: Done,
        on_progress: Callable[[Sequence[Scored]], None],
    ) -> None:
        """Score what is left to this rank into the journal; return when every rank has."""
        under_way: dict[str, int] = {}
        trials = self._left(done, under_way)
        with open_journal(self.out.journal, self.ranks.index, self.identity) as add:
            for scored in score(trials):
                add((under_way.pop(one.trial.trial_id), one) for one in scored)
                on_progress(scored)
        self.ranks.wait()

    def finish(self, facts: Mapping[str, Any]) -> Result:
        """Write the scores and what they were made with.

        The journal stays if more trials have no score than may: a run that resumes it tries these
        again.

        Args:
            facts: what else is to be told beside the scores, as JSON.

        Raises:
            JournalError: a rank's file is not there.
            TrialListError: the list is not what it was when the run began.
        """
        done = read_journal(self.out.journal, self.identity, self.num_trials)
        untold = int(np.isnan(done.scores).sum()) - len(done.reasons)
        if untold:
            raise JournalError(
                f"{self.out.journal} says nothing of {untold:,} trials; all nodes must see one and "
                "the same folder. Score again with --resume"
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
                    yield self.out.name(trial), float(score)

        write_scores(self.out.path, scored(), self.out.score_format)
        if done.windows:
            names = map(self.out.name, self.source())
            write_windows(
                self.out.windows,
                ((name, done.windows.get(index, ())) for index, name in enumerate(names)),
            )
        sidecar = {
            **STAMP,
            "scores": {
                "file": self.out.path.name,
                "format": self.out.score_format,
                "sha256": file_sha256(self.out.path),
            },
            "windows": None if not done.windows else file_sha256(self.out.windows),
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
        write_json(self.out.sidecar, sidecar)
        if len(failures) <= self.out.allow_missing:
            remove_journal(self.out.journal)
        return Result(self.num_trials - len(failures), failures)

    def _left(self, done: Done, under_way: dict[str, int]) -> Iterator[Trial]:
        for index, trial in enumerate(self.source()):
            if index % self.ranks.count == self.ranks.index and np.isnan(done.scores[index]):
                under_way[trial.trial_id] = index
                yield trial
