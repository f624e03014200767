"""From two revisions to two arms that are ready to be launched, and back to a tidy repository."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fakemamba.bench.gate.environments import Arm, dependencies, make_arm
from fakemamba.bench.gate.packages import make_package_arm
from fakemamba.bench.gate.revisions import worktree
from fakemamba.locks import waiting_lock
from fakemamba.typed import is_clone


@dataclass(frozen=True)
class Workshop:
    """Where arms are made, and from what.

    Attributes:
        repository: that the revisions are of.
        folder: for worktrees and environments; gates that share it run one after the other.
        log: gets the output of what is run.
        python: the interpreter to make environments from.
        install: dependencies, for each revision those that it names; else ``python`` has them. In
            another project's repository ``python`` has fakemamba, and what is missing is installed.
        keep: worktrees and arms, for a look at them afterwards.
    """

    repository: Path
    folder: Path
    log: Path
    python: Path = Path(sys.executable)
    install: bool = True
    keep: bool = False


@contextmanager
def two_arms(
    workshop: Workshop, base: str, head: str, tell: Callable[[str], None]
) -> Iterator[tuple[Arm, Arm]]:
    """The arms of two commits, base and head, each in a worktree and an environment of its own.

    Raises:
        GateError: git or pip failed.
    """
    trees, repository = workshop.folder / "worktrees", workshop.repository
    with (
        waiting_lock(workshop.folder / "lock", "another gate", tell),
        worktree(repository, base, trees / "base", workshop.keep) as base_tree,
        worktree(repository, head, trees / "head", workshop.keep) as head_tree,
    ):
        yield _arm(workshop, "base", base_tree, tell), _arm(workshop, "head", head_tree, tell)


def _arm(workshop: Workshop, name: str, checkout: Path, tell: Callable[[str], None]) -> Arm:
    python = below = workshop.python
    place = workshop.folder / "arms" / name
    if not is_clone(workshop.repository):
        tell(f"environment of {name}")
        return make_package_arm(name, checkout, python, place, workshop.log, workshop.install)
    if workshop.install:
        tell(f"environment of {name}")
        below = dependencies(checkout, python, workshop.folder / "environments", workshop.log)
    return make_arm(name, checkout, python, below, place, workshop.log)
