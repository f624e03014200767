"""``fakemamba trace``: which system made a spoofed recording, or none of those known."""

from __future__ import annotations

from collections.abc import Sequence

from fakemamba.subcommands import run_one_of

COMMANDS = {
    "evaluate": "how well systems are told apart, unseen ones refused, and by what else.",
    "fit": "embeddings of recordings of known systems to a tracer.",
    "predict": "the system of recordings by a tracer, with a probability.",
}


def trace(arguments: Sequence[str]) -> int | None:
    """Fit a tracer to spoofed recordings of known systems, judge it, or use it."""
    return run_one_of(COMMANDS, "fakemamba.cli.trace_{}", "fakemamba trace", arguments)
