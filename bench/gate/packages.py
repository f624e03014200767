"""The environment of an arm of somebody else's repository: its package, over one fakemamba.

What measures is the same in both arms, the fakemamba of the interpreter that is given, and so are
the dependencies that are there. On top of them is the revision's own package, with those of its
dependencies that are missing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from fakemamba.bench.gate.commands import GateError, ask, require
from fakemamba.bench.gate.environments import Arm, packages_of, pip_install, see

PROGRAM = ("-m", "fakemamba.cli.main", "bench")
PROJECT_FILES = ("pyproject.toml", "setup.py")
EDITABLE = "__editable__.fakemamba-*.pth"  # what finds a clone that is installed as such
TOOLS = "import fakemamba.bench.command, importlib.util as u; assert u.find_spec('torch'), 'torch'"


def make_package_arm(
    name: str, checkout: Path, python: Path, folder: Path, log: Path, install: bool
) -> Arm:
    """An arm whose interpreter has a checkout's package, and the packages of another interpreter.

    Args:
        name: the arm's.
        checkout: the revision's folder, which is where its sweeps run.
        python: an interpreter that has pip and fakemamba.
        folder: to make the environment in; what was there is removed.
        log: gets pip's output.
        install: dependencies that ``python`` has not; else it has all, and what builds the package.

    Raises:
        GateError: there is no package that can be installed, or no fakemamba.
    """
    if not any((checkout / one).is_file() for one in PROJECT_FILES):
        raise GateError(
            f"{name} has neither pyproject.toml nor setup.py at its top, so that there is no "
            "package to install: add a pyproject.toml with [build-system] and [project], or "
            "measure each revision by `fakemamba bench` and give the files to `fakemamba compare`"
        )
    if folder.exists():
        shutil.rmtree(folder)
    require([python, "-m", "venv", "--without-pip", folder], checkout, log, f"making {folder}")
    interpreter = folder / "bin" / "python"
    below = packages_of(python, checkout)
    clones = [path.read_text() for one in below for path in Path(one).glob(EDITABLE)]
    see(below, interpreter, checkout, clones)
    command = pip_install(python, interpreter)
    command += [] if install else ["--no-deps", "--no-build-isolation"]
    require([*command, checkout], checkout, log, f"installing the package of {name}")
    own = Path(packages_of(interpreter, checkout)[0])
    if not list(own.glob("*.dist-info")):
        raise GateError(f"pip installed nothing of {name} ({checkout}) into {folder}; see {log}")
    try:
        ask([interpreter, "-c", TOOLS], checkout)
    except GateError as error:
        raise GateError(
            f"{python} cannot measure ({str(error).splitlines()[-1]}): install what does there, "
            f"{python} -m pip install 'fakemamba[models]', or give another --python"
        ) from error
    return Arm(name, interpreter, checkout, PROGRAM)
