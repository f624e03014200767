"""The ``fakemamba`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fakemamba.programs import end_of, end_of_process


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: its name and its arguments; None takes those of this process, which then ends
            here if it is interrupted.

    Returns:
        0 if all went well, 1 if something that was asked for is missing, 130 after Ctrl-C and 143
        after SIGTERM. ``compare`` and ``gate`` have statuses of their own, in docs/gate.md.
    """
    if arguments is None:
        return end_of_process("fakemamba", _run)
    return end_of("fakemamba", _run, arguments)


def _run(arguments: Sequence[str]) -> int | None:
    from fakemamba.cli.commands import run  # no earlier: a signal that comes now is taken care of

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
