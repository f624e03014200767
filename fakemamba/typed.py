"""What to type where the user is: in a clone of this project, or where it is installed.

A clone is a folder whose pyproject.toml has this project's name.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = "fakemamba"
FOLDER = "bench/"  # of the sweep's files, as they are called in a clone


def sweep_command(words: Sequence[str] = (FOLDER,), folder: Path = Path()) -> str:
    """A line for a shell that runs a sweep; names in it are quoted where they need to be.

    Args:
        words: arguments as of `pytest` in a clone; files are below ``bench/``.
        folder: where it is to be typed.
    """
    if is_clone(folder):
        return shlex.join(["pytest", *words])
    named = words[1:] if words and words[0] == FOLDER else words
    return shlex.join([PROJECT, "bench", *named])


def install_command(extra: str, folder: Path = Path()) -> str:
    """A line for a shell that installs what an extra brings."""
    return (
        f"pip install -e '.[{extra}]'" if is_clone(folder) else f"pip install '{PROJECT}[{extra}]'"
    )


def is_clone(folder: Path) -> bool:
    """Whether a folder is the top of this project, by the name in its pyproject.toml."""
    return project_name(folder) == PROJECT


def project_name(folder: Path) -> str | None:
    """The name in a folder's pyproject.toml; None where there is none that can be read."""
    try:
        content: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())
    except (OSError, ValueError):
        return None
    project = content.get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else None
