"""What a wheel has in it: every package, and every file that one brings for its code."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = SETTINGS["package-dir"]


def folder_of(package):
    """A package's folder: its own, or below that of the package that it is in."""
    if package in FOLDERS:
        return ROOT / FOLDERS[package]
    above, _, name = package.rpartition(".")
    return folder_of(above) / name


def test_every_folder_of_modules_is_a_package_of_the_wheel():
    there = {path.parent for one in FOLDERS.values() for path in (ROOT / one).rglob("__init__.py")}
    assert {folder_of(package) for package in SETTINGS["packages"]} >= there


def test_every_kind_of_file_that_is_named_is_there():
    for package, patterns in SETTINGS["package-data"].items():
        for pattern in patterns:
            assert list(folder_of(package).glob(pattern)), f"{package} has no {pattern}"


def test_files_beside_the_code_are_in_the_wheel():
    """All but texts for people, scripts of the clone, and the reference results."""
    named = {
        path
        for package, patterns in SETTINGS["package-data"].items()
        for pattern in patterns
        for path in folder_of(package).glob(pattern)
    }
    beside = {
        path
        for package in SETTINGS["packages"]
        if package != "fakemamba.results"
        for path in folder_of(package).rglob("*")
        if path.is_file()
        and path.parent.name != "__pycache__"
        and path.suffix not in (".py", ".md", ".sh")
    }
    assert beside - named <= {ROOT / "bench" / "accepted.toml"}
