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


def test_two_processes_take_the_steps_of_one(make_recipe, tmp_path):
    one = make_recipe(optimization={"micro_batch_size": 2})
    train(one, tmp_path / "one", device="cpu", workers=0)
    write_recipe(tmp_path / "recipe.toml", make_recipe())
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
        *("-m", "fakemamba.cli.main", "train", tmp_path / "recipe.toml"),
        *("--out", tmp_path / "two", "--device", "cpu", "--workers", "0"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("next: fakemamba score") == 1
    (steps, epochs), (steps_of_one, epochs_of_one) = rows(tmp_path / "two"), rows(tmp_path / "one")
    for found, expected in zip(steps, steps_of_one, strict=True):
        for name in ("loss", "gradient_norm"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-3)
    # Batch norms' running means are those of the first process' clips, so this is not the same.
    assert len(epochs) == len(epochs_of_one) == 2
    assert (tmp_path / "two" / "detector" / "model.safetensors").exists()
