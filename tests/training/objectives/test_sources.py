"""Sources are taught by a column, and `trace` takes detector and tracer of the result."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fakemamba.cli.main import main
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import read_embeddings
from fakemamba.evaluation.tracing.model_files import read_tracer
from fakemamba.models.checkpoints import from_pretrained
from fakemamba.models.loading import weights_sha256
from fakemamba.training.objectives.headed import Headed, recording
from fakemamba.training.objectives.objective import Listed
from fakemamba.training.objectives.sources import SourceObjective
from fakemamba.training.recipe import RecipeError
from fakemamba.training.run_folder import TrainingError


@pytest.fixture(scope="module")
def taught(of_systems, teach, train_here, tmp_path_factory):
    changes = {
        "data": {"crop": "first"},
        "optimization": {"learning_rate": 3e-3, "batch_size": 7},
        "selection": {"criterion": "macro-f1", "max_epochs": 6, "averaged": 1},
    }
    recipe = teach(of_systems, {"kind": "source"}, **changes)
    return train_here(recipe, tmp_path_factory.mktemp("source") / "run")


def test_a_run_leaves_a_tracer_that_says_what_the_layer_says(taught, of_systems, tmp_path, capsys):
    run = taught.detector.parent
    with (run / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"validation_accuracy", "validation_macro_f1"} < set(rows[0])
    assert "validation_eer" not in rows[0]
    best = max(float(row["validation_macro_f1"]) for row in rows)
    assert taught.criterion == best > 0.7
    model = read_tracer(run / "tracer")
    assert model.tracer.classes == ("clean", "hum") and model.label == "attack"
    assert model.origin.weights_sha256 == weights_sha256(taught.detector)
    assert model.origin.length == 3_200 and model.tracer.held_out == 4
    of = ["--checkpoint", taught.detector, "--device", "cpu"]
    files = [of_systems[1].parent / f"dev{number}.wav" for number in range(4)]
    out = tmp_path / "said.csv"
    given = ["trace", "predict", run / "tracer", *files, *of, "--out", out]
    assert main(list(map(str, given))) == 0
    with out.open() as file:
        said = [row["likeliest"] for row in csv.DictReader(file)]
    assert said.count("hum") and said.count("clean")
    judged = ["trace", "evaluate", "--model", run / "tracer", *of, "--manifest", of_systems[1]]
    capsys.readouterr()
    assert main(list(map(str, judged))) == 1  # epochs and threshold were chosen by these
    assert "trials that it is judged by here" in capsys.readouterr().err
    fit = ["trace", "fit", *of, "--manifest", of_systems[0], "--keep", tmp_path / "own.npz"]
    fit += ["--length", 3_200, "--out", tmp_path / "fitted"]
    assert main(list(map(str, fit))) == 0
    vectors = read_embeddings(tmp_path / "own.npz").vectors
    headed = Headed(from_pretrained(taught.detector), recording, 2, tuned_back_end=True)
    epoch = run / "best" / f"epoch-{taught.best[0]:04d}"
    headed.head.load_state_dict(load_file(epoch / "head.safetensors"))
    with torch.no_grad():
        expected = headed.head(torch.from_numpy(vectors)).numpy()
    found = model.tracer.classifier.logits(vectors.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_scores_of_a_detector_that_was_taught_sources_are_refused(taught, of_systems, capsys):
    of = ["--checkpoint", taught.detector, "--device", "cpu"]
    clip = of_systems[1].parent / "dev0.wav"
    for command in (["detect", clip], ["score", "--manifest", of_systems[1], "--out", "x.txt"]):
        assert main([*map(str, command), *map(str, of)]) == 1
        told = capsys.readouterr().err
        assert "was trained last to tell which system made a spoof" in told
        assert "use it with fakemamba trace" in told and told.count("\n") == 1


def objective_of(teach, of_systems, trials, **target):
    recipe = teach(of_systems, {"kind": "source", **target})
    listed = Listed("train", trials)
    return SourceObjective.of(recipe, listed, listed)


def trials_of(*names, column="attack"):
    return [Trial(f"t{n}", None, "spoof", **{column: name}) for n, name in enumerate(names)]


def test_classes_weigh_the_same_and_bona_fide_is_left_out(teach, of_systems):
    real = Trial("real", None, "bonafide", attack="a")
    trials = [*trials_of("b", "a", "b", "b", None, "a"), real]
    made = objective_of(teach, of_systems, trials)
    assert made.classes == ("a", "b")
    counts = {"a": 2, "b": 3}
    weighed = [counts[one] * w for one, w in zip(made.classes, made.class_weights, strict=True)]
    assert weighed[0] == pytest.approx(weighed[1]) and sum(weighed) == pytest.approx(5)
    chosen = made.chosen(Listed("train", trials))
    assert [one.attack for one in chosen] == ["b", "a", "b", "b", "a"]
    target = made.target(None)
    assert [target(one, None) for one in chosen] == [1, 0, 1, 1, 0]


def test_another_column_may_name_the_classes(teach, of_systems):
    trials = trials_of("x", "y", "x", "y", column="vocoder")
    assert objective_of(teach, of_systems, trials, column="vocoder").classes == ("x", "y")
    with pytest.raises(TrainingError, match=r"two attacks or more, but there is none"):
        objective_of(teach, of_systems, trials)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "only a"),
        (("a", "a", "b"), "one trial alone is of the attack b"),
    ],
)
def test_classes_that_cannot_be_learned(teach, of_systems, names, message):
    with pytest.raises(TrainingError, match=message):
        objective_of(teach, of_systems, trials_of(*names))


def test_validation_has_no_other_classes(teach, of_systems):
    made = objective_of(teach, of_systems, trials_of("a", "b", "a", "b"))
    with pytest.raises(TrainingError, match=r"dev: the attack c is of no training trial"):
        made.chosen(Listed("dev", trials_of("a", "c")))
    with pytest.raises(
        TrainingError, match=r"dev: none of 1 trials is spoofed and says its attack"
    ):
        made.chosen(Listed("dev", trials_of(None)))


def test_figures_are_those_of_trace_evaluate(teach, of_systems):
    made = objective_of(teach, of_systems, trials_of("a", "b", "a", "b"))
    found = made.figures(np.array([0.0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx({"accuracy": 0.75, "macro_f1": (2 / 3 + 4 / 5) / 2})


@pytest.mark.parametrize(
    ("target", "selection", "message"),
    [
        ({"kind": "source"}, {"criterion": "eer"}, "has loss, accuracy, macro-f1, training-loss"),
        ({"kind": "recording"}, {"criterion": "accuracy"}, "has loss, eer, training-loss"),
        ({"kind": "source", "segments": "a.rttm"}, {}, r'for kind = "frames", not "source"'),
        ({"kind": "recording", "tuned_back_end": False}, {}, "nothing else is trained"),
    ],
)
def test_fields_that_do_not_go_together(teach, of_systems, target, selection, message):
    with pytest.raises(RecipeError, match=message):
        teach(of_systems, target, selection=selection)
