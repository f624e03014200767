"""A tracer refuses as many as it was asked to, its probabilities hold, and its file is it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fakemamba.evaluation.embedding_files import EmbeddingOrigin, EmbeddingsError
from fakemamba.evaluation.tracing.classifiers import CLASSIFIERS, RULES
from fakemamba.evaluation.tracing.model_files import (
    TracerError,
    TracerModel,
    read_tracer,
    write_tracer,
)
from fakemamba.evaluation.tracing.protocol import TracingError
from fakemamba.evaluation.tracing.tracer import Choices, fit_tracer
from fakemamba.files import file_sha256
from fakemamba.records import write_sealed

ORIGIN = EmbeddingOrigin("ab" * 32, 3, 66_800)


def made(count, distance=1.0, seed=0, classes=4, width=8):
    means = distance * np.random.default_rng(9).standard_normal((classes, width))
    codes = np.arange(count) % classes
    vectors = means[codes] + np.random.default_rng(seed).standard_normal((count, width))
    return vectors, np.array([f"A{one}" for one in codes], object)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_new_trials_of_the_systems_are_refused_as_often_as_asked(name, rule):
    tracer = fit_tracer(*made(500), None, Choices(name, rule, 0.1))
    refused = tracer.trace(made(1_000, seed=1)[0]).is_none.mean()
    assert refused == pytest.approx(0.1, abs=0.05) and tracer.held_out == 500
    assert (
        not fit_tracer(*made(200), None, Choices(name, rule, 0)).trace(made(200)[0]).is_none.all()
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_as_often_right_as_they_say(name):
    tracer = fit_tracer(*made(600, 0.7), None, Choices(name))
    vectors, labels = made(1_200, 0.7, seed=1)
    said = tracer.trace(vectors)
    np.testing.assert_allclose(said.probabilities.sum(1), 1)
    assert (said.probabilities.argmax(1) == said.codes).all()
    right = np.array(tracer.classes, object)[said.codes] == labels
    assert 0.4 < right.mean() < 0.95
    assert said.probabilities.max(1).mean() == pytest.approx(right.mean(), abs=0.06)


def test_what_nothing_can_be_told_apart_in_is_refused():
    vectors, labels = made(40)
    with pytest.raises(TracingError, match="all 40 embeddings are equal"):
        fit_tracer(np.ones_like(vectors), labels, None, Choices())
    with pytest.raises(TracingError, match="fewer than two systems"):
        fit_tracer(vectors, np.full(40, "A", object), None, Choices())
    with pytest.raises(TracingError, match="--refuse 1: give a share"):
        Choices(refuse=1)


@pytest.fixture
def model():
    vectors, labels = made(80)
    tracer = fit_tracer(vectors, labels, None, Choices("mahalanobis"))
    tables = {"language": {"en": {"A0": 20}}}
    return TracerModel(tracer, ORIGIN, 8, "attack", tables, ("00ff",))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_tracer_that_was_read_says_the_same_to_the_last_bit(name, model, tmp_path):
    vectors, labels = made(80)
    written = replace(model, tracer=fit_tracer(vectors, labels, None, Choices(name, "energy", 0.2)))
    write_tracer(tmp_path / "deep" / "model", written)
    found = read_tracer(tmp_path / "deep" / "model")
    before, after = written.tracer.trace(vectors), found.tracer.trace(vectors)
    np.testing.assert_array_equal(before.probabilities, after.probabilities)
    np.testing.assert_array_equal(before.is_none, after.is_none)
    assert found.tracer.choices == written.tracer.choices
    assert found.tracer.classes == ("A0", "A1", "A2", "A3")
    same = ("origin", "width", "label", "tables", "fitted_on")
    assert [getattr(found, one) for one in same] == [getattr(written, one) for one in same]
    write_tracer(tmp_path / "deep" / "model", written)  # a tracer may take another's place


def test_what_is_no_tracer_is_not_written_over(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    for place in (tmp_path / "mine", tmp_path / "mine" / "thesis.tex"):
        with pytest.raises(TracerError, match="is there and is no tracer"):
            write_tracer(place, model)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("file", ["tracer.json", "tracer.npz"])
def test_a_damaged_tracer_is_refused(file, model, tmp_path):
    write_tracer(tmp_path / "model", model)
    path = tmp_path / "model" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(TracerError, match=f"{file}.*fakemamba trace fit"):
        read_tracer(tmp_path / "model")
    path.unlink()
    with pytest.raises(TracerError, match=file):
        read_tracer(tmp_path / "model")


def test_objects_in_a_tracer_are_never_run(model, tmp_path, attack):
    dangerous, marker = attack
    write_tracer(tmp_path / "model", model)
    arrays, record = tmp_path / "model" / "tracer.npz", tmp_path / "model" / "tracer.json"
    np.savez(arrays, means=np.array([dangerous], object))
    with pytest.raises(TracerError, match=r"is not that which tracer\.json is about"):
        read_tracer(tmp_path / "model")
    content = json.loads(record.read_text()) | {"arrays_sha256": file_sha256(arrays)}
    del content["sha256"]
    write_sealed(record, content)  # as who made the arrays would
    with pytest.raises(TracerError, match="Object arrays cannot be loaded"):
        read_tracer(tmp_path / "model")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weights_sha256": "cd" * 32}, "weights abababababab.*weights cdcdcdcdcdcd"),
        ({"layer": None}, "fitted to layer 3 of.*but these are the detector's own embedding"),
        ({"length": None}, "--length 66800, but these are.*whole recordings"),
    ],
)
def test_embeddings_of_another_space_are_refused_with_both_named(model, change, named):
    model.check_origin(ORIGIN)
    with pytest.raises(EmbeddingsError, match=named):
        model.check_origin(replace(ORIGIN, **change))


def test_json_of_a_tracer_is_plain(model, tmp_path):
    write_tracer(tmp_path / "model", model)
    content = json.loads((tmp_path / "model" / "tracer.json").read_text())
    assert content["kind"] == "fakemamba-tracer" and content["schema"] == 1
    assert content["classes"] == ["A0", "A1", "A2", "A3"] and len(content["sha256"]) == 64
