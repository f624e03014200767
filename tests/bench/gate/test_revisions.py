"""Revisions checked out beside each other, and the environments that they run in."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import pytest

from fakemamba.bench.gate.commands import GateError, clean_environment, require, run_logged
from fakemamba.bench.gate.environments import dependencies, make_arm, requirements_of
from fakemamba.bench.gate.revisions import (
    cache_folder,
    repository_root,
    resolve,
    snapshot,
    worktree,
)

PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "fakemamba"
version = "0"
dependencies = []
[tool.setuptools]
packages = ["fakemamba", "fakemamba.bench"]
package-dir = { fakemamba = "fakemamba", "fakemamba.bench" = "bench" }
"""


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    finished = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()


def commit(repository, message):
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", message)
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    """Two revisions of a package whose bench/speed.py says which one it is."""
    folder = tmp_path / "repository"
    for package in ("fakemamba", "bench"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text('"""Empty."""\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / ".gitignore").write_text("*.egg-info/\nignored.py\n")
    git(folder, "init", "--quiet")
    for name in ("old", "new"):
        (folder / "bench" / "speed.py").write_text(f"NAME = {name!r}\n")
        commit(folder, name)
        git(folder, "tag", name)
    return folder


def state(repository):
    """All that a gate must leave as it was."""
    return [git(repository, *what.split()) for what in ("status -s", "branch -a", "worktree list")]


def test_a_worktree_holds_its_revision_whatever_the_working_tree_holds(repository, tmp_path):
    (repository / "bench" / "speed.py").write_text("NAME = 'half done'\n")
    before = state(repository)
    old, new = (resolve(repository, name) for name in ("old", "new"))
    with (
        worktree(repository, old, tmp_path / "w" / "old") as first,
        worktree(repository, new, tmp_path / "w" / "new") as second,
    ):
        assert (first / "bench" / "speed.py").read_text() == "NAME = 'old'\n"
        assert (second / "bench" / "speed.py").read_text() == "NAME = 'new'\n"
        assert (repository / "bench" / "speed.py").read_text() == "NAME = 'half done'\n"
    assert state(repository) == before and not list((tmp_path / "w").iterdir())


def test_a_worktree_is_removed_after_an_error_and_replaces_what_a_killed_gate_left(
    repository, tmp_path
):
    folder, before = tmp_path / "tree", state(repository)
    with pytest.raises(KeyboardInterrupt), worktree(repository, "old", folder):
        raise KeyboardInterrupt
    assert not folder.exists() and state(repository) == before

    with worktree(repository, "old", folder, keep=True):
        (folder / "left.txt").write_text("by a gate that was killed")
    assert folder.exists()
    with worktree(repository, "new", folder):
        assert (folder / "bench" / "speed.py").read_text() == "NAME = 'new'\n"
        assert not (folder / "left.txt").exists()
    assert not folder.exists() and state(repository) == before


def test_the_working_tree_is_measured_as_it_is_with_new_files_but_not_ignored_ones(
    repository, tmp_path
):
    assert snapshot(repository) == resolve(repository, "new")
    (repository / "bench" / "speed.py").write_text("NAME = 'half done'\n")
    (repository / "bench" / "fresh.py").write_text("")
    (repository / "bench" / "__init__.py").unlink()
    (repository / "ignored.py").write_text("")
    before = state(repository)
    taken = snapshot(repository)
    assert state(repository) == before, "neither the index nor a branch may change"
    assert snapshot(repository) == taken, "the same content has to be found again"
    assert git(repository, "rev-parse", f"{taken}^") == resolve(repository, "new")
    with worktree(repository, taken, tmp_path / "tree") as tree:
        assert (tree / "bench" / "speed.py").read_text() == "NAME = 'half done'\n"
        assert (tree / "bench" / "fresh.py").exists()
        assert not (tree / "bench" / "__init__.py").exists()
        assert not (tree / "ignored.py").exists()
    (repository / "bench" / "fresh.py").write_text("# changed\n")
    assert snapshot(repository) != taken


@pytest.mark.parametrize("revision", ["absent", "new:bench/speed.py", "--all", ""])
def test_what_is_no_revision_is_refused(repository, revision):
    with pytest.raises(GateError, match="is no revision of"):
        resolve(repository, revision)


def test_a_hook_of_the_repository_is_not_run(repository, tmp_path):
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    with worktree(repository, "old", tmp_path / "tree"):
        assert not (tmp_path / "ran").exists()


def test_the_cache_of_environments_lies_where_git_does_not_look(repository):
    folder = cache_folder(repository_root(repository / "bench"))
    assert folder == repository / ".git" / "fakemamba-gate"
    folder.mkdir()
    (folder / "x").write_text("")
    assert git(repository, "status", "-s") == ""
    with pytest.raises(GateError, match="no such folder"):
        repository_root(repository / "absent")


def test_an_arm_imports_its_own_checkout_and_the_packages_of_the_interpreter_below(
    repository, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(repository))  # a shell's variable must not bend an arm
    names = {}
    for name in ("old", "new"):
        with worktree(repository, name, tmp_path / f"tree-{name}") as tree:
            log = tmp_path / "gate.log"
            python = Path(sys.executable)
            arm = make_arm(name, tree, python, python, tmp_path / f"env-{name}", log)
            program = "import numpy, fakemamba.bench.speed as s; print(s.NAME, numpy.__version__)"
            command = [arm.python, "-c", program]
            answer = subprocess.run(
                command, cwd=tree, env=clean_environment(), capture_output=True, text=True
            )
            names[name] = answer.stdout.split()[0]
    assert names == {"old": "old", "new": "new"}


def write_wheel(folder):
    """A package that pip installs without a network."""
    path = folder / "tiny-1-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr(
            "tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"
        )
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    return path


def write_project(folder, requirement):
    build = '[build-system]\nrequires = []\n[project]\nname = "x"\nversion = "0"\n'
    (folder / "pyproject.toml").write_text(f"{build}dependencies = ['{requirement}']\n")


def test_dependencies_are_installed_once_for_all_that_ask_for_the_same(tmp_path):
    log, cache, python = tmp_path / "gate.log", tmp_path / "cache", Path(sys.executable)
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        write_project(tmp_path / name, f"tiny @ {write_wheel(tmp_path).as_uri()}")
    made = dependencies(tmp_path / "first", python, cache, log)
    assert subprocess.run([made, "-c", "import tiny"], check=False).returncode == 0
    installs = log.read_text().count(" install --quiet")
    assert dependencies(tmp_path / "second", python, cache, log) == made
    assert log.read_text().count(" install --quiet") == installs == 1

    (tmp_path / "third" / "constraints.txt").write_text("tiny==1\n")
    assert dependencies(tmp_path / "third", python, cache, log) != made

    (made.parents[1] / "complete").unlink()  # as a killed gate leaves it
    (made.parents[1] / "half").write_text("")
    assert dependencies(tmp_path / "first", python, cache, log) == made
    assert not (made.parents[1] / "half").exists() and (made.parents[1] / "complete").exists()


def test_an_installation_that_fails_says_so_with_pips_own_words_and_is_not_kept(tmp_path):
    write_project(tmp_path, f"tiny @ {(tmp_path / 'absent.whl').as_uri()}")
    for _ in range(2):
        with pytest.raises(GateError, match=r"installing what .* failed(?s:.*)absent\.whl"):
            dependencies(tmp_path, Path(sys.executable), tmp_path / "cache", tmp_path / "gate.log")


def test_what_is_measured_has_an_extra_since_it_is_no_dependency_of_all(tmp_path):
    write_project(tmp_path, "pandas")
    before, _ = requirements_of(tmp_path)
    with (tmp_path / "pyproject.toml").open("a") as project:
        project.write("[project.optional-dependencies]\nmodels = ['torch']\ndev = ['ruff']\n")
    assert (before, requirements_of(tmp_path)[0]) == (["pandas"], ["pandas", "torch"])


@pytest.mark.parametrize("content", [None, "[project]\nname = 'x'\n", "[["])
def test_a_revision_that_does_not_say_what_it_depends_on_cannot_be_an_arm(tmp_path, content):
    if content is not None:
        (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(GateError, match="does not say what this revision depends on"):
        requirements_of(tmp_path)


def test_programs_get_no_variables_of_python_pytest_and_git_and_are_logged(tmp_path, monkeypatch):
    bent = ("PYTHONPATH", "PYTEST_ADDOPTS", "GIT_INDEX_FILE", "PIP_CONSTRAINT", "VIRTUAL_ENV")
    for name in bent:
        monkeypatch.setenv(name, "bent")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    log = tmp_path / "gate.log"
    program = "import os, sys; print(sorted(os.environ)); sys.exit(3)"
    assert run_logged([sys.executable, "-c", program], tmp_path, log) == 3
    assert "'OMP_NUM_THREADS'" in log.read_text()
    assert not [name for name in bent if f"'{name}'" in log.read_text()]
    with pytest.raises(GateError, match=r"the thing failed \(exit status 3") as failed:
        require(
            [sys.executable, "-c", "print('its last words'); exit(3)"], tmp_path, log, "the thing"
        )
    assert "its last words" in str(failed.value) and "OMP_NUM_THREADS" not in str(failed.value)


def test_an_interrupted_program_is_ended_with_what_it_started(tmp_path):
    """A gate is interrupted while a program runs that has a child; neither may go on."""
    beat = tmp_path / "beat"
    child = f"import time\nwhile True: open({str(beat)!r}, 'a').write('x'); time.sleep(0.02)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    gate = (
        "import sys; from pathlib import Path\n"
        "from fakemamba.bench.gate.commands import run_logged\n"
        f"run_logged([sys.executable, '-c', {parent!r}], Path('.'), Path('gate.log'))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", gate], cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as interrupted:
        while not beat.exists():
            assert interrupted.poll() is None
            time.sleep(0.01)
        interrupted.send_signal(signal.SIGINT)
        interrupted.wait(timeout=30)
    size = beat.stat().st_size
    time.sleep(0.2)
    assert beat.stat().st_size == size
