"""The Python environment of each arm: shared dependencies below, the arm's own revision on top.

Dependencies take minutes and gigabytes, so they are installed once for all revisions that ask for
the same ones, or are those of an interpreter that has them. An arm's own environment is a thin one,
made in seconds: it sees the packages of the interpreter below, and holds the revision's checkout as
its only package.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fakemamba.bench.gate.commands import GateError, ask, require
from fakemamba.records import parse_record

COMPLETE = "complete"  # a file that is written last: without it an environment is made anew
MEASURING = "models"  # the extra of what is measured; revisions from before it depend on all
PACKAGES = """
import json, pathlib, sys
folders = [pathlib.Path(one) for one in sys.path]
print(json.dumps([str(one) for one in folders if one.name in ("site-packages", "dist-packages")]))
"""
# Its namespace alone: importing more would load torch.
ORIGIN = "import fakemamba.bench; print(fakemamba.bench.__path__[0])"


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: a name, its interpreter, and the checkout that it measures.

    ``program`` is what the interpreter runs a sweep by.
    """

    name: str
    python: Path
    folder: Path
    program: tuple[str, ...] = ("-m", "pytest")


def dependencies(checkout: Path, python: Path, cache: Path, log: Path) -> Path:
    """An interpreter with what a checkout depends on, made at the first time that it is asked for.

    Args:
        checkout: its pyproject.toml names the dependencies, constraints.txt their versions.
        python: the interpreter to make it from, with pip.
        cache: a folder, of environments by what is in them.
        log: gets pip's output.

    Raises:
        GateError: there is no pyproject.toml that can be read, or pip failed.
    """
    requirements, constraints = requirements_of(checkout)
    pinned = constraints.read_text() if constraints is not None else ""
    version = ask([python, "-c", "import sys; print(sys.version, sys.base_prefix)"], checkout)
    content = json.dumps([version, requirements, pinned])
    folder = cache / hashlib.sha256(content.encode()).hexdigest()[:16]
    interpreter = folder / "bin" / "python"
    if (folder / COMPLETE).exists():
        return interpreter
    if folder.exists():
        shutil.rmtree(folder)
    require([python, "-m", "venv", "--without-pip", folder], checkout, log, f"making {folder}")
    command = [*pip_install(python, interpreter), *requirements]
    if constraints is not None:
        command += ["--constraint", constraints]
    require(command, checkout, log, f"installing what {checkout.name} depends on")
    (folder / COMPLETE).write_text(content + "\n")
    return interpreter


def requirements_of(checkout: Path) -> tuple[list[str], Path | None]:
    """What a checkout has to have to be built and measured, and its file of constraints, if any.

    Raises:
        GateError: there is no pyproject.toml, or it is not valid.
    """
    project = checkout / "pyproject.toml"
    try:
        content = tomllib.loads(project.read_text())
        asked = content["project"]
        wanted = [*asked["dependencies"], *content["build-system"]["requires"]]
        wanted += asked.get("optional-dependencies", {}).get(MEASURING, [])
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise GateError(
            f"{project} does not say what this revision depends on ({error!r}): a gate can compare "
            "revisions that have one with [build-system] and [project] dependencies"
        ) from error
    constraints = checkout / "constraints.txt"
    return sorted(wanted), constraints if constraints.exists() else None


def make_arm(name: str, checkout: Path, python: Path, below: Path, folder: Path, log: Path) -> Arm:
    """An arm whose interpreter runs a checkout, with the packages of the interpreter below.

    Args:
        name: the arm's.
        checkout: the revision's folder.
        python: an interpreter that has pip.
        below: an interpreter that has setuptools and the revision's dependencies.
        folder: to make the environment in; what was there is removed.
        log: gets pip's output.

    Raises:
        GateError: it cannot be made, or would run another checkout than this one.
    """
    if folder.exists():
        shutil.rmtree(folder)
    require([below, "-m", "venv", "--without-pip", folder], checkout, log, f"making {folder}")
    interpreter = folder / "bin" / "python"
    see(packages_of(below, checkout), interpreter, checkout)
    install = [*pip_install(python, interpreter), "--no-deps", "--no-build-isolation"]
    install += ["--editable", checkout]
    require(install, checkout, log, f"installing {name} ({checkout}) with {below}")
    found = Path(ask([interpreter, "-c", ORIGIN], checkout))
    if found.resolve() != (checkout / "bench").resolve():
        raise GateError(f"{name} would run {found} instead of its own checkout {checkout}")
    return Arm(name, interpreter, checkout)


def pip_install(python: Path, interpreter: Path) -> list[str | Path]:
    """The command by which the pip of one interpreter installs for another: making one is slow."""
    return [python, "-m", "pip", "--python", interpreter, "install", "--quiet"]


def packages_of(interpreter: Path, folder: Path) -> list[str]:
    """The folders that an interpreter has packages in."""
    said = ask([interpreter, "-c", PACKAGES], folder)
    place, remedy = f"what {interpreter} says of its packages", "give another interpreter"
    found = parse_record(said, list[str], place, GateError, remedy)
    if not found:
        raise GateError(f"{place}: there is no folder; {remedy}")
    return found


def see(
    packages: Sequence[str], interpreter: Path, folder: Path, others: Sequence[str] = ()
) -> None:
    """Let an environment see folders of packages, after its own.

    A line of a .pth file adds a folder, but none of the .pth files in it: an editable installation
    of another checkout, as developers have, stays unseen; but for those lines that are ``others``.
    """
    own = Path(packages_of(interpreter, folder)[0])
    (own / "below.pth").write_text("".join(f"{line}\n" for line in (*packages, *others)))
