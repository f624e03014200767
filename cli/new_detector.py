"""``fakemamba new-detector``: a package of your own with a detector that works, to be changed."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated

import tyro

from fakemamba.cli.printing import say
from fakemamba.files import appearing_folder, kind_of, write_whole
from fakemamba.models.external.names import installed_names
from fakemamba.models.registry import list_detectors
from fakemamba.names import one_line

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST_NAME = 40  # so that lines of code stay short
# Where each template goes; in both, $name is the detector's name and $package that of its module.
FILES = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "init.py": "src/$package/__init__.py",
    "detector.py": "src/$package/detector.py",
    "recipe.toml": "recipes/$name.toml",
    "test_detector.py": "tests/test_detector.py",
    "workflow.yml": ".github/workflows/gate.yml",
}


def new_detector(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    /,
    *,
    out: Path | None = None,
) -> None:
    """Write a small package with a detector of your own, to be changed.

    It has a convolutional net on log-mel, a linear layer for any front-end, the names by which
    fakemamba finds both, a recipe, tests, and a workflow.

    Args:
        name: Of the package and its detector: small letters and digits, with - or _ between them.
        out: Folder to write, which must be new or empty; by default it has the package's name.

    Raises:
        ValueError: the name is none for a package, or is taken; or there is something in the way.
        OSError: the folder cannot be written; nothing of it is left then.
    """
    package = _package_of(name)
    folder = out or Path(name)
    kind = kind_of(folder)
    if kind not in (None, "a folder"):
        raise ValueError(f"{folder} is {kind}; name another folder with --out")
    if kind == "a folder" and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name another folder with --out")
    if folder.resolve() == Path.cwd():
        raise ValueError(f"{folder} is the folder you are in; name another one with --out")
    with appearing_folder(folder.resolve()) as partial:
        for path, text in written(name, package).items():
            write_whole(partial / path, text)
    say(
        f"{folder}: the detectors {name} and {name}-ssl, in src/{package}/detector.py\n"
        f"next: {folder / 'README.md'} says how to install, measure, train and gate them"
    )


def written(name: str, package: str) -> dict[str, str]:
    """The files of a package, texts by their paths in it."""
    templates = resources.files("fakemamba.cli") / "templates"
    words = {"name": name, "package": package}
    return {
        Template(path).substitute(words): Template(
            (templates / f"{template}.template").read_text("utf-8")
        ).substitute(words)
        for template, path in FILES.items()
    }


def _package_of(name: str) -> str:
    """The name of the package to import.

    Raises:
        ValueError: see `new_detector`.
    """
    package = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValueError(
            f"{one_line(name, LONGEST_NAME)!r} is no name for a package: take small letters and "
            f"digits, with - or _ between them and a letter first, {LONGEST_NAME} at the most"
        )
    names = {one.replace("_", "-").lower() for one in (*list_detectors(), *installed_names())}
    for one in (name, f"{name}-ssl"):
        if one.replace("_", "-") in names:
            raise ValueError(f"there is a detector {one} already; take another name")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or _is_module(package):
        raise ValueError(f"{package} is a word or a module of Python; take another name")
    return package


def _is_module(name: str) -> bool:
    """Whether it can be imported; a mere folder, as may be in the way to it, does not count."""
    found = find_spec(name)
    return found is not None and found.origin is not None
