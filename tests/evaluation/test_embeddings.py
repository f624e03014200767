"""Embeddings are the detector's, and the numbers beside a map say what the space holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from fakemamba.data.audio import cut_or_tile, read_audio
from fakemamba.data.synthetic import speech_like
from fakemamba.data.trials import Trial
from fakemamba.evaluation.embedding_files import (
    EmbeddingOrigin,
    EmbeddingsError,
    read_embeddings,
    write_embeddings,
)
from fakemamba.evaluation.embeddings import embed_trials
from fakemamba.evaluation.linear_probe import ProbeError, held_out_scores
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.separability import SeparabilityError, project, separability

MANNER = Manner(batch_seconds=2.5, workers=2)


@pytest.fixture
def trials(tmp_path):
    """Four recordings of different lengths."""
    listed = []
    for seed, num_samples in enumerate((9_000, 16_000, 900, 5_000)):
        path = tmp_path / f"clip{seed}.wav"
        soundfile.write(path, speech_like(num_samples, seed), 16_000, subtype="FLOAT")
        label = "spoof" if seed % 2 else "bonafide"
        listed.append(Trial(path.stem, path, label, attack="A01" if seed % 2 else None))
    return listed


@torch.inference_mode()
def alone(detector, waveform):
    return detector.embed(torch.from_numpy(waveform)[None])[0].numpy()


@pytest.mark.parametrize("name", ["fake-mamba-s", "xlsr-conformer"])
def test_a_vector_is_the_embedding_of_the_recording_alone(trials, make_detector, name):
    detector = make_detector(name)
    found = embed_trials(detector, trials, MANNER)
    assert found.trials == tuple(trials) and found.failures == ()
    assert found.vectors.dtype == np.float32
    for trial, vector in zip(trials, found.vectors, strict=True):
        expected = alone(detector, read_audio(trial.path))
        np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)


def test_a_fixed_length_cuts_or_tiles(trials, make_detector):
    detector = make_detector("fake-mamba-s")
    found = embed_trials(detector, trials, replace(MANNER, length=8_000))
    expected = alone(detector, cut_or_tile(read_audio(trials[2].path), 8_000))
    np.testing.assert_allclose(found.vectors[2], expected, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_embedded_is_listed_and_the_others_are_not_lost(trials, make_detector):
    trials.insert(1, Trial("absent", trials[0].path.with_name("absent.wav"), "spoof"))
    found = embed_trials(make_detector("xlsr-aasist"), trials, MANNER)
    assert [trial.trial_id for trial in found.trials] == ["clip0", "clip1", "clip3"]
    assert len(found.failures) == 2
    assert "absent.wav: no such file" in found.failures[0]
    assert "clip2.wav" in found.failures[1] and "needs 1040" in found.failures[1]


def test_vectors_that_are_no_numbers_are_listed(trials, make_detector):
    detector = make_detector("fake-mamba-s")
    torch.nn.init.constant_(next(detector.encoder.parameters()), float("nan"))
    found = embed_trials(detector, trials, MANNER)
    assert found.trials == () and found.vectors.shape == (0, 0)
    assert all("is not finite" in failure for failure in found.failures)


def test_the_file_holds_no_objects(trials, make_detector, tmp_path):
    found = embed_trials(make_detector("fake-mamba-s"), trials, MANNER)
    write_embeddings(tmp_path / "deep" / "embeddings.npz", found)
    with np.load(tmp_path / "deep" / "embeddings.npz", allow_pickle=False) as content:
        np.testing.assert_array_equal(content["vectors"], found.vectors)
        assert content["trial_ids"].tolist() == ["clip0", "clip1", "clip2", "clip3"]
        assert content["labels"].tolist() == ["bonafide", "spoof"] * 2
        assert content["attacks"].tolist() == ["", "A01"] * 2
        assert content["speakers"].tolist() == [""] * 4


def test_a_file_that_was_read_is_what_was_written(trials, make_detector, tmp_path):
    detector = make_detector("fake-mamba-s")
    told = replace(trials[1], language="fr", source="a", vocoder="v", speaker="s", family="f")
    made = embed_trials(detector, [trials[0], told], MANNER, layer="all")
    made = replace(made, origin=EmbeddingOrigin("ab" * 32, None, 8_000))
    write_embeddings(tmp_path / "all.npz", made)
    found = read_embeddings(tmp_path / "all.npz")
    assert found.trials == made.trials and found.origin == made.origin
    np.testing.assert_array_equal(found.vectors, made.vectors)
    np.testing.assert_array_equal(found.layers, made.layers)
    second = found.at(2)
    assert second.origin.layer == 2 and second.layers is None
    np.testing.assert_array_equal(second.vectors, made.layers[:, 2])
    assert second.at(2) is not None
    with pytest.raises(EmbeddingsError, match="there is no layer 3: the front-end has 0 to 2"):
        found.at(3)
    with pytest.raises(EmbeddingsError, match=r"these are layer 2 of.*not the detector's own"):
        second.at(None)


def test_what_is_no_file_of_embeddings_is_refused(trials, make_detector, tmp_path, attack):
    dangerous, marker = attack
    path = tmp_path / "x.npz"
    for content, message in ((b"path,label\n", "is no npz"), (b"", "is no npz")):
        path.write_bytes(content)
        with pytest.raises(EmbeddingsError, match=message):
            read_embeddings(path)
    np.savez(path, vectors=np.array([dangerous], object))
    with pytest.raises(EmbeddingsError, match="Object arrays cannot be loaded"):
        read_embeddings(path)
    assert not marker.exists()
    write_embeddings(path, embed_trials(make_detector("fake-mamba-s"), trials, MANNER))
    with pytest.raises(EmbeddingsError, match="has no layer, length, weights_sha256; write it"):
        read_embeddings(path)
    with pytest.raises(EmbeddingsError, match="no such file"):
        read_embeddings(tmp_path / "absent.npz")


@torch.inference_mode()
def test_layers_of_one_pass_are_those_of_the_recording_alone(trials, make_detector):
    # One detector takes the normed last layer, one all layers, one cuts what it is given.
    for name in ("fake-mamba-s", "xlsr-sls", "xlsr-aasist"):
        detector = make_detector(name)
        given = trials if name == "fake-mamba-s" else [trials[0], trials[1]]
        every = embed_trials(detector, given, MANNER, layer="all")
        own = embed_trials(detector, given, MANNER)
        np.testing.assert_array_equal(every.vectors, own.vectors)
        assert every.layers.shape == (len(given), 3, 64)
        for layer in range(3):
            one = embed_trials(detector, given, MANNER, layer=layer)
            np.testing.assert_allclose(one.vectors, every.layers[:, layer], rtol=1e-5, atol=1e-6)
        for place, trial in enumerate(given):
            waveform = torch.from_numpy(read_audio(trial.path))[None]
            states, _ = detector.frontend.layer_frames(detector.prepared(waveform)[0])
            for state, vector in zip(states, every.layers[place], strict=True):
                expected = state.mean(1)[0].numpy()
                np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_there_is_refused(trials, make_detector):
    for layer in (-1, 3):
        with pytest.raises(EmbeddingsError, match="the front-end has 0 to 2"):
            embed_trials(make_detector("fake-mamba-s"), trials, MANNER, layer=layer)


def table(labels, speakers=None, attacks=None):
    columns = {"label": labels, "speaker": speakers, "attack": attacks}
    values = {
        name: [None] * len(labels) if column is None else list(column)
        for name, column in columns.items()
    }
    return pd.DataFrame(values, dtype=object)


def clouds(distance, count=150, width=24, seed=0):
    """Two Gaussian classes that differ along one direction, bona fide and spoof in turn."""
    rng = np.random.default_rng(seed)
    labels = ["bonafide", "spoof"] * count
    vectors = rng.standard_normal((2 * count, width))
    vectors[::2, 3] += distance
    return vectors, labels


def test_the_probe_finds_what_gaussian_classes_allow():
    vectors, labels = clouds(2.0, count=1_000)
    found = separability(vectors, table(labels))
    # The EER of two Gaussians two standard deviations apart is Φ(−1) = 15.87 %.
    assert found.probe_eer == pytest.approx(0.1587, abs=0.02)
    assert found.probe_low < found.probe_eer < found.probe_high
    assert (found.kept_together, found.folds) == ("trial", 5)
    assert "linear probe EER 1" in found.in_words[0]


def test_no_difference_is_chance_and_no_silhouette():
    found = separability(*_with_table(clouds(0.0)))
    assert found.probe_eer == pytest.approx(0.5, abs=0.07)
    assert abs(found.silhouette) < 0.01


def test_classes_far_apart_are_compact_and_separable():
    found = separability(*_with_table(clouds(60.0)))
    assert found.probe_eer == 0 and found.silhouette > 0.8
    content = found.to_json()
    assert content["silhouette_spoof"] > 0.8 and "0.5 is chance" in content["meaning"]["probe_eer"]


def _with_table(made):
    vectors, labels = made
    return vectors, table(labels)


def test_knowing_a_speaker_again_is_not_telling_the_classes_apart():
    # Each speaker has a place of its own and says one class only: the voice gives the class away.
    rng = np.random.default_rng(1)
    speaker = np.arange(400) % 20
    labels = np.where(speaker % 2, "spoof", "bonafide")
    vectors = 5 * rng.standard_normal((20, 30))[speaker] + rng.standard_normal((400, 30))
    alone = separability(vectors, table(labels))
    grouped = separability(vectors, table(labels, [f"s{one}" for one in speaker]))
    assert alone.probe_eer < 0.02 and alone.kept_together == "trial"
    assert grouped.probe_eer > 0.25 and grouped.kept_together == "speaker"


def test_attacks_are_kept_together_where_speakers_are_not_known():
    vectors, labels = clouds(3.0)
    attacks = [f"A{place // 2 % 4}" if place % 2 else None for place in range(len(labels))]
    held_out = held_out_scores(vectors, table(labels, attacks=attacks))
    assert (held_out.kept_together, held_out.folds) == ("attack", 4)
    one = table(labels, attacks=[attack and "A0" for attack in attacks])
    assert held_out_scores(vectors, one).kept_together == "trial"


def test_held_out_scores_do_not_depend_on_the_trials_own_label():
    vectors, labels = clouds(0.0, count=40)
    scores = held_out_scores(vectors, table(labels)).scores
    vectors[0] += 1e3  # a probe that had seen this trial would have learned its class
    scores_far = held_out_scores(vectors, table(labels)).scores
    flipped = ["spoof", "bonafide", *labels[2:]]
    assert np.isfinite(scores_far).all() and len(scores) == 80
    assert abs(held_out_scores(vectors, table(flipped)).scores[0]) > 10


@pytest.mark.parametrize("count", [0, 1])
def test_a_class_of_one_cannot_be_held_out(count):
    labels = ["bonafide"] * count + ["spoof"] * 5
    with pytest.raises(ProbeError, match=f"a class has {count} trials"):
        separability(np.eye(len(labels)), table(labels))


def test_embeddings_that_are_all_the_same_are_refused():
    with pytest.raises(SeparabilityError, match="all 8 embeddings are equal"):
        separability(np.ones((8, 3)), table(["bonafide", "spoof"] * 4))


@pytest.mark.parametrize(
    "method",
    ["tsne", pytest.param("umap", marks=pytest.mark.at_length)],  # which compiles itself
)
def test_a_map_is_the_same_for_the_same_seed_and_keeps_neighbours(method):
    if method == "umap":
        pytest.importorskip("umap")
    vectors, labels = clouds(30.0, count=40)
    places = project(vectors, method, seed=3)
    assert places.shape == (80, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(places, project(vectors, method, seed=3))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    assert np.mean(np.array(labels)[nearest] == np.array(labels)) > 0.95
    assert project(vectors[:4], method).shape == (4, 2)
    with pytest.raises(SeparabilityError, match="3 embeddings are no map"):
        project(vectors[:3], method)
