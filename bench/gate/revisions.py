"""Revisions of a git repository, each checked out in a folder of its own.

A gate never measures the folder that somebody is editing: what is there is written to git's object
store as a commit on no branch, and checked out like any other revision. So both arms are made in
one way, editing may go on, and the commit's id says what exactly was measured.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakemamba.bench.gate.commands import GateError, ask

WORKING_TREE = "working tree"


def repository_root(folder: Path) -> Path:
    """The top folder of the repository that a folder is in.

    Raises:
        GateError: it is in none.
    """
    if not folder.is_dir():
        raise GateError(f"{folder}: no such folder")
    return Path(ask(["git", "rev-parse", "--show-toplevel"], folder))


def cache_folder(repository: Path) -> Path:
    """Where a repository's gates keep environments and worktrees: inside ``.git``.

    There git does not see it as untracked, and `git clean` leaves it alone.
    """
    common = ask(["git", "rev-parse", "--git-common-dir"], repository)
    return (repository / common).resolve() / "fakemamba-gate"


def resolve(repository: Path, revision: str) -> str:
    """The id of the commit that a revision names.

    Raises:
        GateError: there is no such commit.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options"]
    try:
        return ask([*command, f"{revision}^{{commit}}"], repository)
    except GateError as error:
        raise GateError(
            f"{revision!r} is no revision of {repository}; fetch it first (a shallow clone has "
            "few: `git fetch --unshallow`)"
        ) from error


def snapshot(repository: Path) -> str:
    """A commit of the working tree as it is: changes and new files, without what git ignores.

    Nothing in the repository changes but its object store. The same content gives the same commit,
    so that an interrupted gate finds its launches again; an unchanged tree is the commit ``HEAD``.

    Raises:
        GateError: git cannot read a file, or there is no commit yet.
    """
    parent = resolve(repository, "HEAD")
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        current = repository / ask(["git", "rev-parse", "--git-path", "index"], repository)
        if current.exists():  # with its file times, so that git need not read what is unchanged
            shutil.copy2(current, index)
        ask(["git", "add", "--all"], repository, GIT_INDEX_FILE=str(index))
        tree = ask(["git", "write-tree"], repository, GIT_INDEX_FILE=str(index))
    if tree == ask(["git", "rev-parse", f"{parent}^{{tree}}"], repository):
        return parent
    date = ask(["git", "show", "--no-patch", "--format=%cI", parent], repository)
    author = {"NAME": "fakemamba gate", "EMAIL": "gate@localhost", "DATE": date}
    roles = ("GIT_AUTHOR", "GIT_COMMITTER")
    signed = {f"{role}_{name}": value for role in roles for name, value in author.items()}
    return ask(["git", "commit-tree", tree, "-p", parent, "-m", WORKING_TREE], repository, **signed)


@contextmanager
def worktree(repository: Path, commit: str, folder: Path, keep: bool = False) -> Iterator[Path]:
    """A checkout of a commit in a folder, which is removed at the end unless it is to be kept.

    What a killed gate left in the folder is removed first.

    Raises:
        GateError: git cannot make it, as when the disk is full.
    """
    _remove(repository, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The repository's hooks are for people who work in it.
    add = ["git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force"]
    try:
        ask([*add, folder, commit], repository)
        yield folder
    finally:
        if not keep:
            _remove(repository, folder)


def _remove(repository: Path, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    ask(["git", "worktree", "prune"], repository)
