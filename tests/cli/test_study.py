"""``fakemamba study`` as it is called: a recipe file with other values, clips, tables, statuses."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import tyro

from fakemamba import create_detector, save_pretrained
from fakemamba.cli.study_training import study_training
from fakemamba.data.synthetic import speech_like
from fakemamba.training.run_folder import TrainingError, TrainingResult

RECIPE = """
[detector]
name = "fake-mamba"
frontend = "xls-r-tiny"
options = {depth = 1, width = 16}
[data]
corpus = "open-speech"
num_samples = 3200
"""


@pytest.fixture
def corpus(tmp_path):
    """A corpus of three phases, with clips of 0.5 and 2.5 s in the test."""
    lines = ["path,label,phase"]
    (tmp_path / "audio").mkdir()
    for number, phase in enumerate(("train", "dev", "test", "test") * 2):
        duration_s = 2.5 if phase == "test" and number > 3 else 0.5
        for label in ("bonafide", "spoof"):
            path = tmp_path / "audio" / f"{phase}{number}{label}.wav"
            clip = speech_like(int(16_000 * duration_s), len(lines))
            soundfile.write(path, clip, 16_000)
            lines.append(f"audio/{path.name},{label},{phase}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The recipes that were trained, by a stand-in; one with seed 13 fails."""
    recipes = []

    def train(recipe, out, *, resume, device, workers):
        recipes.append(recipe)
        if recipe.seed == 13:
            raise TrainingError("the loss is NaN")
        torch.manual_seed(recipe.seed)
        made = recipe.detector
        save_pretrained(create_detector(made.name, made.frontend, **made.options), out / "detector")
        return TrainingResult(out / "detector", 3, (2,), 0.5, 1.5)

    monkeypatch.setattr("fakemamba.cli.study_training.train", train)
    return recipes


@pytest.fixture
def call(corpus, tmp_path, trained):
    (tmp_path / "recipe.toml").write_text(RECIPE)

    def run(kind, *more, seeds="1,2"):
        where = ["--out", tmp_path / "study", "--root", corpus, "--device", "cpu", "--workers", 0]
        given = [kind, tmp_path / "recipe.toml", *where, "--seeds", seeds, "--bootstrap", 40]
        return tyro.cli(study_training, args=[str(one) for one in (*given, *more)])

    return run


def test_ablations_are_run_and_shown(call, trained, tmp_path, capsys):
    assert call("ablations", "--only", "recipe, no-norms", seeds="1") == 0
    assert [one.detector.options.get("norms") for one in trained] == [None, False]
    shown = " ".join(capsys.readouterr().out.split())
    assert "no-norms" in shown and "62.6 %" in shown and "8 trials" in shown
    assert pd.read_csv(tmp_path / "study" / "study.csv")["eer"].notna().sum() == 2
    assert call("ablations", "--summary-only") == 0
    assert len(trained) == 2


def test_durations_judge_whole_clips_by_length(call, tmp_path):
    assert call("durations", "--only", "recipe,con-bimamba", seeds="1") == 0
    table = pd.read_csv(tmp_path / "study" / "study.csv")
    done = table[table["status"] == "done"]
    assert set(done["variant"]) == {"recipe", "con-bimamba"}
    assert done["eer < 3 s"].notna().all() and done["eer > 6 s"].isna().all()
    sidecar = pd.read_json(tmp_path / "study/recipe/seed-1/scores.csv.json", typ="series")
    assert sidecar["identity"]["length"] is None
    assert np.isclose(sidecar["audio_s"], 4 * 0.5 + 4 * 2.5)
    assert "## EER (%) by duration" in (tmp_path / "study" / "study.md").read_text()


def test_a_failed_unit_is_an_error_at_the_end(call, trained, capsys):
    assert call("seeds", seeds="13,2") == 1
    assert [one.seed for one in trained] == [13, 2]
    assert "failed: recipe, seed 13: the loss is NaN" in capsys.readouterr().out


def test_fields_of_the_recipe_are_set(call, trained):
    more = ("--set", "optimization.learning_rate=1e-2", "--set", "data.crop=random")
    assert call("seeds", *more, "--set", "detector.options.depth=2", seeds="1") == 0
    recipe = trained[0]
    assert (recipe.optimization.learning_rate, recipe.data.crop) == (0.01, "random")
    assert recipe.detector.options["depth"] == 2


def test_a_manifest_may_be_judged_instead_of_the_corpus(call, corpus, tmp_path):
    lines = (corpus / "manifest.csv").read_text().splitlines()
    (corpus / "dev.csv").write_text("\n".join([lines[0], *(x for x in lines if x.endswith("dev"))]))
    assert call("seeds", "--test-manifest", str(corpus / "dev.csv"), seeds="1") == 0
    scores = pd.read_csv(tmp_path / "study/recipe/seed-1/scores.csv")
    assert len(scores) == 4 and scores["trial_id"].str.contains("dev").all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seeds", "1,1"], "--seeds 1,1: give whole numbers"),
        (["--seeds", "1,x"], "--seeds 1,x: give whole numbers"),
        (["--set", "optimization.learning_rte=1"], "did you mean learning_rate"),
        (["--set", "optimization"], "write a field and its value"),
        (["--set", "seed=3"], "every variant has all of --seeds"),
        (["--bootstrap", "9"], "give 40 or more, or 0 for none"),
        (["--only", "nothing"], "no variant is called nothing; the variants are recipe"),
        (["--summary-only"], "has no study in it"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(more, message, call, trained):
    with pytest.raises(ValueError, match=message):
        call("seeds", *more)
    assert not trained


def test_a_study_is_one_process(call, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="leave out torchrun"):
        call("seeds")


def test_a_stop_has_its_own_status(call, monkeypatch, capsys):
    def stopped(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("fakemamba.cli.study_training.train", stopped)
    assert call("seeds") == 130
    assert "the same command goes on" in capsys.readouterr().out
