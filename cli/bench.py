"""``fakemamba bench``: a sweep of detectors from any folder, as `pytest bench/` in a clone."""

from __future__ import annotations

from collections.abc import Sequence


def bench(arguments: Sequence[str]) -> int:
    """Run a sweep.

    Args:
        arguments: pytest's, and those of a sweep; `--help` has all of them.

    Returns:
        pytest's exit status.
    """
    from fakemamba.bench.command import run

    return run(arguments)
