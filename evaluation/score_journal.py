"""Scores on disk while they are made, so that a run that was killed loses none and doubles none.

The journal is a folder beside the score file, ``SCORES.journal``, with a file a rank. A run with
other weights, trials, settings or code is not resumed. Every line after the first has a trial's
place in the list, and its score or the reason why it has none. Lines reach the system before the
next batch begins. The trial of one that a kill cut short is scored again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fakemamba.journals import JournalError, JournalFile

if TYPE_CHECKING:
    from fakemamba.evaluation.scoring import Scored

Identity = Mapping[str, str | bool | int | None]
Add = Callable[[Iterable[tuple[int, "Scored"]]], None]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]


@dataclass(frozen=True)
class Done:
    """What all ranks have done.

    ``scores`` (trials,) float64 is NaN where there is none yet, ``num_samples`` all samples that
    were scored, ``reasons`` those of trials that have no score, ``damage`` what is missing of
    scored recordings that are not all there, and ``windows`` (windows, 3) start and end in seconds
    and scores, NaN in silence, of what was scored so, all by index.
    """

    scores: npt.NDArray[np.float64]
    num_samples: int
    reasons: dict[int, str]
    damage: dict[int, str]
    windows: dict[int, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _Line:
    """What became of the trial at a place in the list: a score, or the reason why there is none."""

    index: Count
    score: float | None = None
    num_samples: Count = 0
    reason: str | None = None
    damage: str | None = None
    windows: list[tuple[float, float, float | None]] | None = None

    def __post_init__(self) -> None:
        if (self.score is None) == (self.reason is None):
            raise ValueError("a trial has either a score or the reason why it has none")


class _RankFile(JournalFile[_Line]):
    format = 2
    form = _Line
    remedy = "remove that line, its trials are then scored again"
    anew = "move it away and score again"
    alike = (
        "Use the same weights, trials, settings and code, or remove the journal and score all again"
    )


@contextmanager
def open_journal(folder: Path, rank: int, identity: Identity) -> Iterator[Add]:
    """A function that appends what became of some trials, each with its place in the list.

    Args:
        folder: of the journal, shared by all ranks.
        rank: whose file to append to.
        identity: what is scored with what, JSON values by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = _RankFile(folder / f"rank-{rank}.jsonl", identity)
    journal.mend()
    yield lambda scored: journal.append(
        asdict(
            _Line(
                *(index, one.score, one.num_samples, one.reason, one.damage),
                windows=None if one.windows is None else [*one.windows],
            )
        )
        for index, one in scored
    )


def read_journal(folder: Path, identity: Identity, num_trials: int) -> Done:
    """What is in the files of all ranks; nothing if there is no journal.

    A trial that failed and has a score in a later run has that score.

    Raises:
        JournalError: a file is of another run, or has a line that cannot be.
    """
    scores = np.full(num_trials, math.nan)
    num_samples, reasons, damage = 0, dict[int, str](), dict[int, str]()
    windows: dict[int, npt.NDArray[np.float64]] = {}
    for path in sorted(folder.glob("rank-*.jsonl")):
        for place, line in _RankFile(path, identity).lines():
            if line.index >= num_trials:
                raise JournalError(f"{place}: there is no trial {line.index}; {_RankFile.remedy}")
            if line.reason is not None:
                reasons[line.index] = line.reason
            elif line.score is not None:
                if math.isnan(scores[line.index]):
                    num_samples += line.num_samples
                scores[line.index] = line.score
                if line.windows is not None:
                    windows[line.index] = np.array(line.windows, dtype=np.float64)
                if line.damage is not None:
                    damage[line.index] = line.damage
    missing = {i: reason for i, reason in sorted(reasons.items()) if math.isnan(scores[i])}
    return Done(scores, num_samples, missing, dict(sorted(damage.items())), windows)


def remove_journal(folder: Path) -> None:
    """Remove the files of all ranks: the scores are written."""
    for path in folder.glob("rank-*.jsonl"):
        path.unlink()
    if folder.exists():
        folder.rmdir()
