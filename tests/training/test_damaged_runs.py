"""What a run is gone on with from is as it was written, or is refused by name."""

import json
import shutil

import pytest
import torch

from fakemamba.records import sealed
from fakemamba.training.manifest import write_manifest
from fakemamba.training.recipe_files import to_toml
from fakemamba.training.run import train
from fakemamba.training.run_folder import RunFolder, TrainingError


@pytest.fixture(scope="module")
def recipe(make_recipe):
    return make_recipe("xlsr-conformer", options={"depth": 1})


@pytest.fixture(scope="module")
def stopped(recipe, tmp_path_factory):
    """A run that was killed after its last epoch, before its detector was made."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    train(recipe, folder, device="cpu", workers=0)
    shutil.rmtree(folder / "detector")
    (folder / "result.json").unlink()
    return folder


@pytest.fixture
def run(stopped, tmp_path):
    """A copy of it."""
    return shutil.copytree(stopped, tmp_path / "run")


def resume(recipe, folder):
    return train(recipe, folder, resume=True, device="cpu", workers=0)


def files(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


DAMAGE = {
    "cut": lambda content: content[:-2],
    "empty": lambda content: b"",
    "a bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name",
    [
        "checkpoints/*/random_states_0.pkl",
        "checkpoints/*/optimizer.bin",
        "checkpoints/*/model.safetensors",
        "checkpoints/*/progress.json",
        "checkpoints/*/sha256.json",
        "best/epoch-0001/model.safetensors",
        "best/epoch-0002/config.json",
        "run.json",
        "steps.csv",
    ],
)
def test_damage_is_refused_by_name_and_nothing_is_changed(run, recipe, name, damage):
    (path,) = run.glob(name)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    before = files(run / "checkpoints") | files(run / "best")
    with pytest.raises(TrainingError, match=path.name) as caught:
        resume(recipe, run)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert files(run / "checkpoints") | files(run / "best") == before


@pytest.mark.at_length
def test_files_that_are_missing_or_more_are_refused(run, recipe):
    (checkpoint,) = (run / "checkpoints").iterdir()
    (checkpoint / "custom_checkpoint_0.pkl").write_bytes(b"x")
    with pytest.raises(TrainingError, match=r"custom_checkpoint_0\.pkl was not there"):
        resume(recipe, run)
    (checkpoint / "custom_checkpoint_0.pkl").unlink()
    (checkpoint / "optimizer.bin").unlink()
    with pytest.raises(TrainingError, match=r"optimizer\.bin is missing; remove .*--resume"):
        resume(recipe, run)
    shutil.rmtree(checkpoint)
    assert resume(recipe, run).epochs == 2  # as it says: from the beginning


def test_a_pickle_that_would_run_something_is_not_run(run, recipe):
    """Even if whoever made it made the hashes too."""
    (checkpoint,) = (run / "checkpoints").iterdir()
    victim = run / "ran"

    class Attack:
        def __reduce__(self):
            return (victim.touch, ())

    for name in ("random_states_0.pkl", "optimizer.bin"):
        kept = (checkpoint / name).read_bytes()
        torch.save({"random_state": Attack()}, checkpoint / name)
        write_manifest(checkpoint)
        try:
            resume(recipe, run)
        except TrainingError as error:
            assert name == "optimizer.bin" and str(checkpoint) in str(error)
            assert "weights_only" not in str(error) and "\n" not in str(error)
        assert not victim.exists()
        for left in ("detector", "result.json"):
            shutil.rmtree(run / left, ignore_errors=True)
            (run / left).unlink(missing_ok=True)
        (checkpoint / name).write_bytes(kept)


@pytest.mark.parametrize("left", [(), ("recipe.toml",)])
@pytest.mark.parametrize("passing", [(), (".recipe.toml.partial",), (".lock", ".run.json.partial")])
@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_kill_before_run_json_is_whole_blocks_nothing(
    recipe, tmp_path, left, passing, is_resumed
):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name in left:
        (folder.path / name).write_text(to_toml(recipe))
    for name in passing:
        (folder.path / name).write_text("half")
    assert folder.check({}, recipe, resume=is_resumed) is False


def test_somebodys_recipe_is_not_overwritten(recipe, make_recipe, tmp_path):
    folder = RunFolder(tmp_path)
    folder.recipe.write_text("# mine\n" + to_toml(recipe))
    with pytest.raises(TrainingError, match="not empty"):
        folder.check({}, recipe, resume=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("[" * 9999, "has no checksum"),
        (sealed("[]"), "should be an object"),
        (sealed('{"identity": {}, "recipe": {}, "data": {}}'), "starts: it is missing"),
        (sealed('{"identity": [], "recipe": {}, "data": {}, "starts": []}'), "identity: should be"),
        (
            sealed('{"identity": {}, "recipe": {}, "data": {}, "starts": [], "format": 99}'),
            "another version",
        ),
    ],
)
def test_facts_of_another_shape_are_refused(recipe, tmp_path, text, message):
    folder = RunFolder(tmp_path)
    folder.facts.write_text(text)
    with pytest.raises(TrainingError, match=rf"run\.json.*{message}.*train in another folder"):
        folder.check({}, recipe, resume=True)


def test_what_is_done_is_left_as_it_is(run, recipe):
    first = resume(recipe, run)
    before = files(run)
    assert resume(recipe, run) == first
    assert files(run) == before
    content = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(content | {"epochs": 7}))
    with pytest.raises(TrainingError, match=r"result\.json is damaged"):
        resume(recipe, run)
