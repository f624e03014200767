"""A checkpoint and a list of trials to a score file, in one call that goes on after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.trials import Trial
from fakemamba.environment import describe_environment
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.ranks import joined_ranks
from fakemamba.evaluation.score_run import Result, ScoreRun, Settings
from fakemamba.evaluation.scoring import PLAIN, Scored, check_manner
from fakemamba.evaluation.trial_list import survey
from fakemamba.locks import sole_writer
from fakemamba.models.loading import load_detector

MOST_WORKERS = 8


class ScoringProgress(Protocol):
    """For as long as a block lasts, takes the scored trials of this process as they come."""

    def __call__(
        self, total: int, *, show: bool
    ) -> AbstractContextManager[Callable[[Sequence[Scored]], None]]:
        """Expect so many trials; only one of several processes shows anything."""
        ...


@dataclass(frozen=True)
class Manner:
    """How a list is scored, and in which form the scores are written.

    Attributes:
        detector: the name that the checkpoint must be of; an official file does not say so itself.
        num_samples: cut or tile every clip to so many; None takes whole clips.
        precision: as in `score_trials`.
        execution: as in `score_trials`.
        batch_seconds: audio in a batch with its padding.
        workers: threads that decode; None is a core's each, up to `MOST_WORKERS`.
        score_format: of the score file.
        name: what a trial is called in it, by default its id.
        check: raises an error for a trial that it cannot hold, before the work.
        allow_missing: how many trials may have no score.
        device: auto, cpu, cuda, or cuda:0 and so on.
        allow_damaged: score what is left of damaged recordings.
    """

    detector: str | None = None
    num_samples: int | None = None
    precision: str = "fp32"
    execution: str = PLAIN
    batch_seconds: float = 64.0
    workers: int | None = None
    score_format: str = "csv"
    name: Callable[[Trial], str] = attrgetter("trial_id")
    check: Callable[[Trial], None] | None = None
    allow_missing: int = 0
    device: str = "auto"
    allow_damaged: bool = False


def score_checkpoint(
    checkpoint: Path,
    source: Callable[[], Iterable[Trial]],
    out: Path,
    manner: Manner,
    *,
    resume: bool,
    progress: ScoringProgress,
    told: Mapping[str, Any],
) -> Result | None:
    """Score all trials, or those that a run before has left.

    Args:
        checkpoint: a folder made by this package, or an official ``.pth``.
        source: gives the list of trials anew at every call.
        out: the score file; what it was made with is in ``OUT.json`` beside it.
        manner: how.
        resume: go on with a run that was killed, or that had unreadable recordings.
        progress: shows how far this process is.
        told: what is to stand in ``OUT.json`` about the trials.

    Returns:
        How many have a score and why others have none; None in all processes but the first.

    Raises:
        ValueError: the checkpoint, the list, the device or a journal cannot be used; or another
            process writes these scores.
    """
    with (
        joined_ranks(manner.device) as ranks,
        sole_writer(out, is_first=ranks.index == 0),
    ):
        check_manner(ranks.device, manner.precision, manner.execution)
        listed = survey(source, manner.check)
        identity = scoring_identity(
            checkpoint,
            listed.sha256,
            detector=manner.detector,
            num_samples=manner.num_samples,
            precision=manner.precision,
            execution=manner.execution,
            device=ranks.device,
            allow_damaged=manner.allow_damaged,
        )
        run = ScoreRun(source, out, identity, listed.count, ranks)
        if resume and (finished := run.result(manner.score_format)) is not None:
            return None if ranks.index else finished
        done = run.begin(resume=resume)
        model = load_detector(checkpoint, manner.detector).to(ranks.device)
        cores = (os.cpu_count() or 1) // ranks.count_on_node
        most = max(1, min(MOST_WORKERS, cores))
        settings = Settings(
            budget_samples=max(1, round(manner.batch_seconds * SAMPLE_RATE_HZ)),
            workers=most if manner.workers is None else manner.workers,
            num_samples=manner.num_samples,
            precision=manner.precision,
            execution=manner.execution,
            allow_damaged=manner.allow_damaged,
        )
        with progress(run.share(done), show=ranks.index == 0) as on_progress:
            run.work(model, done, settings, on_progress)
        if ranks.index:
            return None
        how = {
            "checkpoint": str(checkpoint),
            "batch_seconds": manner.batch_seconds,
            "workers": settings.workers,
            "ranks": ranks.count,
        }
        facts = {"trials": told, "settings": how, "environment": describe_environment(ranks.device)}
        return run.finish(manner.name, manner.score_format, manner.allow_missing, facts)
