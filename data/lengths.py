"""How long the recordings of a corpus are: a table of numbers that stands for their distribution.

A corpus that cannot be handed on can still hand on its lengths. A table holds at most a thousand of
them: up to a thousand recordings each one's duration, of more the mean duration of each thousandth
of the sorted recordings. Its mean is the corpus' mean either way.

Tables are measured in `measuring_lengths`, so that reading one needs nothing that decodes audio.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fakemamba.files import packaged, write_json
from fakemamba.records import Stamp, read_record

STAMP: Stamp = {"schema": 1}
TABLES = ("fakemamba.data", "lengths", ".json")
MAX_PARTS = 1_000
DECIMALS = 7  # of seconds: exact for whole samples at 16 kHz
USUAL_INPUT_S = 64_600 / 16_000  # what most published detectors cut or tile every clip to

Durations = npt.NDArray[np.float64]


class LengthsError(ValueError):
    """A table of lengths cannot be had; the message names the file and the remedy."""


@dataclass(frozen=True)
class LengthTable:
    """The distribution of the durations of a corpus' recordings.

    ``durations_s`` ascends; its values stand for equal shares of the ``count`` recordings.
    ``source`` says which recordings they are, ``licence`` (None: not stated) is theirs, and
    ``made_by`` is the command that measured them.

    Raises:
        LengthsError: numbers that no corpus can have.
    """

    name: str
    source: str
    licence: str | None
    made_by: str
    count: Annotated[int, Field(ge=1, lt=1 << 53)]
    min_s: float
    max_s: Annotated[float, Field(lt=1e9)]
    durations_s: tuple[float, ...]

    def __post_init__(self) -> None:
        values = np.array((self.min_s, *self.durations_s, self.max_s))
        if not (np.isfinite(values).all() and values[0] > 0 and (np.diff(values) >= 0).all()):
            raise LengthsError(
                f"lengths {self.name}: from min_s over durations_s to max_s there must be positive "
                "numbers that ascend; measure the corpus again"
            )
        if len(self.durations_s) != min(self.count, MAX_PARTS) or not self.durations_s:
            raise LengthsError(
                f"lengths {self.name}: {len(self.durations_s)} durations of {self.count} "
                f"recordings; there must be {MAX_PARTS}, or one a recording if they are fewer"
            )

    @property
    def mean_s(self) -> float:
        """Mean duration of a recording."""
        return float(np.mean(self.durations_s))

    @property
    def hours(self) -> float:
        """Duration of all recordings together."""
        return self.count * self.mean_s / 3600

    def quantile_s(self, level: npt.ArrayLike) -> Durations:
        """The duration that a share ``level`` in [0, 1] of the recordings does not exceed.

        A value is that of the middle of its share, and between the middles the line is straight
        (Hazen's rule; Hyndman and Fan 1996, type 5).
        """
        parts = len(self.durations_s)
        levels = np.concatenate([[0.0], (np.arange(parts) + 0.5) / parts, [1.0]])
        return np.interp(
            np.asarray(level, np.float64), levels, (self.min_s, *self.durations_s, self.max_s)
        )

    def share_under(self, duration_s: float) -> float:
        """The share of recordings that are shorter, within one part in a thousand."""
        return float(np.searchsorted(self.durations_s, duration_s)) / len(self.durations_s)


def draw_durations(table: LengthTable, count: int) -> Durations:
    """The middles of ``count`` equal shares of the recordings, ascending, in seconds (count,).

    The draw is not random: ten durations have the table's quantiles 0.05, 0.15, ..., 0.95.

    Raises:
        ValueError: ``count`` is less than one.
    """
    if count < 1:
        raise ValueError(f"{count} durations cannot be drawn")
    return table.quantile_s((np.arange(count) + 0.5) / count)


def list_lengths() -> list[str]:
    """Names of the tables that come with the package."""
    return list(packaged(*TABLES))


def read_lengths(name_or_path: str | Path) -> LengthTable:
    """Read a table that comes with the package, by its name, or one that `write_lengths` wrote.

    Raises:
        LengthsError: no such table or file, or a file that holds something else.
    """
    tables = packaged(*TABLES)
    path = tables.get(str(name_or_path), Path(name_or_path))
    remedy = (
        f"it is no table of lengths, and none of the tables {', '.join(tables)}: write one "
        "with `fakemamba lengths MANIFEST --json`"
    )
    return read_record(path, LengthTable, LengthsError, remedy, stamp=STAMP)


def write_lengths(table: LengthTable, path: str | Path) -> None:
    """Write a table as JSON, for `read_lengths`."""
    write_json(path, STAMP | asdict(table))


def summarise_lengths(
    durations_s: npt.ArrayLike, *, name: str, source: str, licence: str | None, made_by: str
) -> LengthTable:
    """The table of any number of durations in seconds (count,), in any order.

    Raises:
        LengthsError: there are none, or one that is not a positive number.
    """
    ascending = np.sort(np.asarray(durations_s, np.float64))
    if not len(ascending):
        raise LengthsError(f"lengths {name}: no recordings")
    count, parts = len(ascending), min(len(ascending), MAX_PARTS)
    summed = np.concatenate([[0.0], np.cumsum(ascending)])  # (count + 1,)
    at_edges = np.interp(np.linspace(0, count, parts + 1), np.arange(count + 1), summed)
    means = np.sort(np.round(np.diff(at_edges) * parts / count, DECIMALS))
    low, high = np.round(ascending[[0, -1]], DECIMALS).tolist()
    values = tuple(np.clip(means, low, high).tolist())
    return LengthTable(name, source, licence, made_by, count, low, high, values)
