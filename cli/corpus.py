"""``fakemamba corpus``: what is done with a corpus as a whole, a sub-command each."""

from __future__ import annotations

from collections.abc import Sequence

from fakemamba.subcommands import run_one_of

COMMANDS = {
    "audit": "whether length, level or silence give a corpus' classes away.",
    "build": "a corpus that anybody may have, made of free packages.",
    "check": "what is there of a corpus, what is missing, and where to get it.",
}


def corpus(arguments: Sequence[str]) -> int | None:
    """Check a corpus, build the open one, or audit one for what gives its classes away."""
    return run_one_of(COMMANDS, "fakemamba.cli.corpus_{}", "fakemamba corpus", arguments)
