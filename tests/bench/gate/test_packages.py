"""The gate in a repository of somebody else: its package installed over one fakemamba."""

import subprocess
import sys

import pytest

import fakemamba
from fakemamba.bench.gate.commands import GateError, ask
from fakemamba.bench.gate.packages import make_package_arm
from fakemamba.cli import gate as command

PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny-detectors"
version = "0"
dependencies = ["fakemamba"]
[tool.setuptools]
packages = ["tiny_detectors"]
package-dir = { tiny_detectors = "src/tiny_detectors" }
"""
DETECTOR = """
import time
from torch import nn

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(1, 2)

    def forward(self, waveforms):
        time.sleep({sleep_s})
        return self.scale(waveforms.abs().mean(dim=1, keepdim=True))

def build():
    return Tiny()
"""
NAME = "tiny_detectors:build"


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)


def write_detector(folder, sleep_s):
    package = folder / "src" / "tiny_detectors"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(DETECTOR.format(sleep_s=sleep_s))


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    write_detector(folder, 0.05)
    return folder


def test_an_arm_has_the_revisions_package_and_the_fakemamba_of_the_interpreter(package, tmp_path):
    arm = make_package_arm(
        "base", package, sys.executable, tmp_path / "arm", tmp_path / "log", False
    )
    code = (
        "import tiny_detectors, fakemamba.bench as b; print(tiny_detectors.__file__, *b.__path__)"
    )
    found, tool = ask([arm.python, "-c", code], arm.folder).split()
    assert found.startswith(str(tmp_path / "arm"))
    assert tool == ask(
        [sys.executable, "-c", "import fakemamba.bench as b; print(*b.__path__)"], package
    )
    assert arm.program == ("-m", "fakemamba.cli.main", "bench")


def test_what_cannot_be_installed_is_one_line_with_the_remedy(tmp_path):
    with pytest.raises(GateError, match=r"neither pyproject.toml nor setup.py.*fakemamba compare"):
        make_package_arm(
            "base", tmp_path, sys.executable, tmp_path / "arm", tmp_path / "log", False
        )


@pytest.mark.at_length
def test_a_slower_revision_of_another_package_is_a_regression(
    package, tmp_path, monkeypatch, capsys
):
    """The whole gate: real environments, launches and times, by a detector's name alone."""
    sweep = ["--bench-detectors", NAME, "--bench-durations", "0.25", "--bench-time", "0"]
    sweep += ["--bench-parts", "end-to-end", "--bench-visits", "3", "--bench-instruments", "memory"]
    sweep += ["--bench-frontend", "xls-r-tiny", "--bench-device", "cpu"]
    asked = [sys.executable, "-m", "fakemamba.cli.main", "bench", "-q", "--collect-only", *sweep]
    done = subprocess.run(asked, cwd=package / "src", capture_output=True, text=True, check=False)
    if "unknown detector" in done.stderr:
        pytest.skip(f"the registry of {fakemamba.__version__} takes no package.module:factory")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    git(package, "init", "--quiet")
    git(package, "add", "--all")
    git(package, "commit", "--quiet", "--message", "base")
    git(package, "tag", "base")
    write_detector(package, 0.08)
    where = {"repository": package, "out": tmp_path / "out", "install_deps": False}
    status = command.gate(tuple(sweep), base="base", **where)
    if status == command.NO_ANSWER and "disturbed" in capsys.readouterr().err:
        pytest.skip("other programs disturb this machine")
    assert status == 1
    assert "Regression in 1 of 1 cells" in (tmp_path / "out" / "comparison.md").read_text()
