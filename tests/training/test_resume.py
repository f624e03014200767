"""A run that was cut off, wherever, ends with the bytes of one that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from fakemamba.training import checkpoint, epoch
from fakemamba.training.recipe_files import write_recipe
from fakemamba.training.run import train
from fakemamba.training.run_folder import TrainingError


class Killed(BaseException):
    """Nothing in the package catches it, as nothing catches SIGKILL."""


def bytes_of(folder):
    """Everything that training ends with, but for times, environments and logs of both."""
    (state,) = (folder / "checkpoints").iterdir()
    files = {
        path.relative_to(folder): path.read_bytes()
        for path in (*(folder / "detector").iterdir(), *(folder / "best").rglob("*.safetensors"))
    }
    files["weights"] = (state / "model.safetensors").read_bytes()
    files["random numbers"] = (state / "random_states_0.pkl").read_bytes()
    files["steps"] = (folder / "steps.csv").read_bytes()
    files["epochs"] = [
        line.rpartition(",")[0] for line in (folder / "epochs.csv").read_text().splitlines()
    ]
    return files, torch.load(state / "optimizer.bin", weights_only=True)


def assert_same(found, expected):
    assert found[0].keys() == expected[0].keys()
    for name, content in expected[0].items():
        assert found[0][name] == content, name
    for number, state in expected[1]["state"].items():
        for name, value in state.items():
            assert torch.equal(found[1]["state"][number][name], value), (number, name)


@pytest.fixture(scope="module")
def recipe(make_recipe):
    """With everything random: dropout, crops, augmentation, also in the validation."""
    return make_recipe(
        "xlsr-conformer",
        options={"depth": 1},
        data={"augmentation": "0.7*rawboost:4"},
        selection={"augmented": True},
    )


@pytest.fixture(scope="module")
def expected(recipe, tmp_path_factory):
    uncut = tmp_path_factory.mktemp("uncut") / "run"
    train(recipe, uncut, device="cpu", workers=0)
    return bytes_of(uncut)


# Of the 2 epochs of 3 steps: before anything is saved, amid an epoch with or without a checkpoint
# in it, and while an epoch's detector or a checkpoint is written.
@pytest.mark.parametrize(
    ("where", "call", "save_minutes"),
    [
        pytest.param("step", 2, 10.0, marks=pytest.mark.at_length),
        pytest.param("step", 5, 10.0, marks=pytest.mark.at_length),
        ("step", 5, 0.0),
        pytest.param("save_pretrained", 2, 10.0, marks=pytest.mark.at_length),
        pytest.param("state", 1, 10.0, marks=pytest.mark.at_length),
        ("state", 4, 0.0),
    ],
)
def test_cut_off_anywhere(recipe, expected, tmp_path, monkeypatch, where, call, save_minutes):
    calls = []

    def killing(function, *, afterwards):
        def run(*arguments, **options):
            calls.append(where)
            if len(calls) == call and not afterwards:
                raise Killed
            result = function(*arguments, **options)
            if len(calls) == call:
                raise Killed
            return result

        return run

    target = {
        "step": (epoch.Trainer, "_step"),
        "save_pretrained": (checkpoint, "save_pretrained"),
        "state": (checkpoint.Accelerator, "save_state"),
    }[where]
    with monkeypatch.context() as patch:
        patch.setattr(*target, killing(getattr(*target), afterwards=where == "state"))
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run", device="cpu", workers=0, save_minutes=save_minutes)
    train(recipe, tmp_path / "run", resume=True, device="cpu", workers=1)
    assert_same(bytes_of(tmp_path / "run"), expected)


@pytest.mark.at_length
@pytest.mark.parametrize("cache", ["warm", "empty"])
def test_a_process_that_is_killed(make_recipe, tmp_path, cache):
    """Of a detector with numba's scan: with any threads, compiled by this process or before it."""
    recipe, run = make_recipe(data={"augmentation": "rawboost:5"}), tmp_path / "run"
    write_recipe(tmp_path / "recipe.toml", recipe)
    command = [sys.executable, "-m", "fakemamba.cli.main", "train", tmp_path / "recipe.toml"]
    command += ["--out", run, "--device", "cpu", "--workers", "1", "--save-minutes", "0"]
    other = {"OMP_NUM_THREADS": "2"}
    if cache == "empty":
        other["NUMBA_CACHE_DIR"] = str(tmp_path / cache)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | other
    ) as process:
        deadline = time.monotonic() + 300
        while not any((run / "checkpoints").glob("epoch-*[0-9]")):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.01)
        process.kill()
    train(recipe, run, resume=True, device="cpu", workers=0)
    train(recipe, tmp_path / "uncut", device="cpu", workers=0)
    assert_same(bytes_of(run), bytes_of(tmp_path / "uncut"))


def test_a_wish_to_stop_ends_the_run_behind_a_checkpoint(recipe, expected, tmp_path, monkeypatch):
    step, steps = epoch.Trainer._step, []

    def interrupting(self, *arguments):
        steps.append(1)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(epoch.Trainer, "_step", interrupting)
        with pytest.raises(TrainingError, match=r"epoch 1 after step 3.*--resume"):
            train(recipe, tmp_path / "run", device="cpu", workers=0)
    assert signal.getsignal(signal.SIGINT) is before
    train(recipe, tmp_path / "run", resume=True, device="cpu", workers=0)
    assert_same(bytes_of(tmp_path / "run"), expected)
