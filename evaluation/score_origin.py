"""Which detector scores came from, as the file beside them says: ``SCORES.json`` of scoring."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

SHOWN = 12  # digits


@dataclass(frozen=True)
class ScoreOrigin:
    """What has to be equal for two scores to mean the same.

    Attributes:
        weights_sha256: of the checkpoint.
        length: samples that every recording was cut or tiled to; None is whole recordings.

    Raises:
        ValueError: something of another kind.
    """

    weights_sha256: str
    length: int | None

    def __post_init__(self) -> None:
        if not isinstance(self.weights_sha256, str) or not isinstance(self.length, int | None):
            raise ValueError(f"{self.weights_sha256!r} and {self.length!r} are no origin of scores")

    def __str__(self) -> str:
        """Both in words."""
        cut = "whole recordings" if self.length is None else f"--length {self.length}"
        return f"weights {self.weights_sha256[:SHOWN]} and {cut}"


def read_origin(scores: str | Path) -> ScoreOrigin | None:
    """The origin of a score file; None where nothing beside it tells of these very scores."""
    scores = Path(scores)
    try:
        told = json.loads(scores.with_name(f"{scores.name}.json").read_text(encoding="utf-8"))
        if told["scores"]["sha256"] != hashlib.sha256(scores.read_bytes()).hexdigest():
            return None
        return ScoreOrigin(told["identity"]["weights_sha256"], told["identity"]["length"])
    except (OSError, KeyError, TypeError, ValueError):
        return None
