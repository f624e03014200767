"""``python -m fakemamba.bench``: the programs of this room that are no sub-commands; docs/gpu.md.

They are for those who look after this project, and are called by ``bench/gpu.sh``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fakemamba.programs import end_of, end_of_process

NAME = "fakemamba.bench"
PROGRAMS = {
    "gpu-study": "the reference results of a GPU, step by step.",
    "offline-scoring": "how many recordings a second `fakemamba score` turns into scores.",
    "slower-revision": "a repository of two revisions, one of which is slower by a known share.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them.

    Args:
        arguments: its name and its arguments; None takes those of this process, which then ends
            here if it is interrupted.

    Returns:
        0 if all went well, 1 if not, 130 after Ctrl-C and 143 after SIGTERM.
    """
    return end_of_process(NAME, _run) if arguments is None else end_of(NAME, _run, arguments)


def _run(arguments: Sequence[str]) -> int | None:
    # No earlier: a signal that comes while this is imported is taken care of.
    from fakemamba.subcommands import run_one_of

    return run_one_of(PROGRAMS, "fakemamba.bench.programs.{}", f"python -m {NAME}", arguments)


if __name__ == "__main__":
    sys.exit(main())
