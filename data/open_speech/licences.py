"""Under which licences the recordings of the open corpus are: LICENCES.md and its sources."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakemamba.data.open_speech.attacks import ATTACKS
from fakemamba.data.open_speech.prompts import DOCUMENTS, READERS

HEAD = """# Licences of the recordings

`licence` of `manifest.csv` is each recording's own. A synthetic recording says the text of a human
one, so it has that one's licence, and its voice's beside it (AND) where the voice's recordings or
model go into it. espeak-ng (GPL-3.0-or-later) is a program whose licence does not reach what it
says.

All recordings were changed: cut, limited in band and crest, set to a level, given silence and
noise, and coded with G.722. Those whose `label` is spoof were made by a machine: the people named
here did not say them, and do not endorse them.

| recordings | licence | people | package |
|---|---|---|---|
"""
TAIL = """
What the licences' names stand for is in `licences/`, word for word as the system packages have it.
Whoever hands these recordings on hands on this file and that folder with them, and under the same
licence where it is CC BY-SA 3.0.
"""


def licences_page(rows: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
    """LICENCES.md for the rows of a manifest, with the packages' versions."""
    licences = {reader.package: reader.licence for reader in READERS.values()}
    people = {reader.package: reader.author for reader in READERS.values()}
    for attack in ATTACKS.values():
        for voice in itertools.chain.from_iterable((attack.voices or {}).values()):
            licences[voice.package] = voice.licence or "its program's does not apply"
    counts = Counter(row["source"] for row in rows)
    lines = []
    for package, count in sorted(counts.items()):
        voices = sorted({row["speaker"] for row in rows if row["source"] == package})
        names = people.get(package, ", ".join(voices))
        lines.append(
            f"| {count:,} | {licences[package]} | {names} | {package} {versions[package]} |"
        )
    return HEAD + "\n".join(lines) + "\n" + TAIL


def copyright_texts(packages: Iterable[str]) -> dict[str, bytes]:
    """The copyright file of each system package that has one."""
    texts = {}
    for package in packages:
        path = DOCUMENTS / package / "copyright"
        if path.is_file():
            texts[package] = path.read_bytes()
    return texts
