"""Slow-downs that are accepted: a TOML file that is reviewed like code, and forgets by itself.

An entry accepts up to a factor, says why, and ends on a date:

    [[accepted]]
    pattern = "fake-mamba-*-encoder-*"  # of cell ids, as in a shell
    factor = 1.10                       # the interval's upper end has to be below
    reason = "the scan is now exact in bf16"
    expires = 2027-03-31                # the last day on which it counts
    quantity = "latency"                # or peak-memory, energy, error; latency if left out
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fakemamba.analysis.compare.verdict import QUANTITIES

REQUIRED = ("pattern", "factor", "reason", "expires")


@dataclass(frozen=True)
class Accepted:
    """One accepted slowdown.

    Attributes:
        pattern: of cell ids, with ``*``, ``?`` and ``[...]``; upper and lower case differ.
        factor: how many times as much may be taken, more than 1.
        reason: why.
        expires: the last day on which it counts.
        quantity: what may grow, one of ``QUANTITIES``.
    """

    pattern: str
    factor: float
    reason: str
    expires: date
    quantity: str = "latency"

    def covers(self, cell_id: str, quantity: str) -> bool:
        """Whether it is about a cell's quantity."""
        return quantity == self.quantity and fnmatchcase(cell_id, self.pattern)


def read_accepted(path: str | Path) -> list[Accepted]:
    """All entries of a file, expired ones too.

    Raises:
        ValueError: the file is absent or no TOML, or an entry is not as it has to be; the message
            names file and entry.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file of accepted slow-downs") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    entries = content.pop("accepted", [])
    if content:
        raise ValueError(f"{path} has {_names(content)}, but only [[accepted]] is known")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: 'accepted' has to be written as [[accepted]]")
    return [
        _read_entry(entry, f"{path}, entry {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _read_entry(entry: dict[str, Any], where: str) -> Accepted:
    unknown = entry.keys() - {*REQUIRED, "quantity"}
    if unknown:
        raise ValueError(f"{where}: unknown {_names(unknown)}")
    missing = [name for name in REQUIRED if name not in entry]
    if missing:
        raise ValueError(f"{where} has no {_names(missing)}")
    for name in ("pattern", "reason"):
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise ValueError(f"{where}: {name} {entry[name]!r} has to be some text")
    factor, expires = entry["factor"], entry["expires"]
    if type(factor) not in (int, float) or not (factor > 1 and math.isfinite(factor)):
        raise ValueError(f"{where}: factor {factor!r} has to be a number above 1, such as 1.10")
    if not isinstance(expires, date) or isinstance(expires, datetime):
        raise ValueError(f"{where}: expires {expires!r} has to be a date, such as 2027-03-31")
    if entry.get("quantity", "latency") not in QUANTITIES:
        raise ValueError(f"{where}: quantity has to be one of {', '.join(QUANTITIES)}")
    return Accepted(**entry)


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
