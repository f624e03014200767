"""``fakemamba corpus build``: a corpus that anybody may have, made of free packages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console

from fakemamba.cli.printing import TextTable, counting, say
from fakemamba.data.open_speech.build import build


def corpus_build(
    corpus: tyro.conf.Positional[Literal["open-speech"]],
    /,
    out: Path,
    size: Literal["small", "full"] = "small",
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Build a corpus of human and synthetic speech from what packages bring; nothing is downloaded.

    The same seed and package versions give the same bytes. A build that was interrupted goes on if
    it is called again.

    Args:
        corpus: open-speech: prompts read by four people in five languages, and eleven attacks.
        out: Folder to build it in; its manifest.csv appears when all is there.
        size: small is for tests; full has all recordings, and takes a quarter of an hour or more.
        seed: Of the splits, and of all that is drawn.
        workers: Processes; one a CPU if not given.
    """

    def progress(quartets: Iterable[Any], total: int) -> Iterable[Any]:
        return counting("making quartets", total=total)(quartets)

    built = build(out, seed=seed, size=size, workers=workers, progress=progress)
    table = TextTable("phase", "attack", "recordings", "hours")
    for phase, attacks in built.counts.items():
        for attack, count in attacks.items():
            table.add_row(phase, attack, f"{count['recordings']:,}", f"{count['hours']:.2f}")
    Console().print(table)
    for reason, times in built.left_out.items():
        say(f"left out: {times} ({reason})")
    say(f"{out / 'manifest.csv'}: {built.recordings:,} recordings, {built.hours:.2f} h")
