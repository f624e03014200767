"""``fakemamba corpus check``: what is there of a corpus, what is missing, and where to get it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from fakemamba.cli.printing import TextTable, say
from fakemamba.data.corpora import open_corpus
from fakemamba.data.corpora.check import CorpusCheck, Names, PhaseCheck
from fakemamba.files import write_json


def corpus_check(
    name: tyro.conf.Positional[str],
    /,
    root: Path,
    phase: str | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Check a corpus on disk against what its publisher gives out; 0 only if all of it is there.

    Nothing is downloaded, and no recording is opened.

    Args:
        name: One of asvspoof2019-la, asvspoof2021-la, asvspoof2021-df, asvspoof5, in-the-wild and
            open-speech.
        root: The folder that the publisher's archives were unpacked in.
        phase: Check this phase alone, such as eval.
        json_out: File to write the check to.
    """
    check = open_corpus(name, root).check(phase)
    _show(check)
    if json_out is not None:
        write_json(json_out, check.to_json())
    return 0 if check.complete else 1


def _show(check: CorpusCheck) -> None:
    counts = TextTable(
        *("phase", "bona fide", "spoof", "missing", "empty", "twice", "hours", "complete"),
        title=f"{check.title} below {check.root}",
    )
    phases = [phase for part in check.parts for phase in part.phases]
    for phase in phases:
        counts.add_row(*_row(phase))
    Console().print(counts)
    for phase in phases:
        if phase.expected is not None and phase.expected != (phase.bona_fide, phase.spoof):
            bona_fide, spoof = phase.expected
            say(f"{phase.phase}: the publisher has {bona_fide:,} bona fide and {spoof:,} spoof")
    for part in check.parts:
        if part.problem is not None:
            say(f"problem: {part.problem}")
        usual = f" (expected: {part.surplus_is})" if part.surplus_is else ""
        _list(f"recordings that no trial names{usual}", part.surplus)
    for phase in phases:
        _list(f"{phase.phase}: recordings that are not there", phase.missing)
        _list(f"{phase.phase}: recordings of no bytes", phase.empty)
        _list(f"{phase.phase}: recordings of several trials", phase.repeated)
    if check.complete:
        say("complete")
    else:
        say(f"not complete. Its layout:\n{check.layout}")
        say(f"Where it is to be had: {check.source}. Licence: {check.licence}")


def _row(phase: PhaseCheck) -> tuple[str, ...]:
    faults = (phase.missing, phase.empty, phase.repeated)
    counts = (phase.bona_fide, phase.spoof, *(names.count for names in faults))
    hours = "-" if phase.duration_s is None else f"{phase.duration_s / 3600:.2f}"
    verdict = "yes" if phase.complete else "no"
    return phase.phase, *(f"{count:,}" for count in counts), hours, verdict


def _list(what: str, names: Names) -> None:
    if names.count:
        say(f"{names.count:,} {what}:")
        for name in names.first:
            say(f"  {name}")
        if names.count > len(names.first):
            say("  ...")
