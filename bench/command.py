"""A sweep without a clone, from any folder: what `pytest bench/` is in a clone.

The files that are measured with are those that are installed, and nothing of the folder in which
the command is typed has a say in it: no pytest.ini, pyproject.toml or conftest.py. That folder is
where files are written, and where modules are found that an option names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakemamba.typed import FOLDER

HERE = Path(__file__).resolve().parent
PROGRAM = "fakemamba bench"
SETTINGS = (
    *("-c", os.devnull, f"--rootdir={HERE.parent}", "--noconftest", "--import-mode=importlib"),
    *("-p", "no:cacheprovider", "-p", "fakemamba.bench.plugin"),
    "--assert=plain",  # else pytest rewrites all modules of a package that it has a plugin of
)


class Targets:
    """A plugin of pytest: `bench/...` is the installed folder, and what is run if none is named."""

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Errors and the help name the program that was typed."""
        parser.prog = PROGRAM

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Find what is named where it is."""
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args = [_installed(word) for word in config.args] if is_named else [str(HERE)]


def run(arguments: Sequence[str]) -> int:
    """Run a sweep as `pytest` does in a clone.

    Args:
        arguments: pytest's; files and tests of the sweep are named as in a clone.

    Returns:
        pytest's exit status.
    """
    _see(Path.cwd())
    return int(pytest.main([*SETTINGS, *arguments], plugins=[Targets()]))


def _see(folder: Path) -> None:
    """Find modules of a folder first, as `python -m pytest` does.

    Not of one that would hide what is running, as a clone does beside an installed package.
    """
    hides = (folder / "fakemamba").is_dir()
    sys.path.insert(len(sys.path) if hides else 0, str(folder))


def _installed(word: str) -> str:
    """A file, folder or test of the sweep, or another one as it is."""
    return str(HERE.parent / word) if f"{word}/".startswith(FOLDER) else word
