"""Studies as they are run: what is done is kept, what fails is told, and detectors are scored."""

import json
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from fakemamba import create_detector, save_pretrained
from fakemamba.analysis.published import read_published
from fakemamba.data.manifest import read_manifest
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.training.run import train
from fakemamba.training.run_folder import TrainingError, TrainingResult
from fakemamba.training.studies.judging import Judging
from fakemamba.training.studies.study import run_study, summarize_again
from fakemamba.training.studies.variants import StudyError

PUBLISHED = read_published()


class StandIn:
    """Gives detectors of first weights; fails, or is stopped, where it is asked to."""

    def __init__(self):
        self.recipes, self.errors = [], {}

    def __call__(self, recipe, out, *, resume, device, workers):
        assert resume and device == "cpu"
        self.recipes.append(recipe)
        if len(self.recipes) in self.errors:
            raise self.errors[len(self.recipes)]
        torch.manual_seed(recipe.seed)
        made = recipe.detector
        save_pretrained(create_detector(made.name, made.frontend, **made.options), out / "detector")
        return TrainingResult(out / "detector", 3, (2,), 0.5, 1.5)


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def judging(manifests):
    trials = read_manifest(manifests[1])
    manner = Manner(length=3_200, workers=1, device="cpu")
    return Judging(trials, manner, (), 40, lambda total, show: nullcontext(lambda scored: None))


@pytest.fixture
def run(make_recipe, tmp_path, judging, stand_in):
    """Run a study of a small recipe with the stand-in, or with what is given instead."""

    def run_it(study="seeds", seeds=(1, 2), train=stand_in, recipe=None, **more):
        recipe = make_recipe() if recipe is None else recipe
        trained = partial(train, resume=True, device="cpu", workers=0)
        more = {"judging": judging, "published": PUBLISHED, "train": trained} | more
        return run_study(study, recipe, tmp_path / "study", seeds=seeds, **more)

    return run_it


def test_units_are_scored_evaluated_and_not_done_again(run, stand_in, tmp_path, judging):
    table = run().units
    assert table["status"].tolist() == ["done", "done"] and table["epochs"].tolist() == [3, 3]
    assert [one.seed for one in stand_in.recipes] == [1, 2]
    label = {trial.trial_id: trial.label for trial in judging.trials}
    for seed, eer in zip(table["seed"], table["eer"], strict=True):
        scores = pd.read_csv(tmp_path / f"study/recipe/seed-{seed}/scores.csv")
        real = scores["trial_id"].map(label) == "bonafide"
        assert equal_error(scores["score"][real], scores["score"][~real]).eer == eer
    assert table["eer_low"].le(table["eer"]).all() and table["min_dcf"].between(0, 1).all()
    made = stand_in.recipes[0].detector
    built = create_detector(made.name, made.frontend, **made.options)
    assert set(table["parameters"]) == {sum(one.numel() for one in built.parameters())}
    run(seeds=(2, 3))
    assert [one.seed for one in stand_in.recipes] == [1, 2, 3]
    assert len(pd.read_csv(tmp_path / "study" / "study.csv")) == 3


def test_a_unit_that_fails_is_told_and_tried_again_and_the_others_go_on(run, stand_in, tmp_path):
    stand_in.errors = {1: TrainingError("the loss is NaN"), 2: torch.OutOfMemoryError("3 GiB")}
    found = run(seeds=(5, 6, 7))
    assert found.units["status"].tolist() == ["failed", "failed", "done"]
    assert found.units["eer"].isna().tolist() == [True, True, False]
    assert found.failures == [
        "recipe, seed 5: the loss is NaN",
        "recipe, seed 6: out of memory: 3 GiB",
    ]
    assert not run(seeds=(5, 6, 7)).failures
    assert [one.seed for one in stand_in.recipes] == [5, 6, 7, 5, 6]


def test_recordings_without_a_score_fail_the_unit_and_not_the_training(
    run, stand_in, judging, tmp_path
):
    first, *others = judging.trials
    copy = tmp_path / "copy.wav"
    copy.write_bytes(b"")
    judging = replace(judging, trials=[replace(first, path=copy), *others])
    failures = run(seeds=(1,), judging=judging).failures
    assert "1 trials have no score, the first:" in failures[0] and "copy.wav" in failures[0]
    copy.write_bytes(first.path.read_bytes())
    assert not run(seeds=(1,), judging=judging).failures


def test_only_some_variants_are_run_and_the_others_are_waiting(run, stand_in):
    found = run("ablations", seeds=(1,), only=["no-norms"])
    assert [one.detector.options["norms"] for one in stand_in.recipes] == [False]
    assert found.units["status"].value_counts().to_dict() == {"waiting": 5, "done": 1}
    message = "no variant is called nonorms; the variants are recipe, no-norms"
    with pytest.raises(StudyError, match=message):
        run("ablations", only=["nonorms"])


def test_a_study_that_is_stopped_has_the_tables_of_what_is_done(run, stand_in, tmp_path):
    stand_in.errors = {2: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run()
    table = pd.read_csv(tmp_path / "study" / "study.csv")
    assert table["status"].tolist() == ["done", "waiting"]
    assert run().units["status"].tolist() == ["done", "done"]


def test_training_that_is_asked_to_stop_stops_the_study_and_is_gone_on_with(
    run, make_recipe, tmp_path, monkeypatch
):
    recipe = make_recipe(selection={"max_epochs": 1, "averaged": 1})

    @contextmanager
    def at_once():
        yield lambda: True

    with monkeypatch.context() as patch:
        patch.setattr("fakemamba.training.run.stop_asked_for", at_once)
        with pytest.raises(KeyboardInterrupt):
            run(train=train, seeds=(1,), recipe=recipe)
    assert pd.read_csv(tmp_path / "study" / "study.csv")["status"].tolist() == ["waiting"]
    table = run(train=train, seeds=(1,), recipe=recipe).units
    assert table["status"].tolist() == ["done"] and table["epochs"].tolist() == [1]
    assert table["train_s"].gt(0).all() and table["eer"].between(0, 1).all()


def test_another_recipe_or_test_in_the_folder_is_refused(run, make_recipe, judging):
    run(seeds=(1,))
    with pytest.raises(StudyError, match=r"optimization.learning_rate was 0.001, is 0.1"):
        run(recipe=make_recipe(optimization={"learning_rate": 0.1}))
    fewer = replace(judging, trials=judging.trials[1:])
    with pytest.raises(StudyError, match=r"test.bonafide was 4, is 3\n  test.sha256 was"):
        run(judging=fewer)


def test_tables_are_written_anew_without_the_recordings(run, make_recipe, tmp_path):
    folder = tmp_path / "study"
    run()
    before = (folder / "study.json").read_text()
    (folder / "study.json").unlink()
    summarize_again("seeds", make_recipe(), folder, PUBLISHED)
    assert (folder / "study.json").read_text() == before
    assert json.loads(before)["variants"][0]["seeds_done"] == 2
    with pytest.raises(StudyError, match="study was 'seeds', is 'ablations'"):
        summarize_again("ablations", make_recipe(), folder, PUBLISHED)
    with pytest.raises(StudyError, match="has no study in it"):
        summarize_again("seeds", make_recipe(), tmp_path, PUBLISHED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda trials: trials[1::2], "0 bona fide and 3 spoof trials"),
        (
            lambda trials: [replace(trials[0], path=Path("gone.wav")), *trials[1:]],
            "1 of 7 recordings of the test are not there, such as gone.wav",
        ),
    ],
    ids=["one class", "a recording is not there"],
)
def test_trials_that_can_judge_nothing_are_refused_before_the_work(
    change, message, run, judging, stand_in
):
    with pytest.raises(StudyError, match=message):
        run(judging=replace(judging, trials=change(judging.trials)))
    assert not stand_in.recipes


def test_a_study_that_is_done_is_left_as_it_is_and_damage_of_its_records_is_told(run, tmp_path):
    run(seeds=(1,))
    study = tmp_path / "study"
    paths = [path for path in study.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    run(seeds=(1,))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths} == before
    for name in ("recipe/seed-1/unit.json", "plan.json"):
        content = (study / name).read_text()
        for damaged in (content.replace("1", "2", 1), content[:-3], "[" * 9999, '{"status": []}'):
            (study / name).write_text(damaged)
            with pytest.raises(StudyError, match=rf"{name}.*: (name|remove)") as caught:
                run(seeds=(1,))
            assert "\n" not in str(caught.value)
        (study / name).write_text(content)
