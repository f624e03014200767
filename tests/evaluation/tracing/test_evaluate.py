"""What tracing is said to do is what the embeddings allow, and what it is tied to is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fakemamba.evaluation.embedding_files import EmbeddingsError
from fakemamba.evaluation.tracing.classifiers import CLASSIFIERS
from fakemamba.evaluation.tracing.confounds import contingency, guess, guessed
from fakemamba.evaluation.tracing.evaluate import evaluate_by_folds, evaluate_tracer
from fakemamba.evaluation.tracing.folds import split
from fakemamba.evaluation.tracing.intervals import TracingFigure
from fakemamba.evaluation.tracing.layers import by_layer
from fakemamba.evaluation.tracing.protocol import TracingError, traced
from fakemamba.evaluation.tracing.report import to_json, verdict_of
from fakemamba.evaluation.tracing.tracer import Choices, fit_tracer
from fakemamba.evaluation.uncertainty import Resampling

FEW = Resampling(80)


def judged(embeddings, choices=None, unseen=(), **how):
    found, folds = split(traced(embeddings), how.pop("by", None), unseen, 0)
    choices = choices or Choices("mahalanobis")
    return evaluate_by_folds(found, folds, choices, unseen, resampling=FEW, **how)


def confound(found, kind, column):
    (one,) = (one for one in found.confounds if (one.kind, one.column) == (kind, column))
    return one


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_systems_far_apart_are_all_named_and_an_unseen_one_is_refused(clusters, name):
    found = judged(clusters(4, 30, 8.0), Choices(name), ["A3"])
    assert found.closed["accuracy"].value == found.closed["macro_f1"].value == 1
    assert found.classes == ("A0", "A1", "A2")
    assert found.confusion == [[30, 0, 0], [0, 30, 0], [0, 0, 30]]
    assert found.kept_together == "speaker" and found.trials == 120
    assert found.open["distance"]["auroc"].value > 0.95
    unseen = found.systems["A3"]
    assert not unseen.is_seen and unseen.right is None
    assert unseen.refused > (0.1 if name == "knn" else 0.8)  # a cosine says less of a distance
    assert not found.confounding and verdict_of(found).startswith("Tracing (100.0 %")
    assert "source or text_id, so that is not ruled out" in verdict_of(found)


def test_labels_of_no_meaning_give_chance_within_its_interval_and_are_called_so(clusters):
    found = judged(clusters(4, 60, 0.0))
    accuracy = found.closed["accuracy"]
    assert accuracy.low <= 0.25 <= accuracy.high
    assert confound(found, "guess", "nothing").does_as_well
    assert verdict_of(found).startswith("CONFOUNDED: tracing (")
    assert "most frequent system" in verdict_of(found)


def test_a_language_that_names_the_system_confounds_it(clusters):
    tied = judged(clusters(3, 30, 3.0, languages=("it", "fr", "ru")), by="trial")
    told = confound(tied, "guess", "language")
    assert told.accuracy.value == 1 and told in tied.confounding
    assert "guessing the system from the language alone (100.0 %" in verdict_of(tied)
    content = json.loads(json.dumps(to_json(tied, None), allow_nan=False))
    assert content["is_confounded"] and content["verdict"] == verdict_of(tied)
    row = next(one for one in content["confounds"] if one["column"] == "language")
    assert row["does_as_well"] and row["kind"] == "guess"
    assert row["behind"]["value"] == pytest.approx(tied.closed["accuracy"].value - 1)


def test_a_guess_that_tracing_beats_with_each_speaker_is_no_confound_though_intervals_overlap():
    place, speakers = np.tile(np.arange(20), 10), np.repeat(np.arange(10), 20)
    guessed_right, traced_right = place < 2 * speakers, place < 2 * speakers + 2
    values = ["en", "fr"] * 100
    one = guessed("language", values, guessed_right, traced_right, speakers, FEW)
    traced_alone = guessed("language", values, traced_right, traced_right, speakers, FEW)
    assert one.accuracy.high > traced_alone.accuracy.low
    assert one.behind == TracingFigure(*[pytest.approx(0.1)] * 3) and not one.does_as_well
    assert traced_alone.behind.value == 0 and traced_alone.does_as_well


def test_a_language_that_is_even_but_as_clear_as_the_system_is_told_as_a_probe(clusters):
    embeddings = clusters(3, 30, 1.0)
    vectors = embeddings.vectors.copy()
    vectors[[one.language == "en" for one in embeddings.trials], 0] += 30
    found = judged(replace(embeddings, vectors=vectors))
    assert confound(found, "probe", "language").accuracy.value == 1
    assert not confound(found, "guess", "language").does_as_well
    assert "no proof that the system is known by it" in verdict_of(found)


def test_a_speaker_who_is_held_apart_cannot_be_probed_and_one_who_is_not_can(clusters):
    apart = judged(clusters(3, 30))
    assert "no trial has which was fitted to" in confound(apart, "probe", "speaker").reason
    together = confound(judged(clusters(3, 30), by="trial"), "probe", "speaker")
    assert together.reason is None and together.accuracy.low <= 1 / 6 <= together.accuracy.high


def test_the_guess_is_of_the_trials_that_were_fitted_to():
    tables = {"en": {"A": 3, "B": 1}, "fr": {"B": 2}, "it": {"C": 1}}
    assert guess(tables, ["en", "fr", "it", None, "xx"]).tolist() == ["A", "B", "C", "B", "B"]


def test_the_trials_own_labels_change_nothing_that_is_said_of_them(clusters):
    embeddings = clusters(3, 20, 6.0)
    wrong = replace(embeddings.trials[0], attack="A1")
    other = replace(embeddings, trials=(wrong, *embeddings.trials[1:]))
    assert judged(other, by="trial").confusion[1][0] == 1  # it is still said to be A0


def test_each_system_is_left_out_in_turn_as_if_it_were_named_unseen(clusters):
    embeddings = clusters(4, 20, 4.0)
    each = judged(embeddings, in_turn="system").one_unseen
    assert [(one.name, one.systems) for one in each] == [(f"A{k}", (f"A{k}",)) for k in range(4)]
    assert all(one.open["distance"]["auroc"].value > 0.9 for one in each)
    named = judged(embeddings, unseen=["A3"]).open["distance"]["auroc"].value
    assert each[3].open["distance"]["auroc"].value == pytest.approx(named, abs=0.05)
    with pytest.raises(TracingError, match="leaves fewer than two of 2"):
        judged(clusters(2, 20), in_turn="system")


def test_all_systems_of_a_family_are_left_out_together(clusters):
    first, second, single = judged(clusters(5, 20, 4.0), in_turn="family").one_unseen
    assert [one.name for one in (first, second, single)] == ["F0", "F1", "F2"]
    assert first.systems == ("A0", "A1") and single.systems == ("A4",)
    assert min(one.open["distance"]["auroc"].value for one in (first, second)) > 0.9
    near = clusters(5, 20, 4.0)  # of a family, and so alike that the other gives one away
    vectors = near.vectors.copy()
    vectors[1::5] = vectors[0::5]
    near = replace(near, vectors=vectors)
    (by_system, *_), (by_family, *_) = (
        judged(near, in_turn=one).one_unseen for one in ("system", "family")
    )
    assert by_system.open["distance"]["auroc"].value < 0.6
    assert by_family.open["distance"]["auroc"].value > 0.9


def test_a_family_that_leaves_one_system_says_so_and_an_unknown_one_is_refused(clusters):
    embeddings = clusters(3, 20, 4.0)
    pair, single = judged(embeddings, in_turn="family").one_unseen
    assert pair.open == {} and "leaving one family out leaves fewer than two of 3" in pair.reason
    assert single.open["distance"]["auroc"].value > 0.9 and single.reason is None
    lost = tuple(replace(one, family=None) for one in embeddings.trials)
    with pytest.raises(TracingError, match="family of A0, A1, A2 is not known; add a column"):
        judged(replace(embeddings, trials=lost), in_turn="family")


def test_families_are_told_of_systems_that_were_not_fitted_to(clusters):
    embeddings = clusters(6, 30, 0.0)
    families = np.array([int(one.family[1]) for one in embeddings.trials])
    vectors = embeddings.vectors + 3 * np.eye(3, 10, dtype=np.float32)[families]
    found, folds = split(traced(replace(embeddings, vectors=vectors), "family"), "attack", (), 0)
    for fit, held in folds.parts:
        assert not set(found.table["attack"][fit]) & set(found.table["attack"][held])
    told = evaluate_by_folds(found, folds, Choices("mahalanobis"), resampling=FEW)
    assert told.classes == ("F0", "F1", "F2") and told.closed["accuracy"].value > 0.9
    assert told.kept_together == "attack"
    with pytest.raises(TracingError, match="what is told is the attack, so no attack can be kept"):
        judged(embeddings, by="attack")


def test_a_tracer_is_judged_by_trials_of_others(clusters):
    embeddings = clusters(4, 60, 6.0)
    found = traced(embeddings)
    fitted = found.only((np.arange(240) < 120) & (found.labels != "A3"), "to fit")
    others = found.only(np.arange(240) >= 120, "fitted to")
    tracer = fit_tracer(fitted.vectors, fitted.labels, None, Choices())
    tables = contingency(fitted.labels, fitted.table)
    judged_by = evaluate_tracer(others, tracer, tables, FEW)
    assert judged_by.kept_together == "model" and judged_by.closed["accuracy"].value > 0.98
    assert not judged_by.systems["A3"].is_seen and judged_by.systems["A3"].trials == 30
    assert confound(judged_by, "probe", "speaker").accuracy.value < 0.5
    nobody = others.only(others.labels == "A3", "seen")
    with pytest.raises(TracingError, match="no trial is of any attack that was fitted to"):
        evaluate_tracer(nobody, tracer, tables, FEW)


def test_the_study_of_layers_finds_the_layer_that_knows(clusters):
    embeddings = clusters(3, 20, 6.0)
    noise = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    knows = embeddings.vectors[:, :4]
    whole = replace(embeddings, layers=np.stack([noise, knows], 1))
    found, folds = split(traced(whole), None, [], 0)
    seen = np.ones(60, bool)
    study = by_layer(whole, found, folds, seen, "mahalanobis", FEW)
    assert [one.layer for one in study] == [0, 1, None]
    assert [one.width for one in study] == [4, 4, 10]
    assert study[0].accuracy.low < 0.5 < 0.9 < study[1].accuracy.value
    for one in study[:2]:
        assert one.added.value == pytest.approx(study[2].accuracy.value - one.accuracy.value)
    assert study[0].added.low > 0 >= study[1].added.low and study[2].added is None
    alone = evaluate_by_folds(found, folds, Choices("mahalanobis"), resampling=FEW)
    assert study[-1].accuracy == alone.closed["accuracy"]
    with pytest.raises(EmbeddingsError, match="to study them"):
        by_layer(embeddings, found, folds, seen, "mahalanobis", FEW)
