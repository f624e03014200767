"""What gives the classes of a corpus away without listening: length, level, silence, bandwidth.

A detector that is trained on such a corpus learns the shortcut, and one that is tested on it gets
credit for it (Müller et al. 2021; Chettri and Sturm 2018). Each cue of `fakemamba.data.cues` is
taken as if it were a detector's score, and so are all of them together in a linear probe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.data.cues import Cues, read_cues
from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial, trial_table
from fakemamba.evaluation.bootstrap import bootstrap
from fakemamba.evaluation.linear_probe import ProbeError, held_out_scores
from fakemamba.evaluation.metrics.detection import equal_error

STAMP = {"schema": 1}
CUES = tuple(field.name for field in fields(Cues))
TOGETHER = "all_together"
CHANCE = 0.5
NEAR_CHANCE = 0.45  # of no use to a detector that is any good
RULE = (
    f"A cue gives the class away if the whole 95 % interval of its EER is under {NEAR_CHANCE:.0%}; "
    "50 % is chance."
)


class AuditError(ValueError):
    """A corpus cannot be audited; the message says what it lacks."""


@dataclass(frozen=True)
class Shortcut:
    """How well one cue alone tells the classes apart.

    Attributes:
        cue: a field of `Cues`, or ``all_together``: the linear probe on all of them.
        attack: whose spoofed trials are compared with all bona fide ones; None: all attacks'.
        eer: of the better of both directions, so at most a half; of the probe the one direction
            that it was fit to. None if there is no such figure, and ``reason`` says why.
        low, high: the 95 % interval of drawing as many trials of each class, at most a half.
        bonafide, spoof: trials that have the cue.
        bonafide_median, spoof_median: of the cue, in its unit.
        kept_together: of the probe, what its folds keep together.
        reason: why there is no figure.
    """

    cue: str
    attack: str | None
    eer: float | None
    low: float | None
    high: float | None
    bonafide: int
    spoof: int
    bonafide_median: float | None
    spoof_median: float | None
    kept_together: str | None = None
    reason: str | None = None

    @property
    def gives_away(self) -> bool:
        """Whether the class is known from this cue better than by chance, whatever the sample."""
        return self.high is not None and self.high < NEAR_CHANCE

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON knows it."""
        return asdict(self) | {"gives_away": self.gives_away}


@dataclass(frozen=True)
class Audit:
    """All shortcuts of a corpus, over all attacks first, and what was not heard of it.

    Attributes:
        shortcuts: all of them.
        trials: whose recordings were read.
        failures: why others were not.
        damaged: what is missing of the recordings that are not all there, by their trials' ids.
    """

    shortcuts: tuple[Shortcut, ...]
    trials: int
    failures: tuple[str, ...]
    damaged: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON knows it; error rates are shares of one."""
        rows = [one.to_json() for one in self.shortcuts]
        content = {**STAMP, "rule": RULE, "trials": self.trials}
        unheard = {"failures": list(self.failures), "damaged": self.damaged}
        return content | unheard | {"shortcuts": rows}


def audit(
    trials: Iterable[Trial],
    *,
    per_attack: bool = False,
    seed: int = 0,
    workers: int | None = None,
    allow_damaged: bool = False,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Audit:
    """Measure the cues of all recordings, and how well each tells the classes apart.

    Args:
        trials: with paths and labels; they are passed through once.
        per_attack: judge each attack by itself, too.
        seed: of the lot that breaks ties, of the folds and of the intervals.
        workers: threads that read recordings; None takes one a CPU.
        allow_damaged: listen to what is left of damaged recordings.
        progress: passes on what it is given, one item a recording, and may count them.

    Raises:
        AuditError: a trial has no label, or no recording of a class could be read.
    """
    read, cues, failures = [], [], []
    damaged: dict[str, str] = {}
    labelled = map(_require_label, trials)
    listened = read_cues(labelled, workers, allow_damaged=allow_damaged)
    for trial, result in progress(listened):
        if isinstance(result, str):
            failures.append(result)
        else:
            read.append(trial)
            cues.append(result.cues)
            if result.damage is not None:
                damaged[trial.trial_id] = result.damage
    told = trial_table(read)[["label", "speaker", "attack"]]
    table = pd.concat([told, pd.DataFrame(cues, columns=list(CUES))], axis=1)
    is_bonafide = table["label"] == BONA_FIDE
    for label, count in ((BONA_FIDE, is_bonafide.sum()), (SPOOF, (~is_bonafide).sum())):
        if not count:
            raise AuditError(
                f"no {label} recording among {len(table)} that could be read "
                f"({len(failures)} could not); an audit needs both classes"
            )
    shortcuts = list(_judge(table, None, seed))
    if per_attack:
        for attack in sorted(table["attack"].dropna().unique()):
            shortcuts += _judge(table[is_bonafide | (table["attack"] == attack)], attack, seed)
    return Audit(tuple(shortcuts), len(table), tuple(failures), damaged)


def _require_label(trial: Trial) -> Trial:
    if trial.label is None:
        raise AuditError(f"{trial.trial_id} has no label; an audit needs to know each trial's")
    return trial


def _judge(table: pd.DataFrame, attack: str | None, seed: int) -> Iterator[Shortcut]:
    """All cues, and then all of them together."""
    for cue in CUES:
        known = table[table[cue].notna()]
        values = known[cue].to_numpy(np.float64)
        is_bonafide = (known["label"] == BONA_FIDE).to_numpy()
        if len(set(is_bonafide)) < 2:
            reason = "the recordings of a class are nothing but silence"
            yield _shortcut(cue, attack, known, reason=reason)
            continue
        scores = untied_ranks(values, seed)
        better = min((scores, -scores), key=lambda signed: _eer(signed, is_bonafide))
        medians = (float(np.median(values[is_bonafide])), float(np.median(values[~is_bonafide])))
        yield _shortcut(cue, attack, known, better, medians=medians, seed=seed)
    known = table.dropna(subset=list(CUES))
    try:
        held_out = held_out_scores(known[list(CUES)], known, seed)
    except ProbeError as error:
        yield _shortcut(TOGETHER, attack, known, reason=str(error))
    else:
        scores = untied_ranks(held_out.scores, seed)
        kept = held_out.kept_together
        yield _shortcut(TOGETHER, attack, known, scores, kept_together=kept, seed=seed)


def untied_ranks(values: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """The rank of each value (n,), where a lot decides between equal ones.

    The EER of ASVspoof takes all bona fide trials of a tie to be rejected first, so that a cue
    which is the same in all recordings would have an EER of 100 % instead of 50 %.
    """
    lot = np.random.default_rng(seed).permutation(len(values))
    ranks = np.empty(len(values))
    ranks[np.lexsort((lot, values))] = np.arange(len(values))
    return ranks


def _eer(scores: npt.NDArray[np.float64], is_bonafide: npt.NDArray[np.bool_]) -> float:
    return equal_error(scores[is_bonafide], scores[~is_bonafide]).eer


def _shortcut(
    cue: str,
    attack: str | None,
    known: pd.DataFrame,
    scores: npt.NDArray[np.float64] | None = None,
    medians: tuple[float | None, float | None] = (None, None),
    kept_together: str | None = None,
    reason: str | None = None,
    seed: int = 0,
) -> Shortcut:
    """One row, of the trials that have the cue and, if it can be judged, their scores."""
    is_bonafide = (known["label"] == BONA_FIDE).to_numpy()
    eer = low = high = None
    if scores is not None:
        # One drawing of trials at a time: what is asked is what this corpus gives away.
        table = known[["label", "speaker", "attack"]].assign(score=scores)
        interval = bootstrap(table, metrics=("eer",), cluster=None, seed=seed)["eer"]
        eer = min(_eer(scores, is_bonafide), CHANCE)
        low, high = min(interval.low, CHANCE), min(interval.high, CHANCE)
    counts = int(is_bonafide.sum()), int((~is_bonafide).sum())
    return Shortcut(cue, attack, eer, low, high, *counts, *medians, kept_together, reason)
