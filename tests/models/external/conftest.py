"""Code of others, as a user has it: modules in a folder of their own, named on a command line."""

import importlib
import sys
from itertools import count
from textwrap import dedent

import pytest

NUMBERS = count()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None) or ""
        if origin.startswith(str(tmp_path)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def code(folder):
    """Writes a module that imports torch, into the current folder, and gives its name."""

    def write(text, name=None):
        name = name or f"theirs_{next(NUMBERS)}"
        imports = "import torch\nfrom torch import nn\n"
        (folder / f"{name}.py").write_text(imports + dedent(text))
        return name

    return write


@pytest.fixture
def install(folder):
    """Makes a package that declares detectors, as pip leaves it behind."""

    def put(package, **names):
        information = folder / f"{package.replace('-', '_')}-1.2.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Name: {package}\nVersion: 1.2\n")
        lines = [f"{name} = {target}" for name, target in names.items()]
        text = "\n".join(["[fakemamba.detectors]", *lines, ""])
        (information / "entry_points.txt").write_text(text)
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        importlib.invalidate_caches()

    return put
