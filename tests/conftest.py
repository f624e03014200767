"""What tests of several rooms share: oracles of the official code, small detectors, waveforms."""

import contextlib
import io
import json
import os
import signal
import subprocess
from pathlib import Path

# What is as small as in tests is not faster on several threads, and much slower where threads wait
# for each other. NumPy, torch and the processes that tests start read it when they begin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# By this pytest-benchmark takes a pytest that a test starts for a worker, and times nothing.
os.environ.pop("PYTEST_XDIST_WORKER", None)

import hypothesis
import pytest
import torch

from fakemamba.data.synthetic import speech_like

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton kernels are first imported

from fakemamba import create_detector

# A shell lets what it starts in the background ignore Ctrl-C, and so would what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples at every run; `--hypothesis-profile=search` looks for others.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]
ORACLES = ROOT.parent / "shared" / "oracles"


@pytest.fixture(scope="session")
def oracles():
    """The folder of official-format checkpoints, and the logits that the official code gave."""
    expected = ORACLES / "expected.json"
    if not expected.is_file():
        pytest.skip(f"the official oracles are not at {ORACLES}")
    return ORACLES, json.loads(expected.read_text())


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
def waveforms():
    """Three different speech-like waveforms (3, 16000)."""
    return torch.stack([torch.from_numpy(speech_like(16_000, seed)) for seed in range(3)])


@pytest.fixture
def make_detector():
    """Small detectors in eval mode, the same weights at every call."""

    def make(name, **options):
        torch.manual_seed(0)
        return create_detector(name, "xls-r-tiny", **options).eval()

    return make


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
