"""How cells are measured: everything that has to be known beside the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fakemamba.bench.instruments.rounds import Effort

INSTRUMENTS = ("memory", "work", "energy", "resident")


@dataclass(frozen=True)
class Method:
    """Rounds, the instruments that are used beside the clock, and the state of caches.

    Attributes:
        effort: of warm-up and rounds.
        instruments: any of ``INSTRUMENTS``.
        flush_cache: empty the last-level cache before every round.
        energy_window_s: how long each energy window lasts at the least.
    """

    effort: Effort
    instruments: tuple[str, ...] = ("memory", "work")
    flush_cache: bool = False
    energy_window_s: float = 5.0

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Method:
        """What ``dataclasses.asdict`` made of it."""
        effort, instruments = Effort(**content["effort"]), tuple(content["instruments"])
        return cls(**{**content, "effort": effort, "instruments": instruments})
