"""``python -m fakemamba.bench``: the programs of this room that are no sub-commands; docs/gpu.md.

They are for those who look after this project, and are called by ``bench/gpu.sh``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from fakemamba.programs import end_of, end_of_process

NAME = "fakemamba.bench"


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
    # No earlier: a signal that comes while these are imported is taken care of.
    import tyro

    from fakemamba.bench.gpu_study import gpu_study
    from fakemamba.bench.offline_scoring import offline_scoring
    from fakemamba.bench.slower_revision import slower_revision

    programs: dict[str, Callable[..., int | None]] = {
        "gpu-study": gpu_study,
        "offline-scoring": offline_scoring,
        "slower-revision": slower_revision,
    }
    return tyro.extras.subcommand_cli_from_dict(programs, prog=f"python -m {NAME}", args=arguments)


if __name__ == "__main__":
    sys.exit(main())
