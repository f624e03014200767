"""The commands that measure a file's numbers again: the words that the file records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Any

from fakemamba.analysis.results import Launch
from fakemamba.typed import sweep_command

DETECTOR_NODE = "bench/bench_detectors.py::bench_detector[{}]"
NODES = {"scan": "bench/bench_scan.py::bench_scan[{}]"}  # of parts that no detector has
CHOICES = ("-k", "-m", "--deselect")  # of cells, each with a value


@dataclass(frozen=True)
class Replay:
    """How to measure a file again.

    Attributes:
        source: the file.
        created: when it was written.
        commit: of the code, None where it was not recorded; ``is_dirty`` if there were changes.
        commands: one a run that the file has cells of; the later ones go on with the file.
        one_cell: the same for one cell alone, as an example.
        notes: what the file does not record.
    """

    source: str
    created: str | None
    commit: str | None
    is_dirty: bool
    commands: tuple[str, ...]
    one_cell: str | None
    notes: tuple[str, ...]


def replay(launch: Launch) -> Replay:
    """The commands of one file; none where it is older than their record."""
    git = _block(launch.environment, "git")
    runs: list[list[str]] = launch.options.get("commands", [])
    writing = [f"--benchmark-json={launch.path.name}", f"--bench-resume={launch.path.name}"]
    one_cell = None
    if runs and not launch.cells.empty:
        first = launch.cells.iloc[0]
        node = NODES.get(first["part"], DETECTOR_NODE).format(first["cell_id"])
        one_cell = _command([node, *_how(runs[-1])], "--benchmark-json=cell.json")
    return Replay(
        source=launch.path.name,
        created=launch.created,
        commit=git.get("commit"),
        is_dirty=bool(git.get("dirty")),
        commands=tuple(_command(words, writing[min(place, 1)]) for place, words in enumerate(runs)),
        one_cell=one_cell,
        notes=tuple(_notes(runs, git)),
    )


def _command(words: Sequence[str], out: str) -> str:
    return sweep_command([*words, out])


def _how(words: Sequence[str]) -> list[str]:
    """The words without those that say which files and cells."""
    options = dropwhile(lambda word: not word.startswith("-"), words)
    return list(takewhile(lambda word: word not in CHOICES, options))  # they come last


def _notes(runs: Sequence[Sequence[str]], git: dict[str, Any]) -> list[str]:
    notes = []
    if git.get("dirty"):
        notes.append("The code had changes that were not committed, and that are not recorded.")
    if not runs:
        notes.append("The file does not record the arguments of its command.")
    if any("--bench-corpus" in words for words in runs):
        notes.append(
            "The corpus is called by its name: where it lies is not recorded, nor is "
            "--bench-corpus-root."
        )
    return notes


def _block(content: dict[str, Any], name: str) -> dict[str, Any]:
    block = content.get(name)
    return block if isinstance(block, dict) else {}
