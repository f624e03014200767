"""Whether a corpus on disk is whole: its trials by class, a recording for each, and what is over.

Each folder is listed once. No recording is opened, so a damaged one is found only when it is read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial, without_ending

EXAMPLES = 10

# Counts of bona fide and spoof trials; None where they differ from one build to the next.
Counts = tuple[int, int] | None


@dataclass(frozen=True)
class Names:
    """How many there are, and the first ten of them."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True)
class PhaseCheck:
    """What is there of a phase.

    Attributes:
        phase: its name.
        bona_fide, spoof: trials in its list.
        expected: what the publisher's list has of both.
        repeated: recordings that are another trial's already.
        missing, empty: recordings that are not there, or have no bytes.
        duration_s: of all its trials, None where their list does not say.
    """

    phase: str
    bona_fide: int
    spoof: int
    expected: Counts
    repeated: Names
    missing: Names
    empty: Names
    duration_s: float | None

    @property
    def complete(self) -> bool:
        """Whether all trials and all recordings are there, each once."""
        counts = (self.bona_fide, self.spoof)
        faults = self.repeated.count + self.missing.count + self.empty.count
        return sum(counts) > 0 and counts == (self.expected or counts) and not faults


@dataclass(frozen=True)
class PartCheck:
    """What is there of one list of trials and its folders.

    ``surplus`` are recordings that no trial names, ``surplus_is`` what the publisher put there
    besides, and ``problem`` is why the list could not be read to its end.
    """

    phases: tuple[PhaseCheck, ...]
    surplus: Names
    surplus_is: str
    problem: str | None


@dataclass(frozen=True)
class CorpusCheck:
    """What is there of a corpus, and where it is to be had."""

    name: str
    title: str
    root: str
    source: str
    licence: str
    layout: str
    parts: tuple[PartCheck, ...]

    @property
    def complete(self) -> bool:
        """Whether every phase is, and all lists could be read."""
        return all(
            part.problem is None and all(phase.complete for phase in part.phases)
            for part in self.parts
        )

    def to_json(self) -> dict[str, Any]:
        """The whole check, as JSON knows it."""
        return {"complete": self.complete, **asdict(self)}


def check_part(
    trials: Iterable[Trial], folders: Iterable[Path], phases: Mapping[str, Counts], surplus_is: str
) -> PartCheck:
    """Go through a list of trials once and look for each recording.

    Args:
        trials: of all phases of the list, with paths.
        folders: where recordings are; a folder that a trial names is added.
        phases: the phases that must be there, with their counts.
        surplus_is: what the publisher put into the folders besides.
    """
    listings = {folder: _Listing(folder) for folder in folders}
    tallies = {phase: _Tally() for phase in phases}
    problem = None
    try:
        for trial in trials:
            tally = tallies.setdefault(trial.phase or "", _Tally())
            tally.count(trial)
            if trial.path is not None:
                _look_for(trial.path, listings, tally)
    except ValueError as fault:  # every reader's error is one, and names the line and the remedy
        problem = str(fault)
    surplus = _Names()
    for folder, listing in listings.items():
        for name in sorted(listing.left):
            surplus.add(str(folder / name))
    checks = (tally.check(phase, phases.get(phase)) for phase, tally in tallies.items())
    return PartCheck(tuple(checks), surplus.names(), surplus_is, problem)


def _look_for(path: Path, listings: dict[Path, _Listing], tally: _Tally) -> None:
    folder, name = path.parent, path.name
    if folder not in listings:
        listings[folder] = _Listing(folder)
    listing = listings[folder]
    if name in listing.left:
        listing.left.remove(name)
        if name in listing.empty:
            tally.empty.add(str(path))
    elif path.is_file():
        tally.repeated.add(str(path))
    else:
        tally.missing.add(str(path))


class _Listing:
    """The recordings of a folder that no trial has named yet, and those without a byte."""

    def __init__(self, folder: Path) -> None:
        self.left: set[str] = set()
        self.empty: set[str] = set()
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if without_ending(entry.name) != entry.name:
                    self.left.add(entry.name)
                    if entry.stat().st_size == 0:
                        self.empty.add(entry.name)


class _Names:
    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.first) < EXAMPLES:
            self.first.append(name)

    def names(self) -> Names:
        return Names(self.count, tuple(self.first))


class _Tally:
    """What has been seen of a phase so far."""

    def __init__(self) -> None:
        self.labels: Counter[str | None] = Counter()
        self.duration_s: float | None = 0.0
        self.repeated, self.missing, self.empty = _Names(), _Names(), _Names()

    def count(self, trial: Trial) -> None:
        self.labels[trial.label] += 1
        if trial.duration_s is None or self.duration_s is None:
            self.duration_s = None
        else:
            self.duration_s += trial.duration_s

    def check(self, phase: str, expected: Counts) -> PhaseCheck:
        return PhaseCheck(
            phase,
            self.labels[BONA_FIDE],
            self.labels[SPOOF],
            expected,
            self.repeated.names(),
            self.missing.names(),
            self.empty.names(),
            self.duration_s if self.labels else None,
        )
