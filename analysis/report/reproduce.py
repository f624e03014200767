"""The command that measures a file's numbers again, from the options that the file records."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from fakemamba.analysis.results import Launch

FLAGS = {
    "profile": "--bench-profile",
    "device": "--bench-device",
    "detectors": "--bench-detectors",
    "durations_s": "--bench-durations",
    "corpus": "--bench-corpus",
    "lengths": "--bench-lengths",
    "frontend": "--bench-frontend",
    "parts": "--bench-parts",
    "precisions": "--bench-precision",
    "batch_sizes": "--bench-batch-sizes",
    "attentions": "--bench-attention",
    "attention": "--bench-attention",  # schema 1 had one of it, and one backend
    "backends": "--bench-backend",
    "backend": "--bench-backend",
    "executions": "--bench-execution",
    "clock": "--bench-clock",
    "time_s": "--bench-time",
    "min_rounds": "--bench-min-rounds",
    "instruments": "--bench-instruments",
    "flush_cache": "--bench-flush-cache",
    "isolate": "--bench-isolate",
    "order": "--bench-order",
    "seed": "--bench-seed",
}
SWEEPS = {"scan": "bench/bench_scan.py"}  # of parts that no detector has
DETECTORS = "bench/"
NODES = {DETECTORS: "bench/bench_detectors.py::bench_detector[{}]"}
NODES |= {"bench/bench_scan.py": "bench/bench_scan.py::bench_scan[{}]"}


@dataclass(frozen=True)
class Replay:
    """How to measure a file again.

    Attributes:
        source: the file.
        created: when it was written.
        commit: of the code, None where it was not recorded; ``is_dirty`` if there were changes.
        commands: one a sweep that the file has cells of.
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
    """The commands of one file."""
    git = _block(launch.environment, "git")
    options = _flat(launch.options)
    parts = [] if launch.cells.empty else list(dict.fromkeys(launch.cells["part"]))
    sweeps = list(dict.fromkeys(SWEEPS.get(part, DETECTORS) for part in parts)) or [DETECTORS]
    one_cell = None
    if parts:
        first = launch.cells.iloc[0]
        node = NODES[SWEEPS.get(first["part"], DETECTORS)].format(first["cell_id"])
        one_cell = command(node, options, "cell.json")
    return Replay(
        source=launch.path.name,
        created=launch.created,
        commit=git.get("commit"),
        is_dirty=bool(git.get("dirty")),
        commands=tuple(command(sweep, options, launch.path.name) for sweep in sweeps),
        one_cell=one_cell,
        notes=tuple(_notes(launch, git)),
    )


def command(target: str, options: dict[str, Any], out: str) -> str:
    """A line for a shell; names in it are quoted where they need to be."""
    words = ["pytest", target]
    for name, flag in FLAGS.items():
        value = options.get(name)
        if value is True:
            words.append(flag)
        elif isinstance(value, list):
            words += [flag, ",".join(map(_word, value))]
        elif value is not None and value is not False:
            words += [flag, _word(value)]
    return shlex.join([*words, f"--benchmark-json={out}"])


def _notes(launch: Launch, git: dict[str, Any]) -> list[str]:
    notes = []
    if git.get("dirty"):
        notes.append("The code had changes that were not committed, and that are not recorded.")
    if launch.options.get("corpus"):
        notes.append("Add --bench-corpus-root: where the recordings lie is not recorded.")
    if not launch.options:
        notes.append("The file does not record its options.")
    notes.append(
        "A choice of cells by -k is not recorded: the command may measure more than these "
        f"{len(launch.cells)} cells."
    )
    return notes


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    """Options with those of the method and of its effort beside them."""
    method = _block(options, "method") or options
    return {**_block(method, "effort"), **method, **options}


def _block(content: dict[str, Any], name: str) -> dict[str, Any]:
    block = content.get(name)
    return block if isinstance(block, dict) else {}


def _word(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
