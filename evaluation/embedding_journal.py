"""Embeddings on disk while they are made, so that a run that was killed loses none.

The journal is a file beside that of the embeddings, ``FILE.journal``; a line has a trial's vectors
in base64 of float32, little-endian. A run with other weights, trials, settings or code is refused.
Trials that had no embedding are tried again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fakemamba.evaluation.embedding_files import Vectors
from fakemamba.journals import JournalError, JournalFile

ENDING = ".journal"
FLOAT = np.dtype("<f4")
Found = tuple[Vectors, Vectors | None]  # (width,) and (1 + layers, hidden)


@dataclass(frozen=True)
class _Line:
    """A trial's vectors; ``layers`` is 1 + layers, or 0 where they were not asked for."""

    trial_id: str
    own: str
    states: str = ""
    layers: Annotated[int, Field(ge=0)] = 0
    damage: str | None = None


class _File(JournalFile[_Line]):
    format = 1
    form = _Line
    remedy = "remove that line, its trial is then embedded again"
    anew = "remove it and embed again"
    alike = (
        "Use the same weights, trials, settings and code, or remove the journal and embed all again"
    )


class EmbeddingJournal:
    """What is embedded already.

    Attributes:
        known: vectors by trials' ids.
        damage: what is missing of recordings that are not all there, by trials' ids.

    Raises:
        JournalError: it is of another run, or damaged.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._file = _File(path, identity)
        self.known: dict[str, Found] = {}
        self.damage: dict[str, str] = {}
        for place, line in self._file.lines():
            self.known[line.trial_id] = _found(line, place)
            if line.damage is not None:
                self.damage[line.trial_id] = line.damage
        self._file.mend()

    def add(self, found: Iterable[tuple[str, Found]], damage: Mapping[str, str]) -> None:
        """Append the vectors of trials, and what is missing of their recordings.

        Raises:
            OSError: the disk is full, or similar.
        """
        self._file.append(
            asdict(
                _Line(
                    trial_id,
                    _text(own),
                    "" if states is None else _text(states),
                    0 if states is None else len(states),
                    damage.get(trial_id),
                )
            )
            for trial_id, (own, states) in found
        )

    def remove(self) -> None:
        """Its embeddings are written."""
        self._file.path.unlink(missing_ok=True)


def _text(vectors: Vectors) -> str:
    return base64.b64encode(vectors.astype(FLOAT).tobytes()).decode()


def _found(line: _Line, place: str) -> Found:
    try:
        own, states = (
            np.frombuffer(base64.b64decode(text, validate=True), FLOAT).astype(np.float32)
            for text in (line.own, line.states)
        )
        return own, states.reshape(line.layers, -1) if line.layers else None
    except ValueError as error:
        raise JournalError(f"{place}: no vectors ({error}); {_File.remedy}") from error
