"""Journals: what a run has done so far, a sealed line each, so that a run that was killed goes on.

The first line says what is done with what; another run's journal is refused. A last line that a
kill cut short counts as not written, and any other damage is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fakemamba.differences import differences
from fakemamba.files import append, require_file
from fakemamba.records import Stamp, parse_record, sealed

T = TypeVar("T")


class JournalError(ValueError):
    """A journal cannot be resumed; the message says why and what to do."""


@dataclass(frozen=True)
class _Header:
    identity: dict[str, Any]


class JournalFile(Generic[T]):
    """A file of lines; a subclass says of what kind they are.

    Attributes:
        path: of the file.
        identity: what is done with what, JSON values by name.
        format: version of the lines.
        form: of every line but the first.
        is_on_disk: lines outlive the machine, not only this process.
        remedy: what to do about a line that cannot be,
        anew: about a file of another version,
        alike: and about one of another run, as a sentence.
    """

    format: int
    form: type[T]
    is_on_disk = False
    remedy: str
    anew: str
    alike: str

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity = identity

    def mend(self) -> None:
        """Remove what a kill cut short at the end, so that lines can follow.

        Raises:
            JournalError: it is no file.
        """
        if self.path.exists():
            require_file(self.path, JournalError, "remove it")
            content = self.path.read_bytes()
            size = content.rfind(b"\n") + 1
            if not size:
                self.path.unlink()
            elif size < len(content):
                os.truncate(self.path, size)

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines, after the first one if there is no file yet.

        Raises:
            OSError: the disk is full, or similar; lines before are whole.
        """
        first = {"format": self.format, "identity": dict(self.identity)}
        every = lines if self.path.exists() else [first, *lines]
        text = "".join(sealed(json.dumps(line)) + "\n" for line in every)
        append(self.path, text, is_on_disk=self.is_on_disk)

    def lines(self) -> Iterator[tuple[str, T]]:
        """Every line but the first, with its place in words; none if there is no file.

        Raises:
            JournalError: the file is of another run or version, or is damaged.
        """
        if not self.path.exists():
            return
        require_file(self.path, JournalError, "remove it")
        with self.path.open("rb") as file:
            whole = (text for text in file if text.endswith(b"\n"))
            for number, text in enumerate(whole, start=1):
                place = f"{self.path}, line {number}"
                if number == 1:
                    header = _line(text, _Header, place, self.anew, {"format": self.format})
                    require_same(self.path, header.identity, self.identity, self.alike)
                else:
                    yield place, _line(text, self.form, place, self.remedy)


def require_same(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], remedy: str
) -> None:
    """Refuse a file of another run, naming what differs.

    Raises:
        JournalError: it is of one.
    """
    if differing := differences(found, wanted):
        raise JournalError(f"{path} cannot be resumed: {'; '.join(differing)}. {remedy}")


def _line(text: bytes, form: type[T], place: str, remedy: str, stamp: Stamp | None = None) -> T:
    return parse_record(text, form, place, JournalError, remedy, is_sealed=True, stamp=stamp)
