"""Training from a recipe to a detector: what is written, refused, gone on with and kept."""

import csv
import errno
import json
import shutil
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from safetensors.torch import load_file

from fakemamba import create_detector
from fakemamba.data.audio import read_audio
from fakemamba.data.manifest import iterate_manifest
from fakemamba.models.checkpoints import from_pretrained
from fakemamba.models.official import average_states
from fakemamba.records import write_sealed
from fakemamba.training import epoch as epoch_module
from fakemamba.training.clips import ClipsOfEpoch, Preparation, load, shuffled_batches
from fakemamba.training.recipe import RecipeError
from fakemamba.training.recipe_files import read_recipe
from fakemamba.training.run import train
from fakemamba.training.run_folder import TrainingError

NO_MANIFESTS = {"train_manifest": None, "validation_manifest": None}


def weights(folder):
    return load_file(folder / "model.safetensors")


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(tmp_path):
    """Train on the CPU, reading in this process."""

    def run(recipe, name="run", **how):
        return train(recipe, tmp_path / name, **{"device": "cpu", "workers": 0, **how})

    return run


@pytest.fixture(scope="module")
def plain(make_recipe, tmp_path_factory):
    """A run of the recipe as it is, that others are compared with."""
    return train(make_recipe(), tmp_path_factory.mktemp("plain") / "run", device="cpu", workers=0)


def test_epochs_may_be_chosen_by_their_training_loss_with_any_optimizer_and_loss(run, make_recipe):
    changes = {"optimizer": "sgd", "loss": "focal", "schedule": "exponential", "final_share": 0.1}
    recipe = make_recipe(
        "wavlm-mhfa",
        options={"heads": 2, "compressed": 8, "embedding": 8},
        optimization={"learning_rate": 0.1, **changes},
        selection={"criterion": "training-loss", "max_epochs": 3, "averaged": 3},
    )
    result = run(recipe)
    epochs = rows(result.detector.parent / "epochs.csv")
    losses = {int(row["epoch"]): float(row["train_loss"]) for row in epochs}
    assert list(result.best) == sorted(losses, key=losses.__getitem__)
    assert result.criterion == pytest.approx(min(losses.values()))


def test_a_run_leaves_a_detector_that_tells_what_it_was_trained_on_apart(
    run, make_recipe, manifests
):
    recipe = make_recipe(selection={"max_epochs": 12, "averaged": 3})
    result = run(recipe)
    folder = result.detector.parent
    epochs, steps = rows(folder / "epochs.csv"), rows(folder / "steps.csv")
    assert result.epochs == len(epochs) == 12 and len(steps) == 12 * 3
    assert [int(one["step"]) for one in steps] == list(range(1, 37))
    losses = {int(one["epoch"]): float(one["validation_loss"]) for one in epochs}
    assert list(result.best) == sorted(losses, key=lambda epoch: losses[epoch])[:3]
    assert result.criterion == min(losses.values())
    assert float(epochs[-1]["train_loss"]) < 0.5 * float(epochs[0]["train_loss"])
    average = average_states(
        [weights(folder / "best" / f"epoch-{epoch:04d}") for epoch in result.best], "true"
    )
    found = weights(result.detector)
    assert all(torch.equal(found[key], average[key]) for key in found)
    assert {path.name for path in (folder / "best").iterdir()} == {
        f"epoch-{epoch:04d}" for epoch in result.best
    }
    assert list((folder / "tensorboard").iterdir())
    assert read_recipe(folder / "recipe.toml") == recipe
    facts = json.loads((folder / "run.json").read_text())
    assert facts["data"]["train"]["bonafide"] == facts["data"]["train"]["spoof"] == 7
    assert len(facts["starts"]) == 1 and facts["starts"][0]["environment"]["device"]
    detector = from_pretrained(result.detector)
    scores = {"bonafide": [], "spoof": []}
    for trial in iterate_manifest(manifests[0], need_label=True):
        clip = torch.from_numpy(read_audio(trial.path))[None]
        scores[trial.label].append(float(detector(clip)[0, 1].detach()))
    assert min(scores["bonafide"]) > max(scores["spoof"])


def test_every_clip_is_seen_once_an_epoch_and_epochs_differ(run, make_recipe, monkeypatch):
    seen = []
    forward = epoch_module.forward
    monkeypatch.setattr(
        epoch_module,
        "forward",
        lambda model, clips, *how: (
            seen.append(clips.waveforms.clone()) or forward(model, clips, *how)
        ),
    )
    run(make_recipe())
    assert [len(batch) for batch in seen] == [4] * 6
    clips = torch.cat(seen)
    assert len(torch.unique(clips, dim=0)) == 24  # 12 clips, cut anew in each of 2 epochs


@pytest.mark.parametrize("name", ["xlsr-conformer", "xlsr-mamba", "xlsr-aasist", "trans-bimamba"])
def test_any_detector_of_the_registry_is_trained(run, make_recipe, name):
    options = {} if name == "xlsr-aasist" else {"depth": 1}
    if name == "xlsr-mamba":
        options = {}
    recipe = make_recipe(
        name,
        options=options,
        optimization={"batch_size": 6},
        selection={"max_epochs": 1, "averaged": 1},
    )
    result = run(recipe)
    steps = rows(result.detector.parent / "steps.csv")
    assert len(steps) == 2 and all(float(one["gradient_norm"]) > 0 for one in steps)


def changed_parts(run, recipe, make_detector):
    torch.manual_seed(recipe.seed)
    before = create_detector(
        recipe.detector.name, recipe.detector.frontend, **recipe.detector.options
    ).state_dict()
    after = weights(run(recipe).detector)
    return {key for key in after if not torch.equal(after[key], before[key])}


@pytest.mark.parametrize("tuned", ["none", "top", "all"])
def test_as_much_of_the_front_end_is_trained_as_is_asked_for(
    run, make_recipe, make_detector, tuned
):
    layers = {"tuned_layers": 1} if tuned == "top" else {}
    recipe = make_recipe(tuned=tuned, **layers, selection={"max_epochs": 1, "averaged": 1})
    changed = changed_parts(run, recipe, make_detector)
    assert any(key.startswith("head.") for key in changed)
    frontend = {key for key in changed if key.startswith("frontend.")}
    last = "frontend.model.encoder.layers.1."
    if tuned == "none":
        assert not frontend
    elif tuned == "top":
        assert any(key.startswith(last) for key in frontend)
        assert all(key.startswith((last, "frontend.model.encoder.layer_norm")) for key in frontend)
    else:
        assert any(key.startswith("frontend.model.feature_extractor") for key in frontend)


def test_more_top_layers_than_there_are_is_refused(run, make_recipe):
    with pytest.raises(RecipeError, match="has 2 layers"):
        run(make_recipe(tuned="top", tuned_layers=3))


def test_computing_activations_again_changes_nothing(run, make_recipe, plain):
    again = run(make_recipe(activation_checkpointing=True))
    one, other = weights(plain.detector), weights(again.detector)
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


def test_gradients_are_clipped_to_a_norm(run, make_recipe, plain):
    clipped = run(make_recipe(optimization={"clip_norm": 1e-9}))
    found = [rows(one.detector.parent / "steps.csv")[0] for one in (plain, clipped)]
    # The norm that is written is that before clipping, but Adam's epsilon outweighs the rest.
    assert found[0]["gradient_norm"] == found[1]["gradient_norm"]
    key = "head.classifier.weight"
    torch.manual_seed(1234)
    spread = [
        float((weights(one.detector)[key] - weights(two.detector)[key]).abs().max())
        for one, two in ((plain, clipped), (plain, plain))
    ]
    assert spread[0] > 1e-4 > spread[1]


def test_micro_batches_give_loss_and_gradient_of_the_batch(run, make_recipe, manifests):
    recipe = make_recipe(optimization={"micro_batch_size": 3})
    steps = rows(run(recipe).detector.parent / "steps.csv")
    assert len(steps) == 6
    torch.manual_seed(recipe.seed)
    detector = create_detector("fake-mamba", "xls-r-tiny", **recipe.detector.options).train()
    trials = list(iterate_manifest(manifests[0], need_label=True))
    clips = ClipsOfEpoch(trials, Preparation(3_200, "random", None, recipe.seed), epoch=1)
    places = shuffled_batches(14, 4, recipe.seed, epoch=1)[0]
    logits, labels = [], []
    for part in load(clips, [places[:3], places[3:]], workers=0, pin=False):
        logits.append(detector(part.waveforms))  # batch norms see a micro-batch
        labels.append(part.labels)
    loss = F.cross_entropy(torch.cat(logits), torch.cat(labels), torch.tensor([0.1, 0.9]))
    loss.backward()
    norms = [one.grad.norm() for one in detector.parameters() if one.grad is not None]
    assert float(steps[0]["loss"]) == pytest.approx(float(loss.detach()), rel=1e-5)
    norm = float(torch.stack(norms).norm())
    assert float(steps[0]["gradient_norm"]) == pytest.approx(norm, rel=1e-4)


def test_a_folder_with_a_run_is_refused_unless_it_is_gone_on_with(run, make_recipe, tmp_path):
    recipe = make_recipe()
    first = run(recipe)
    with pytest.raises(TrainingError, match="--resume"):
        run(recipe)
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert run(recipe, resume=True) == first
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    other = replace(recipe, optimization=replace(recipe.optimization, learning_rate=1e-4))
    with pytest.raises(TrainingError, match=r"learning_rate was 0\.001, is 0\.0001"):
        run(other, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="not empty"):
        run(recipe, "mine", resume=True)


def test_a_run_of_before_there_were_targets_is_still_this_one(run, make_recipe, plain, tmp_path):
    shutil.copytree(plain.detector.parent, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    facts = json.loads(path.read_text())
    assert not any(name.startswith("target.") for name in facts["identity"])
    del facts["sha256"]
    facts["recipe"] = {
        name: value
        for name, value in facts["recipe"].items()
        if not name.startswith(("target.", "detector.layers"))
    }
    write_sealed(path, facts)
    before = path.read_bytes()
    assert run(make_recipe(), resume=True).best == plain.best
    assert path.read_bytes() == before  # nothing was left to do


def test_a_run_that_is_done_can_be_made_longer(run, make_recipe, plain):
    run(make_recipe(selection={"max_epochs": 1}))
    continued = run(make_recipe(), resume=True)
    assert continued.epochs == 2 and continued.best == plain.best
    one, other = weights(continued.detector), weights(plain.detector)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_loss_that_is_not_finite_ends_the_run_before_it_spoils_the_weights(
    run, make_recipe, tmp_path
):
    with pytest.raises(TrainingError, match=r"(loss|norm) is (nan|inf) in step \d of epoch"):
        run(make_recipe(optimization={"learning_rate": 1e18}), save_minutes=0)
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert all(torch.isfinite(one).all() for one in weights(checkpoint).values())


def test_a_full_disk_leaves_the_last_checkpoint_to_go_on_from(
    run, make_recipe, plain, tmp_path, monkeypatch
):
    recipe = make_recipe()
    save, calls = Accelerator.save_state, []

    def full_at_the_second(self, folder):
        calls.append(folder)
        save(self, folder)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Accelerator, "save_state", full_at_the_second)
        with pytest.raises(TrainingError, match=r"No space left.*is whole.*--resume"):
            run(recipe)
    (left,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert left.name == "epoch-0002-step-00000000"
    resumed = run(recipe, resume=True)
    one, other = weights(resumed.detector), weights(plain.detector)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("where", ["train", "dev"])
def test_a_recording_that_cannot_be_read_stops_the_run_and_is_named(
    run, make_recipe, manifests, tmp_path, where
):
    for manifest in manifests:
        shutil.copy(manifest, tmp_path)
        shutil.copytree(manifest.with_suffix(""), tmp_path / manifest.stem)
    broken = tmp_path / where / f"{where}3.wav"
    content = broken.read_bytes()
    broken.write_bytes(content[:20].ljust(len(content), b"\0"))
    # Two batches of seven: no clip is left out of the epoch.
    recipe = make_recipe(optimization={"batch_size": 7}, selection={"max_epochs": 1})
    own = [tmp_path / manifest.name for manifest in manifests]
    data = replace(recipe.data, train_manifest=own[0], validation_manifest=own[1])
    recipe = replace(recipe, data=data)
    with pytest.raises(TrainingError, match=broken.name):
        run(recipe)
    broken.write_bytes(content)
    assert run(recipe, resume=True).epochs == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimization": {"batch_size": 15}}, "14 training trials"),
        ({"data": {"train_manifest": None, "validation_manifest": None}}, "name a corpus"),
        (
            {
                "data": {
                    "train_manifest": None,
                    "validation_manifest": None,
                    "corpus": "open-speech",
                }
            },
            "where open-speech is",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_begun(run, make_recipe, change, message):
    recipe = make_recipe()
    for table, fields in change.items():
        recipe = replace(recipe, **{table: replace(getattr(recipe, table), **fields)})
    with pytest.raises(RecipeError, match=message):
        run(recipe)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{wav},a,spoof"], "none of 1 trials is bonafide"),
        (["{wav},a,spoof", "{wav},a,bonafide"], "there twice, such as a"),
        (["{wav},a,spoof", "gone.wav,b,bonafide"], r"1 of 2 recordings are not there.*gone\.wav"),
    ],
)
def test_lists_that_cannot_be_trained_on(run, make_recipe, manifests, tmp_path, lines, message):
    wav = manifests[0].with_suffix("") / "train0.wav"
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,trial_id,label\n" + "\n".join(lines).format(wav=wav) + "\n")
    recipe = make_recipe(data={})
    recipe = replace(recipe, data=replace(recipe.data, train_manifest=manifest))
    with pytest.raises(TrainingError, match=message):
        run(recipe)
