"""A corpus on disk, as its publisher's archives unpack: its trials one by one, with their audio."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fakemamba.data.corpora.check import CorpusCheck, Counts, PartCheck, check_part
from fakemamba.data.keys import iterate_key
from fakemamba.data.manifest import iterate_manifest
from fakemamba.data.trials import BONA_FIDE, SPOOF, Trial


class CorpusError(ValueError):
    """A corpus cannot be used; the message says what is missing and where it is expected."""


@dataclass(frozen=True)
class Part:
    """A list of trials and where their audio is, as paths below the corpus' root.

    Attributes:
        keys: where the list may be; the first that is there is taken.
        phases: the phases that it holds, with their counts. If it is one, every trial is of it.
        audio: patterns of folders that hold the audio as ``id.flac``; all that match are taken.
            Without any, the list is a manifest and says itself where each recording is.
        surplus: what else the publisher put into these folders.
    """

    keys: tuple[str, ...]
    phases: Mapping[str, Counts]
    audio: tuple[str, ...] = ()
    surplus: str = ""


@dataclass(frozen=True)
class Description:
    """What is known of a corpus before it is on disk.

    Attributes:
        name: what `open_corpus` knows it by.
        title: its publisher's name for it.
        source: where it is to be had, as a plain identifier.
        licence: the publisher's terms.
        layout: what lies below the root, as a picture of some lines.
        judged: the phase that is evaluated where none is asked for.
        parts: its lists of trials.
        families: what kind of system its attacks are, where its lists do not say so.
    """

    name: str
    title: str
    source: str
    licence: str
    layout: str
    judged: str
    parts: tuple[Part, ...]
    families: Mapping[str, str] = field(default_factory=dict)

    @property
    def phases(self) -> tuple[str, ...]:
        """All phases, in the order of the parts."""
        return tuple(phase for part in self.parts for phase in part.phases)

    def parts_of(self, phase: str) -> tuple[Part, ...]:
        """The parts that hold a phase.

        Raises:
            CorpusError: there is no such phase.
        """
        if phase not in self.phases:
            known = ", ".join(self.phases)
            raise CorpusError(f"{self.name} has no phase {phase!r}, but {known}")
        return tuple(part for part in self.parts if phase in part.phases)


@dataclass(frozen=True)
class Corpus:
    """A corpus below a folder of this machine."""

    description: Description
    root: Path

    def trials(self, phase: str | None = None) -> Iterator[Trial]:
        """Yield a phase's trials one by one; memory does not grow with their number.

        That a recording is there is not checked: reading it will tell, or `check`.

        Args:
            phase: None is the eval or test phase.

        Raises:
            CorpusError: no such phase, the list of trials or the folder of the audio is not there,
                or, at the end, there are more or fewer trials than the publisher's.
            KeyFileError, ManifestError: a line of the list that cannot be used.
        """
        phase = self.description.judged if phase is None else phase
        for part in self.description.parts_of(phase):
            counted: Counter[str | None] = Counter()
            for trial in self._part_trials(part, self._folders(part)):
                if trial.phase == phase:
                    counted[trial.label] += 1
                    yield self._of_family(trial)
            found, expected = (counted[BONA_FIDE], counted[SPOOF]), part.phases[phase]
            if found == (0, 0) or expected not in (None, found):
                raise CorpusError(
                    f"{self._key(part)}: {found[0]:,} bona fide and {found[1]:,} spoof trials of "
                    f"phase {phase}, but {self.description.title} has {_counts(expected)}; get it "
                    "again"
                )

    def check(self, phase: str | None = None) -> CorpusCheck:
        """What is there and what is missing, of one phase or (None) of all of them.

        Raises:
            CorpusError: no such phase.
        """
        parts = self.description.parts if phase is None else self.description.parts_of(phase)
        checks = []
        for part in parts:
            found = self._check(part)
            asked = tuple(one for one in found.phases if phase in (None, one.phase))
            checks.append(replace(found, phases=asked))
        about = self.description
        return CorpusCheck(
            name=about.name,
            title=about.title,
            root=str(self.root),
            source=about.source,
            licence=about.licence,
            layout=about.layout,
            parts=tuple(checks),
        )

    def _check(self, part: Part) -> PartCheck:
        folders = self._folders(part)
        expected = [self.root / part.audio[0]] if part.audio else []
        trials = self._part_trials(part, folders or expected)
        return check_part(trials, folders, part.phases, part.surplus)

    def _part_trials(self, part: Part, folders: list[Path]) -> Iterator[Trial]:
        """The trials of all phases of a part, with their audio in these folders."""
        key = self._key(part)
        only = next(iter(part.phases)) if len(part.phases) == 1 else None
        if not part.audio:
            for trial in iterate_manifest(key, need_label=True):
                yield replace(trial, phase=only) if only else trial
            return
        if not folders:
            raise CorpusError(
                f"{self.root}: no folder {' or '.join(part.audio)}; unpack the audio of "
                f"{self.description.title} there"
            )
        for trial in iterate_key(key, phase="all"):
            path = _find(folders, f"{trial.trial_id}.flac")
            yield replace(trial, path=path, phase=only or trial.phase)

    def _of_family(self, trial: Trial) -> Trial:
        family = self.description.families.get(trial.attack or "")
        return trial if family is None or trial.family else replace(trial, family=family)

    def _key(self, part: Part) -> Path:
        for key in part.keys:
            if (self.root / key).is_file():
                return self.root / key
        raise CorpusError(
            f"{self.root}: no file {' or '.join(part.keys)}; unpack the keys of "
            f"{self.description.title} there"
        )

    def _folders(self, part: Part) -> list[Path]:
        found = (path for pattern in part.audio for path in sorted(self.root.glob(pattern)))
        return [path for path in found if path.is_dir()]


def _counts(counts: Counts) -> str:
    return "some" if counts is None else " and ".join(f"{count:,}" for count in counts)


def _find(folders: list[Path], name: str) -> Path:
    """The file in the first folder that has it, or else where it would be."""
    # As text, since two million path objects, for DF's trials and folders, take half a minute.
    places = [f"{folder}/{name}" for folder in folders]
    if len(places) == 1:
        return Path(places[0])
    return Path(next(filter(os.path.isfile, places), places[0]))
