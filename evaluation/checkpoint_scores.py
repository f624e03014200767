"""A checkpoint and a list of trials to a score file, in one call that goes on after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from fakemamba.data.trials import Trial
from fakemamba.environment import describe_environment
from fakemamba.evaluation.calibration import Calibration
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.provenance import scoring_identity
from fakemamba.evaluation.ranks import joined_ranks
from fakemamba.evaluation.score_run import Output, Result, ScoreRun
from fakemamba.evaluation.scoring import Scored, score_trials
from fakemamba.evaluation.streams.combining import in_words
from fakemamba.evaluation.streams.scoring import score_by_windows
from fakemamba.evaluation.streams.windowing import Windowing
from fakemamba.evaluation.trial_list import survey
from fakemamba.locks import sole_writer
from fakemamba.models.execution.engines.frontend import engine_starts
from fakemamba.models.loading import load_detector
from fakemamba.models.registry import registered_name


class ScoringProgress(Protocol):
    """For as long as a block lasts, takes the scored trials of this process as they come."""

    def __call__(
        self, total: int, *, show: bool
    ) -> AbstractContextManager[Callable[[Sequence[Scored]], None]]:
        """Expect so many trials; only one of several processes shows anything."""
        ...


def score_checkpoint(
    checkpoint: Path,
    source: Callable[[], Iterable[Trial]],
    out: Output,
    manner: Manner,
    *,
    resume: bool,
    progress: ScoringProgress,
    told: Mapping[str, Any],
    windowing: Windowing | None = None,
    window_calibration: Calibration | None = None,
) -> Result | None:
    """Score all trials, or those that a run before has left.

    Args:
        checkpoint: a folder made by this package, or an official ``.pth``.
        source: gives the list of trials anew at every call.
        out: the score file; what it was made with is beside it.
        manner: how.
        resume: go on with a run that was killed, or that had unreadable recordings.
        progress: shows how far this process is.
        told: what is to stand there about the trials.
        windowing: score by windows, see `score_by_windows`.
        window_calibration: see there.

    Returns:
        How many have a score and why others have none; None in all processes but the first.

    Raises:
        ValueError: the checkpoint, the list, the device or a journal cannot be used; or another
            process writes these scores.
    """
    with (
        joined_ranks(manner.device) as ranks,
        sole_writer(out.path, is_first=ranks.index == 0),
    ):
        manner.check_on(ranks.device)
        listed = survey(source, out.check)
        how_cut = None if windowing is None else in_words(windowing, window_calibration)
        identity = scoring_identity(checkpoint, listed.sha256, manner, ranks.device, how_cut)
        run = ScoreRun(source, out, identity, listed.count, ranks)
        if resume and (finished := run.result()) is not None:
            return None if ranks.index else finished
        done = run.begin(resume=resume)
        model = load_detector(checkpoint, manner.detector).to(ranks.device)
        manner = replace(manner, workers=manner.threads(ranks.count_on_node))

        def score(trials: Iterable[Trial]) -> Iterator[list[Scored]]:
            if windowing is None:
                return score_trials(model, trials, manner)
            return score_by_windows(model, trials, manner, windowing, window_calibration)

        with progress(run.share(done), show=ranks.index == 0) as on_progress:
            run.work(score, done, on_progress)
        if ranks.index:
            return None
        how = {
            "checkpoint": str(checkpoint),
            "detector": registered_name(model),
            "batch_seconds": manner.batch_seconds,
            "workers": manner.workers,
            "ranks": ranks.count,
            "windowing": None if windowing is None else asdict(windowing),
            "engines": [one.to_json() for one in engine_starts()],
        }
        facts = {"trials": told, "settings": how, "environment": describe_environment(ranks.device)}
        return run.finish(facts)
