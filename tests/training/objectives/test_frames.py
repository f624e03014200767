"""Frames are taught their labels, wherever clips are cut, and `localize` takes the result."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from fakemamba import save_pretrained
from fakemamba.cli.main import main
from fakemamba.data.audio import read_audio
from fakemamba.data.trials import Trial
from fakemamba.evaluation.frame_classifier import ClassifierError, read_classifier
from fakemamba.evaluation.metrics.segments import Segment, frame_labels, labels_at
from fakemamba.evaluation.segment_files import SegmentFileError, read_frame_scores
from fakemamba.models.checkpoints import from_pretrained
from fakemamba.models.frontends.framing import Framing
from fakemamba.training.clips import ClipsOfEpoch, Preparation, load
from fakemamba.training.epoch import Trainer
from fakemamba.training.loss import WeightedCrossEntropy
from fakemamba.training.objectives.frames import FrameObjective, FrameTarget
from fakemamba.training.objectives.headed import Headed, frames
from fakemamba.training.recipe import RecipeError
from fakemamba.training.run_folder import TrainingError

FRAMING = Framing(first_samples=400)
TRIAL = Trial("a")


@st.composite
def labelled(draw):
    """A recording's samples, and segments that end before, at or after it."""
    samples = draw(st.integers(400, 6_000))
    steps = draw(st.lists(st.integers(1, 2_000), min_size=1, max_size=6))
    edges = np.cumsum([draw(st.integers(0, 500)), *steps]) / 16_000
    kinds = draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    return samples, [
        Segment(*edge, kind)
        for *edge, kind in zip(edges[:-1].tolist(), edges[1:].tolist(), kinds, strict=True)
    ]


@given(
    labelled(), st.sampled_from(["first", "random", "whole"]), st.integers(400, 9_000), st.data()
)
def test_a_frame_has_the_label_of_the_sample_in_its_middle(recording, crop, num_samples, data):
    samples, segments = recording
    ramp = np.arange(samples, dtype=np.float32)  # a sample is its own place
    clip = Preparation(num_samples, crop, None, seed=3)(ramp, "a", data.draw(st.integers(1, 9)))
    labels = FrameTarget({"a": segments}, FRAMING, None)(TRIAL, clip)
    assert len(labels) == FRAMING.frame_count(len(clip.waveform))
    middles = clip.waveform[160 + 320 * np.arange(len(labels))].astype(np.float64)
    assert labels.tolist() == labels_at(middles / 16_000, segments).tolist()


@given(labelled())
def test_whole_recordings_have_the_labels_that_localize_fit_takes(recording):
    samples, segments = recording
    clip = Preparation(400, "whole", None, seed=0)(np.zeros(samples, np.float32), "a", 1)
    found = FrameTarget({"a": segments}, FRAMING, None)(TRIAL, clip)
    assert found.tolist() == frame_labels(len(found), segments, 0.02, "centre").tolist()


def test_what_is_heard_of_a_clip_alone_has_labels():
    clip = Preparation(3_200, "first", None, seed=0)(np.zeros(4_000, np.float32), "a", 1)
    target = FrameTarget({"a": [Segment(0, 0.25, True)]}, FRAMING, 1_680)
    assert target(TRIAL, clip).tolist() == [1] * 5


OBJECTIVE = FrameObjective({}, (0.25, 0.75), tuned_back_end=True)


def test_padding_and_unlabelled_frames_count_for_nothing():
    logits = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1, 1, -1], [1, -1, -1, -1]])
    made = OBJECTIVE.outputs(None, logits, labels)
    chosen = torch.stack([logits[0, 0], logits[0, 1], logits[0, 2], logits[1, 0]])
    assert torch.equal(made.logits, chosen) and made.labels.tolist() == [0, 1, 1, 1]
    assert torch.equal(made.judged, chosen[:, 1] - chosen[:, 0])
    loss = WeightedCrossEntropy((0.25, 0.75))
    found = loss.share(made.logits, made.labels, loss.total_weight([0, 1, 1, 1]))
    expected = F.cross_entropy(chosen, torch.tensor([0, 1, 1, 1]), torch.tensor([0.25, 0.75]))
    assert float(found) == pytest.approx(float(expected))


def test_clips_without_any_label_cost_nothing():
    logits = torch.randn(2, 5, 2, requires_grad=True)
    made = OBJECTIVE.outputs(None, logits, torch.full((2, 5), -1))
    loss = WeightedCrossEntropy((0.25, 0.75))
    share = loss.share(made.logits, made.labels, loss.total_weight([]))
    share.backward()
    assert float(share.detach()) == 0 and not logits.grad.any()


def test_clips_of_other_lengths_are_padded_with_no_label(spliced):
    trials = [Trial(f"train{n}", spliced[0].parent / f"train{n}.wav") for n in (0, 3)]
    segments = {one.trial_id: [Segment(0, 1, True)] for one in trials}
    target = FrameTarget(segments, FRAMING, None)
    clips = ClipsOfEpoch(trials, Preparation(0, "whole", None, 0), 1, target=target)
    (batch,) = load(clips, [[0, 1]], workers=0, pin=False)
    counts = [FRAMING.frame_count(n) for n in batch.lengths.tolist()]
    assert batch.labels.shape == (2, counts[1])
    assert (batch.labels != -1).sum(1).tolist() == counts


@pytest.mark.parametrize(
    ("name", "options"),
    [("fake-mamba", {"depth": 1, "width": 16}), ("xlsr-conformer", {"depth": 1})],
)
def test_a_clips_frames_do_not_depend_on_the_batch_it_is_in(make_detector, name, options):
    headed = Headed(make_detector(name, **options), frames, 2, tuned_back_end=True).eval()
    waveforms = torch.randn(2, 8_000, generator=torch.Generator().manual_seed(0))
    waveforms[1, 5_000:] = 0
    with torch.no_grad():
        together = headed(waveforms, torch.tensor([8_000, 5_000]))
        alone = headed(waveforms[1:, :5_000])
    assert together.shape == (2, 24, 2) and alone.shape == (1, 15, 2)
    torch.testing.assert_close(together[1:, :15], alone, atol=1e-4, rtol=1e-4)


def test_an_encoder_that_keeps_no_frames_apart_is_refused_as_by_localize_fit(
    spliced, teach, train_here, tmp_path
):
    target = {"kind": "frames", "segments": spliced[2]}
    recipe = teach(spliced, target, detector="xlsr-aasist", options={})
    with pytest.raises(ClassifierError, match="keeps no frames apart, which could be classified"):
        train_here(recipe, tmp_path / "run")


@pytest.fixture(scope="module")
def taught(spliced, teach, train_here, tmp_path_factory):
    """A run that has learned to hear the hum."""
    changes = {
        "optimization": {"learning_rate": 3e-3, "spoof_weight": 0.8, "bonafide_weight": 0.2},
        "selection": {"criterion": "eer", "max_epochs": 3, "averaged": 1},
    }
    recipe = teach(spliced, {"kind": "frames", "segments": spliced[2]}, **changes)
    return recipe, train_here(recipe, tmp_path_factory.mktemp("frames") / "run")


def test_a_run_leaves_what_localize_maps_forged_frames_with(taught, spliced, tmp_path, capsys):
    _, result = taught
    run = result.detector.parent
    with (run / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-3:] == ["validation_loss", "validation_eer", "epoch_s"]
    assert result.criterion == min(float(row["validation_eer"]) for row in rows) < 0.2
    line = read_classifier(run / "classifier.json")
    assert line.recordings == 8 and line.spoof == 4 * 7  # middles of frames within 0.1 to 0.25 s
    given = ["--checkpoint", result.detector, "--manifest", spliced[1], "--device", "cpu"]
    given += ["--classifier", run / "classifier.json", "--method", "supervised"]
    assert main(["localize", *map(str, given), "--out", str(tmp_path / "maps")]) == 0
    scores = read_frame_scores(tmp_path / "maps" / "supervised.txt")
    assert scores["dev3"][6:12].mean() < scores["dev3"][16:].mean()
    # The same as the layer says of the frames that it was trained on.
    headed = Headed(from_pretrained(result.detector), frames, 2, tuned_back_end=True).eval()
    headed.head.load_state_dict(load_file(run / "best" / _best(result) / "head.safetensors"))
    with torch.no_grad():
        logits = headed(torch.from_numpy(read_audio(spliced[1].parent / "dev3.wav"))[None])[0]
    odds = (logits[:, 1] - logits[:, 0]).numpy()
    np.testing.assert_allclose(scores["dev3"], odds, atol=1e-4)
    capsys.readouterr()
    given[-1] = "gradient"
    assert main(["localize", *map(str, given), "--out", str(tmp_path / "not")]) == 1
    told = capsys.readouterr().err
    assert "taught frames, has no gradient; it has" in told and "windows" not in told
    given[-1] = "supervised"
    with torch.no_grad():
        headed.detector.head.classifier.bias += 1
    save_pretrained(headed.detector, tmp_path / "other")
    given[1] = tmp_path / "other"
    assert main(["localize", *map(str, given), "--out", str(tmp_path / "not")]) == 1
    assert "fit one to this checkpoint" in capsys.readouterr().err


def _best(result):
    return f"epoch-{result.best[0]:04d}"


def test_a_run_that_was_cut_off_ends_with_the_same_classifier(
    taught, spliced, train_here, tmp_path, monkeypatch
):
    recipe, uncut = taught
    step, steps = Trainer._step, []

    class Killed(BaseException):
        pass

    def killing(self, *arguments):
        steps.append(1)
        if len(steps) == 4:
            raise Killed
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", killing)
        with pytest.raises(Killed):
            train_here(recipe, tmp_path / "run", save_minutes=0)
    train_here(recipe, tmp_path / "run", resume=True)
    found, expected = (
        (run / "classifier.json").read_bytes() for run in (tmp_path / "run", uncut.detector.parent)
    )
    assert found == expected
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["data"]["train"]["spoof_segments"] == 4
    assert facts["identity"]["target.kind"] == "frames"
    changed = tmp_path / "other.rttm"
    changed.write_text(spliced[2].read_text().replace("spoof", "bonafide", 1))
    moved = replace(recipe, target=replace(recipe.target, segments=changed))
    with pytest.raises(TrainingError, match="data of train was"):
        train_here(moved, tmp_path / "run", resume=True)
    shutil.copy(spliced[2], changed)  # the same labels in another place
    assert train_here(moved, tmp_path / "run", resume=True) == train_here(
        recipe, tmp_path / "run", resume=True
    )


def test_a_detector_that_is_left_as_it_is_keeps_every_tensor(
    taught, spliced, teach, train_here, tmp_path
):
    start = taught[1].detector
    recipe = teach(
        spliced,
        {"kind": "frames", "segments": spliced[2], "tuned_back_end": False},
        start=start,
        tuned="none",
    )
    result = train_here(recipe, tmp_path / "run")
    before, after = (load_file(one / "model.safetensors") for one in (start, result.detector))
    assert all(torch.equal(after[key], before[key]) for key in before)  # of batch norms, too
    assert from_pretrained(result.detector).taught == "frames", "as its start was"
    heads = [
        load_file(tmp_path / "run" / "best" / f"epoch-000{epoch}" / "head.safetensors")
        for epoch in (1, 2)
    ]
    assert not torch.equal(heads[0]["weight"], heads[1]["weight"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda text: text.replace(" train3 ", " other "), TrainingError, "1 of 8 trials have no"),
        (
            lambda text: text.replace("spoof", "bonafide"),
            TrainingError,
            "train_manifest: no segment of 8 trials is spoof",
        ),
        (
            lambda text: text.replace(" 1 0.25 0.05 ", " 1 0.25 0.5 "),
            SegmentFileError,
            "line 3: ends at 0.75 s, but the recording at 0.3 s",
        ),
        (None, RecipeError, "--target.segments FILE"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused_before_anything_is_begun(
    spliced, teach, train_here, tmp_path, change, error, message
):
    labels = None
    if change is not None:
        labels = tmp_path / "labels.rttm"
        labels.write_text(change(spliced[2].read_text()))
    with pytest.raises(error, match=message) as caught:
        train_here(teach(spliced, {"kind": "frames", "segments": labels}), tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run" / "run.json").exists()
