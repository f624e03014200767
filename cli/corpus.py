"""``fakemamba corpus``: what is done with a corpus as a whole, a sub-command each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Annotated, Any

import tyro

from fakemamba.cli.corpus_audit import corpus_audit
from fakemamba.cli.corpus_build import corpus_build
from fakemamba.cli.corpus_check import corpus_check

Command = Callable[[], int | None]


def _bound(command: Callable[..., int | None]) -> Callable[..., Command]:
    """The command with its arguments, not yet run: its errors are not those of parsing."""

    @wraps(command)
    def bind(*arguments: Any, **options: Any) -> Command:
        return partial(command, *arguments, **options)

    return bind


def corpus(
    command: tyro.conf.OmitArgPrefixes[
        tyro.conf.OmitSubcommandPrefixes[
            Annotated[Command, tyro.conf.subcommand("audit", constructor=_bound(corpus_audit))]
            | Annotated[Command, tyro.conf.subcommand("build", constructor=_bound(corpus_build))]
            | Annotated[Command, tyro.conf.subcommand("check", constructor=_bound(corpus_check))]
        ]
    ],
) -> int | None:
    """Check a corpus, build the open one, or audit one for what gives its classes away."""
    return command()
