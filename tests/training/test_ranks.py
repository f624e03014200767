"""Two processes share a batch, and do what one does in micro-batches."""

import csv
import subprocess
import sys

import pytest

from fakemamba.training.recipe_files import write_recipe
from fakemamba.training.run import train


def rows(folder):
    with (folder / "steps.csv").open() as file:
        steps = list(csv.DictReader(file))
    with (folder / "epochs.csv").open() as file:
        return steps, list(csv.DictReader(file))


@pytest.mark.at_length
@pytest.mark.parametrize("launcher", ["ours", "torchrun"])
def test_two_processes_take_the_steps_of_one(make_recipe, tmp_path, children, launcher):
    one = make_recipe(optimization={"micro_batch_size": 2})
    train(one, tmp_path / "one", device="cpu", workers=0)
    write_recipe(tmp_path / "recipe.toml", make_recipe())
    command = ["train", tmp_path / "recipe.toml"]
    command += ["--out", tmp_path / "two", "--device", "cpu", "--workers", "0"]
    if launcher == "torchrun":
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        torchrun += ["--standalone", "-m", "fakemamba.cli.main"]
        done = subprocess.run([*torchrun, *command], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        said = done.stdout
    else:
        children.run_ranks(2, command)
        said = children.said
    assert said.count("next: fakemamba score") == 1
    (steps, epochs), (steps_of_one, epochs_of_one) = rows(tmp_path / "two"), rows(tmp_path / "one")
    for found, expected in zip(steps, steps_of_one, strict=True):
        for name in ("loss", "gradient_norm"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-3)
    # Batch norms' running means are those of the first process' clips, so this is not the same.
    assert len(epochs) == len(epochs_of_one) == 2
    assert (tmp_path / "two" / "detector" / "model.safetensors").exists()
