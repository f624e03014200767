"""``fakemamba new-detector``: the package that it writes works at once, or nothing is written."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from children import Children

from fakemamba import files
from fakemamba.cli import new_detector
from fakemamba.cli.main import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_detector"
NOT_WRITTEN = ("__pycache__", ".egg-info", "_cache")


def texts(folder):
    """The files of a package by their paths in it, without what Python puts beside them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(one in str(path) for one in NOT_WRITTEN)
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a package in a folder of its own; its exit status."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["new-detector", *arguments])


def test_the_example_is_what_is_written(write, tmp_path):
    assert write("own-detector", "--out", "here") == 0
    assert texts(tmp_path / "here") == texts(EXAMPLE)


@pytest.mark.parametrize("name", ["own-detector", "x_2"])
def test_what_is_written_passes_its_own_tests_at_once(name, write, tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    assert write(name) == 0
    folder, site = tmp_path / name, tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    install += ["--no-index", "--disable-pip-version-check", "--target", str(site), str(folder)]
    subprocess.run(install, check=True)
    child = Children(folder, tmp_path)
    child.run(["pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={site}"])
    assert "7 passed" in child.said


def test_a_name_is_in_every_place_and_nothing_is_left_to_be_filled_in(write, tmp_path):
    assert write("my_net-2") == 0
    folder = tmp_path / "my_net-2"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "my_net-2"
    assert project["entry-points"]["fakemamba.detectors"] == {
        "my_net-2": "my_net_2.detector:LogMelNet",
        "my_net-2-ssl": "my_net_2.detector:FrontendLinear",
    }
    assert {"src/my_net_2/detector.py", "recipes/my_net-2.toml"} <= set(texts(folder))
    for path, text in texts(folder).items():
        assert b"$name" not in text and b"$package" not in text, path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (name, "is no name for a package")
            for name in ("2nd", "Net", "a b", "a--b", "../a", "-")
        ),
        *((name, "is no name for a package") for name in ("a/b", "", "netz-ü", "a" * 41, "a\n")),
        *((name, "there is a detector") for name in ("fake-mamba-l", "fake_mamba_l", "declared")),
        ("a-declared", "there is a detector a-declared-ssl already"),
        *(
            (name, "is a word or a module of Python")
            for name in ("class", "json", "torch", "numpy")
        ),
    ],
)
def test_a_name_that_cannot_be_or_is_taken_is_refused(
    name, message, write, tmp_path, monkeypatch, capsys
):
    names = {"declared": None, "a-declared-ssl": None}
    monkeypatch.setattr(new_detector, "installed_names", lambda: names)
    assert write("--out", "out", "--", name) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_left_as_it_is(write, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    assert write("mine") == 1
    assert "mine is not empty; name another folder with --out" in capsys.readouterr().err
    assert texts(tmp_path) == {"mine/thesis.txt": b"years"}
    assert write("mine", "--out", "mine/thesis.txt") == 1
    assert "thesis.txt is a file; name another folder" in capsys.readouterr().err


def test_an_empty_folder_is_filled_also_behind_a_link(write, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    assert write("mine", "--out", "link") == 0
    assert (tmp_path / "mine" / "pyproject.toml").is_file() and (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "link"}


def test_the_folder_that_the_shell_is_in_is_not_replaced(write, tmp_path, capsys):
    assert write("mine", "--out", ".") == 1
    assert ". is the folder you are in; name another one" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_where_a_file_cannot_be_written_nothing_is_left(write, tmp_path, monkeypatch, capsys):
    written = []

    def fail(path, text):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device", str(path))
        files.write_whole(path, text)

    monkeypatch.setattr(new_detector, "write_whole", fail)
    assert write("mine") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_each_template_is_used_and_there(write):
    folder = Path(new_detector.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.template" for name in new_detector.FILES
    }
