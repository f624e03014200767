"""Every command of docs/own-detector.md is given as it stands there, in one folder, made small."""

import functools
import glob
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fakemamba.analysis.results import read_results
from fakemamba.bench.sweep.options import OPTIONS
from fakemamba.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-detector.md"
SMALL = {
    "bench": "--bench-profile smoke --bench-frontend xls-r-tiny --bench-time 0 --bench-visits 2 "
    "--bench-durations 0.25,0.5 --bench-instruments memory",
    "train": "--data.num-samples 3200 --optimization.batch-size 4 --selection.max-epochs 1 "
    "--selection.averaged 1 --device cpu --workers 0",
    "score": "--device cpu",
}
PIP = "pip install -q --no-deps --no-build-isolation --no-index --disable-pip-version-check"


def commands():
    """The lines of the page's code blocks, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


@pytest.fixture
def imports_are_undone(monkeypatch):
    """Modules that are imported from a test's folder are forgotten after it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if name.partition(".")[0] == "my_detector":
            del sys.modules[name]


@pytest.mark.at_length
def test_the_commands_do_what_the_page_says(
    tmp_path, manifests, monkeypatch, capsys, imports_are_undone
):
    pytest.importorskip("setuptools", minversion="77")
    monkeypatch.chdir(tmp_path)
    for manifest, name in zip(manifests, ("train", "dev"), strict=True):
        (tmp_path / f"{name}.csv").symlink_to(manifest)
        (tmp_path / name).symlink_to(manifest.parent / name)
    for number in range(3):
        (tmp_path / f"{number}.wav").symlink_to(manifests[1].parent / "dev" / f"dev{number}.wav")
    printed = {}
    for program, *words in commands():
        if program == "pip":
            subprocess.run(
                [sys.executable, "-m", *PIP.split(), "--target", "site", f"./{words[-1]}"],
                check=True,
            )
            sys.path.insert(0, str(tmp_path / "site"))
        elif words[0] == "gate":
            assert_is_parsed(words, monkeypatch)
        else:
            files = sorted(glob.glob(words[-1])) if "*" in words[-1] else words[-1:]  # noqa: PTH207
            given = [*words[:-1], *files, *SMALL.get(words[0], "").split()]
            assert main(given) == 0, f"{given}\n{capsys.readouterr()}"
            printed[words[0]] = capsys.readouterr().out
    assert re.search(r"my-detector-ssl .* any .* my-detector 0\.1\.0", printed["detectors"])
    cells = read_results(["out.json", "other.json"])
    assert set(cells["status"]) == {"measured"}
    parts = cells.groupby("detector")["part"].agg(set)
    whole = {"front-end", "encoder", "end-to-end"}
    assert parts["my-detector"] == parts["fake-mamba-l"] == whole
    assert "my_detector.detector:LogMelNet?width=32" in parts
    assert "my-detector" in Path("report.html").read_text()
    assert len(Path("scores.txt").read_text().splitlines()) == 3
    assert json.loads(Path("trained/detector/config.json").read_text())["detector"] == "my-detector"


def assert_is_parsed(words, monkeypatch):
    """A command whose options are there, but which takes too long to be run."""
    name, *arguments = words
    module = importlib.import_module(f"fakemamba.cli.{name}")
    given = []

    @functools.wraps(getattr(module, name))
    def note(options, **named):
        given.append((options, named))

    monkeypatch.setattr(module, name, note)
    assert main([name, *arguments]) == 0
    options, named = given[0]
    assert named["base"] == "main"
    assert {word for word in options if word.startswith("--")} <= OPTIONS.keys()


def test_the_page_is_short():
    assert len(PAGE.read_text().splitlines()) <= 40
