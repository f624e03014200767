"""What tests of several rooms share: oracles, small detectors, code of others, waveforms."""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from textwrap import dedent

# What is as small as in tests is not faster on several threads, and much slower where threads wait
# for each other. NumPy, torch and the processes that tests start read it when they begin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# By this pytest-benchmark takes a pytest that a test starts for a worker, and times nothing.
os.environ.pop("PYTEST_XDIST_WORKER", None)

sys.path.insert(0, str(Path(__file__).parent))  # so that processes find `children`, too

import hypothesis
import numpy as np
import pytest
import soundfile
import torch
from children import Children

from fakemamba.data.synthetic import speech_like

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton kernels are first imported

from fakemamba import create_detector
from fakemamba.training.recipe import (
    DataRecipe,
    DetectorRecipe,
    OptimizationRecipe,
    Recipe,
    SelectionRecipe,
)

# A shell lets what it starts in the background ignore Ctrl-C, and so would what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples at every run; `--hypothesis-profile=search` looks for others, and more.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40)
hypothesis.settings.register_profile("search", deadline=None, max_examples=200, print_blob=True)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = count()  # of modules of others
ORACLES = ROOT.parent / "shared" / "oracles"


def pytest_addoption(parser):
    parser.addoption(
        "--at-length", action="store_true", help="also what takes long, as tox -e rough"
    )
    parser.addoption("--kills", type=int, default=0, help="kill -9 of each kind, in tests/rough")
    parser.addoption("--fuzz-cases", type=int, default=4, help="of each reader, in tests/rough")
    parser.addoption("--fuzz-seed", type=int, default=0, help="of the first case")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("at_length") and not item.config.getoption("--at-length"):
        pytest.skip("run with --at-length only, as by `tox -e rough`")


def pytest_make_parametrize_id(val, argname):
    """Bytes, which may hold a time of day, give no names: every process has the same tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def oracles():
    """The folder of official-format checkpoints, and the logits that the official code gave."""
    expected = ORACLES / "expected.json"
    if not expected.is_file():
        pytest.skip(f"the official oracles are not at {ORACLES}")
    return ORACLES, json.loads(expected.read_text())


@pytest.fixture(scope="session")
def second_oracles():
    """As `oracles`, of the detectors that came second; their recordings are those of the first."""
    folder = ORACLES.with_name("oracles2")
    expected = folder / "expected.json"
    if not expected.is_file():
        pytest.skip(f"the official oracles are not at {folder}")
    return folder, json.loads(expected.read_text())


@pytest.fixture(scope="session")
def run_pytest():
    """Run pytest in the project's root as a command, but within this process.

    A process of its own takes seconds to import torch: it is for tests of what a process does.
    """

    def run(*arguments):
        arguments = ["-q", "-p", "no:cacheprovider", *map(str, arguments)]
        with (
            contextlib.chdir(ROOT),
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            status = pytest.main(arguments)
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def children(tmp_path_factory):
    """Starts commands in the project's root that get signals, as processes of their own."""
    return Children(ROOT, tmp_path_factory.mktemp("children"))


@pytest.fixture
def waveforms():
    """Three different speech-like waveforms (3, 16000)."""
    return torch.stack([torch.from_numpy(speech_like(16_000, seed)) for seed in range(3)])


@pytest.fixture(scope="session")
def make_detector():
    """Small detectors in eval mode, the same weights at every call."""

    def make(name, **options):
        torch.manual_seed(0)
        return create_detector(name, "xls-r-tiny", **options).eval()

    return make


@pytest.fixture
def every_precision(monkeypatch):
    """As on a CPU that has instructions for all precisions; this one computes in them, slowly."""
    monkeypatch.setattr("fakemamba.models.execution.modes.has_fast", lambda precision: True)


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


class Attack:
    """Pickled, it runs a shell command when it is read."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def attack(tmp_path):
    """An object that makes a file when its pickle is read carelessly, and that file's path."""
    marker = tmp_path / "ran"
    return Attack(f"touch {marker}"), marker


def write_clips(folder, name, count, first_seed):
    """A manifest of clips of 0.25 to 0.5 s; every second one is bona fide, the others hum."""
    lines = ["path,trial_id,label"]
    for number in range(count):
        num_samples = 4_000 + 500 * (number % 9)
        clip = 0.5 * speech_like(num_samples, first_seed + number)
        if number % 2:
            clip = clip + 0.3 * np.sin(np.arange(num_samples) * 0.9)
        path = folder / name / f"{name}{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, clip, 16_000)
        label = "spoof" if number % 2 else "bonafide"
        lines.append(f"{name}/{path.name},{path.stem},{label}")
    manifest = folder / f"{name}.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.fixture(scope="session")
def manifests(tmp_path_factory):
    """Manifests of 14 training and 7 validation clips."""
    folder = tmp_path_factory.mktemp("clips")
    return write_clips(folder, "train", 14, 0), write_clips(folder, "dev", 7, 100)


@pytest.fixture(scope="session")
def make_recipe(manifests):
    """Recipes of two epochs of three steps; keywords change fields of their tables."""

    def make(detector="fake-mamba", *, data=None, optimization=None, selection=None, **made):
        options = {"depth": 1, "width": 16} if "options" not in made else made.pop("options")
        return Recipe(
            detector=DetectorRecipe(detector, "xls-r-tiny", options, **made),
            data=DataRecipe(
                train_manifest=manifests[0],
                validation_manifest=manifests[1],
                **{"num_samples": 3_200, "crop": "random", **(data or {})},
            ),
            optimization=OptimizationRecipe(
                **{"learning_rate": 1e-3, "batch_size": 4, **(optimization or {})}
            ),
            selection=SelectionRecipe(
                **{"max_epochs": 2, "averaged": 2, "batch_size": 3, **(selection or {})}
            ),
        )

    return make
