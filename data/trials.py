"""A trial: one recording to be judged, with what its corpus says of it.

Every list of trials, be it an ASVspoof key, a manifest or a corpus on disk, is read into these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import compress
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd

BONA_FIDE = "bonafide"
SPOOF = "spoof"

# Each word is one that a publisher uses: ASVspoof bonafide and spoof, In-the-Wild bona-fide,
# ASVspoof 2017 genuine, ADD genuine and fake, Fake-or-Real real and fake. Numbers are not among
# them, as corpora do not agree which class 1 is.
LABELS = {
    "bonafide": BONA_FIDE,
    "bona-fide": BONA_FIDE,
    "genuine": BONA_FIDE,
    "real": BONA_FIDE,
    "spoof": SPOOF,
    "fake": SPOOF,
}
AUDIO_ENDING = re.compile(
    r"(?<=[^/])\.(wav|w64|flac|mp3|og[ga]|opus|spx|m4a|mp4|mov|3gp|aac|ac3|wma|webm|mk[av]|caf|amr"
    r"|aiff?|au|sph|gsm|g722|al(aw)?|ul(aw)?)$",
    re.IGNORECASE,
)


class TrialError(ValueError):
    """Something is no trial; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording of a corpus. What the corpus does not say is None.

    ``trial_id`` is unique in its corpus and names the line of a score file. ``label`` is
    `BONA_FIDE` or `SPOOF`; ``duration_s`` is in seconds; ``text_id`` is the name of what is said;
    ``family`` is the kind of system that ``attack`` is one of, such as text-to-speech.

    Raises:
        TrialError: a name that is not UTF-8, as no file of scores could hold it.
    """

    trial_id: str
    path: Path | None = None
    label: str | None = None
    attack: str | None = None
    codec: str | None = None
    vocoder: str | None = None
    speaker: str | None = None
    source: str | None = None
    phase: str | None = None
    duration_s: float | None = None
    language: str | None = None
    text_id: str | None = None
    family: str | None = None

    def __post_init__(self) -> None:
        for name in (str(self.path or ""), self.trial_id):
            if not name.isascii():
                require_utf8(name)


def require_utf8(name: str) -> None:
    """Refuse a name that no file of scores could hold.

    Raises:
        TrialError: it is not UTF-8.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise TrialError(
            f"{shown}: the name is not UTF-8, so no scores could be written for it; rename it, as "
            "by convmv"
        ) from None


COLUMNS = tuple(field.name for field in fields(Trial))


def plural(column: str) -> str:
    """The word for several values of a column, such as attacks or families."""
    return f"{column.removesuffix('y')}ies" if column.endswith("y") else f"{column}s"


@dataclass(frozen=True, slots=True)
class TrialBlock:
    """Trials that follow each other in a file, by column.

    ``columns`` has each of Trial's fields (trials,). ``numbers`` (trials,) are those of their
    lines, or of what else ``unit`` names.
    """

    columns: Mapping[str, Sequence[Any]]
    numbers: Sequence[int]
    unit: str = "line"

    def trials(self) -> Iterator[Trial]:
        """Each by itself."""
        return map(Trial, *(self.columns[name] for name in COLUMNS))

    def places(self) -> Iterator[str]:
        """Where in the file each is, such as ``line 3``."""
        return (f"{self.unit} {number}" for number in self.numbers)

    def only(self, chosen: Sequence[bool]) -> TrialBlock:
        """Those that are chosen (trials,)."""
        columns = {name: list(compress(one, chosen)) for name, one in self.columns.items()}
        return TrialBlock(columns, list(compress(self.numbers, chosen)), self.unit)


def trial_table(trials: Iterable[Trial]) -> pd.DataFrame:
    """The trials as a table whose columns are Trial's fields.

    Text and paths have dtype object and None where they are unknown, ``duration_s`` is float64
    with NaN.
    """
    # Column by column: a tuple a trial would keep the garbage collector busy.
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    appenders = [(attrgetter(name), column.append) for name, column in columns.items()]
    for trial in trials:
        for value_of, append in appenders:
            append(value_of(trial))
    return _table(columns)


def block_table(blocks: Iterable[TrialBlock]) -> pd.DataFrame:
    """The trials of blocks, one after the other, as `trial_table` has them."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for block in blocks:
        for name, column in columns.items():
            column.extend(block.columns[name])
    return _table(columns)


def _table(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(column, dtype="float64" if name == "duration_s" else "object")
            for name, column in columns.items()
        },
        copy=False,
    )


def read_label(text: str) -> str:
    """`BONA_FIDE` or `SPOOF` for a publisher's word.

    Raises:
        TrialError: any other word; those that are known are listed.
    """
    try:
        return LABELS[text]
    except KeyError:
        known = ", ".join(LABELS)
        raise TrialError(f"the label is {text[:80]!r}, but must be one of {known}") from None


def without_ending(name: str) -> str:
    """The name of a recording as it is written, but for its ending.

    ``a/b.c.wav`` gives ``a/b.c``; what has no audio ending, such as ``LA_E_1.5``, is kept.
    """
    return AUDIO_ENDING.sub("", name)
