"""How every detector of a study is judged: the same trials, scored and evaluated in one way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial, trial_table
from fakemamba.evaluation.bootstrap import LEAST_REPLICATES
from fakemamba.evaluation.breakdown import durations_s
from fakemamba.evaluation.checkpoint_scores import ScoringProgress, score_checkpoint
from fakemamba.evaluation.coverage import join
from fakemamba.evaluation.evaluate import Evaluation, evaluate
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.score_files import read_scores
from fakemamba.evaluation.score_run import Output
from fakemamba.evaluation.uncertainty import Resampling
from fakemamba.models.external.names import is_code_name
from fakemamba.training.studies.variants import StudyError


@dataclass(frozen=True)
class Judging:
    """On which trials, and how.

    Attributes:
        trials: with labels and audio.
        manner: of scoring.
        by: columns that the metrics are broken down by.
        replicates: of the bootstrap, for the intervals; 0 gives none.
        progress: of scoring.
    """

    trials: Sequence[Trial]
    manner: Manner
    by: tuple[str, ...]
    replicates: int
    progress: ScoringProgress

    def identity(self) -> dict[str, Any]:
        """All that results depend on: settings, counts, and a SHA-256 of ids and labels.

        Raises:
            StudyError: nothing could be judged so: a class or recordings are not there, or
                intervals cannot be had of so few replicates.
        """
        if self.replicates and self.replicates < LEAST_REPLICATES:
            raise StudyError(
                f"--bootstrap {self.replicates}: give {LEAST_REPLICATES} or more, or 0 for none"
            )
        labels = Counter(trial.label for trial in self.trials)
        if not labels[BONA_FIDE] or not labels[SPOOF]:
            raise StudyError(
                f"the test has {labels[BONA_FIDE]:,} bona fide and {labels[SPOOF]:,} spoof trials, "
                "but needs both: take another --test-manifest or corpus"
            )
        missing = [one for one in self.trials if one.path is None or not one.path.is_file()]
        if missing:
            raise StudyError(
                f"{len(missing):,} of {len(self.trials):,} recordings of the test are not there, "
                f"such as {missing[0].path or missing[0].trial_id}: get them"
            )
        digest = hashlib.sha256()
        for trial in self.trials:
            digest.update(f"{trial.trial_id}\0{trial.label}\n".encode())
        return {
            "test.bonafide": labels[BONA_FIDE],
            "test.spoof": labels[SPOOF],
            "test.sha256": digest.hexdigest(),
            "test.num_samples": self.manner.length,
            "test.by": list(self.by),
            "test.replicates": self.replicates,
        }

    def judge(self, detector: Path, scores: Path, name: str) -> Evaluation:
        """Score all trials, going on with what is there, and evaluate the scores.

        Args:
            detector: a folder made by this package.
            scores: the file to write them to.
            name: of the detector.

        Raises:
            StudyError: some trials have no score.
            ValueError: scoring or evaluating is not possible.
        """
        manner = replace(self.manner, detector=name) if is_code_name(name) else self.manner
        result = score_checkpoint(
            detector,
            lambda: self.trials,
            Output(scores),
            manner,
            resume=True,
            progress=self.progress,
            told=self.identity(),
        )
        if result is not None and result.failures:
            first = next(iter(result.failures.values()))
            raise StudyError(f"{len(result.failures):,} trials have no score, the first: {first}")
        table = join(read_scores(scores), trial_table(self.trials), name=str(scores))
        if "duration" in self.by:
            table = table.assign(duration_s=durations_s(table))
        return evaluate(
            table,
            by=self.by,
            resampling=Resampling(self.replicates),
            allow_inverted=True,  # scores of our own, of a detector that may be as wrong as that
            name=str(scores),
        )
