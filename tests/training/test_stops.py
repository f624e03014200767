"""``train`` and ``study`` as commands that get a signal, and a second one while the first works."""

import os
import signal
from dataclasses import replace

import pytest

from fakemamba.analysis.published import read_published
from fakemamba.locks import BusyError, sole_writer
from fakemamba.training.recipe_files import write_recipe
from fakemamba.training.run import train
from fakemamba.training.studies.study import summarize_again


@pytest.fixture
def recipe(make_recipe, tmp_path):
    """A recipe of so many epochs that it is not done."""
    made = make_recipe()
    path = tmp_path / "recipe.toml"
    write_recipe(path, replace(made, selection=replace(made.selection, max_epochs=500)))
    return path


def stopped(children, number, is_there, *arguments):
    """Status and what was told; the whole group gets the signal, as by Ctrl-C."""
    process = children.start_until(is_there, [*arguments, "--device", "cpu"])
    os.killpg(process.pid, number)
    process.join(120)
    assert "Traceback" not in children.told
    return process.exitcode, children.said, children.told


@pytest.mark.at_length
def test_training_ends_behind_a_checkpoint(recipe, tmp_path, children):
    run = tmp_path / "run"
    arguments = ["train", recipe, "--out", run, "--workers", "1"]
    there = lambda: any((run / "checkpoints").glob("epoch-*[0-9]"))  # noqa: E731
    status, said, told = stopped(children, signal.SIGINT, there, *arguments)
    assert (status, said) == (130, "")
    assert "go on with it by --resume" in told.splitlines()[-1]
    assert not (run / ".lock").exists() and any((run / "checkpoints").iterdir())


@pytest.mark.at_length
def test_a_study_says_how_to_go_on(recipe, manifests, tmp_path, children):
    out = tmp_path / "study"
    arguments = ["study", "seeds", recipe, "--out", out, "--workers", "0"]
    arguments += ["--test-manifest", manifests[1]]
    there = lambda: any(out.glob("*/*/run/checkpoints/epoch-*[0-9]"))  # noqa: E731
    status, said, told = stopped(children, signal.SIGTERM, there, *arguments)
    assert status == 143 and "the same command goes on" in said + told
    assert not (out / ".lock").exists() and (out / "study.md").exists()


def test_a_run_and_a_study_have_one_writer(make_recipe, tmp_path):
    with (
        sole_writer(tmp_path / "run", is_folder=True),
        pytest.raises(BusyError, match="run is being"),
    ):
        train(make_recipe(), tmp_path / "run", device="cpu", workers=0)
    with sole_writer(tmp_path / "study", is_folder=True), pytest.raises(BusyError):
        summarize_again("seeds", make_recipe(), tmp_path / "study", read_published())
    assert not list(tmp_path.iterdir())
