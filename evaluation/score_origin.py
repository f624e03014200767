"""Which detector scores came from, as the file beside them says: ``SCORES.json`` of scoring."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from fakemamba.files import file_sha256, require_file
from fakemamba.records import in_part, read_record

SHOWN = 12  # digits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreOrigin:
    """What has to be equal for two scores to mean the same.

    Attributes:
        weights_sha256: of the checkpoint.
        length: samples that every recording was cut or tiled to; None is whole recordings.
        windowing: in words, where a score is made of windows.
    """

    weights_sha256: str
    length: int | None
    windowing: str | None = None

    def __str__(self) -> str:
        """All of it in words."""
        cut = "whole recordings" if self.length is None else f"--length {self.length}"
        cut = self.windowing or cut
        return f"weights {self.weights_sha256[:SHOWN]} and {cut}"


@in_part
@dataclass(frozen=True)
class _Identity(ScoreOrigin):
    pass


@in_part
@dataclass(frozen=True)
class _ScoreFile:
    sha256: str


@in_part
@dataclass(frozen=True)
class _Told:
    scores: _ScoreFile
    identity: _Identity


def read_origin(scores: str | Path) -> ScoreOrigin | None:
    """The origin of a score file; None where nothing beside it tells of these very scores.

    A file beside it that cannot be read, or is of other scores, is warned of.
    """
    scores = Path(scores)
    beside = scores.with_name(f"{scores.name}.json")
    if not beside.exists():
        return None
    try:
        require_file(scores, ValueError)
        told = read_record(beside, _Told, ValueError, "it cannot say what the scores are of")
        if told.scores.sha256 != file_sha256(scores):
            raise ValueError(f"{beside} is of other scores than those that are in {scores} now")
    except (OSError, ValueError) as error:
        log.warning("%s", error)
        return None
    return ScoreOrigin(**vars(told.identity))
