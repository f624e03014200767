"""Scores on disk while they are made, so that a run that was killed loses none and doubles none.

The journal is a folder beside the score file, ``SCORES.journal``, with a file a rank. A file's
first line says what is scored with what; a run with other weights, trials, settings or code is not
resumed. Every further line is ``[index, score, samples]``, with what is missing of the recording as
a fourth if it is damaged, or ``[index, reason]``, the index being the trial's place in the list.
Lines reach the system before the next batch begins. A line that a kill cut short is dropped, and
its trial scored again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fakemamba.differences import differences
from fakemamba.files import append

if TYPE_CHECKING:
    from fakemamba.evaluation.scoring import Scored

FORMAT = 1
Identity = Mapping[str, str | int | None]
Add = Callable[[Iterable[tuple[int, "Scored"]]], None]


class JournalError(ValueError):
    """A journal cannot be resumed; the message says why and what to do."""


@dataclass(frozen=True)
class Done:
    """What all ranks have done.

    ``scores`` (trials,) float64 is NaN where there is none yet, ``num_samples`` all samples that
    were scored, ``reasons`` those of trials that have no score, and ``damage`` what is missing of
    scored recordings that are not all there, both by index.
    """

    scores: npt.NDArray[np.float64]
    num_samples: int
    reasons: dict[int, str]
    damage: dict[int, str]


@contextmanager
def open_journal(folder: Path, rank: int, identity: Identity) -> Iterator[Add]:
    """A function that appends what became of some trials, each with its place in the list.

    Args:
        folder: of the journal, shared by all ranks.
        rank: whose file to append to.
        identity: what is scored with what, JSON values by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rank-{rank}.jsonl"
    if path.exists():
        _drop_torn_line(path)

    def add(lines: Iterable[Any]) -> None:
        append(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))

    if not path.exists() or path.stat().st_size == 0:
        add([{"format": FORMAT, "identity": dict(identity)}])
    yield lambda scored: add(
        [index, one.reason]
        if one.score is None
        else [index, one.score, one.num_samples, *([one.damage] if one.damage else [])]
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
    for path in sorted(folder.glob("rank-*.jsonl")):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    content = json.loads(line)
                    if number == 1:
                        _require_same(content, identity, path)
                        continue
                    index, *result = content
                    if not 0 <= index < num_trials:
                        raise IndexError(f"there is no trial {index}")
                    if len(result) > 1:
                        if math.isnan(scores[index]):
                            num_samples += result[1]
                        scores[index] = result[0]
                        if len(result) > 2:
                            damage[index] = _words(*result[2:])
                    else:
                        (reasons[index],) = result
                except JournalError:
                    raise
                except (ValueError, TypeError, IndexError) as error:
                    raise JournalError(
                        f"{path}, line {number}: {error}; remove that line, its trials are then "
                        "scored again"
                    ) from error
    missing = {i: reason for i, reason in sorted(reasons.items()) if math.isnan(scores[i])}
    return Done(scores, num_samples, missing, dict(sorted(damage.items())))


def remove_journal(folder: Path) -> None:
    """Remove the files of all ranks: the scores are written."""
    for path in folder.glob("rank-*.jsonl"):
        path.unlink()
    if folder.exists():
        folder.rmdir()


def _words(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} says nothing of damage")
    return text


def _drop_torn_line(path: Path) -> None:
    """Cut off what comes after the end of the last whole line."""
    with path.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _require_same(header: Any, identity: Identity, path: Path) -> None:
    """Raises `JournalError`, naming what differs."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise JournalError(f"{path} was written by another version; move it away and score again")
    if differing := differences(header.get("identity", {}), identity):
        raise JournalError(
            f"{path} cannot be resumed: {'; '.join(differing)}. Use the same weights, trials, "
            "settings and code, or remove the journal and score all again"
        )
