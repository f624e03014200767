"""Figures of the closed and the open set and of pairs are scikit-learn's, also of draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score, roc_curve

from fakemamba.evaluation.metrics.detection import equal_error
from fakemamba.evaluation.tracing.closed_set import Named, Right
from fakemamba.evaluation.tracing.intervals import TracingFigure, clusters, figures_of
from fakemamba.evaluation.tracing.open_set import SeenOrNot
from fakemamba.evaluation.tracing.verification import MOST_TRIALS, verify
from fakemamba.evaluation.uncertainty import Resampling

FEW = Resampling(60)
scores_of = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)


@given(scores_of, scores_of, st.data())
def test_the_open_set_is_that_of_scikit_learn_for_any_draw(seen, unseen, data):
    scores = np.array([*seen, *unseen])
    drawn = st.lists(st.integers(0, 3), min_size=len(scores), max_size=len(scores))
    counts = np.array(data.draw(drawn), np.int32)
    truth = np.arange(len(scores)) < len(seen)
    found = SeenOrNot(scores, len(seen)).measure(counts)
    if not counts[truth].any() or not counts[~truth].any():
        assert np.isnan(found).all()
        return
    copies, of_copies = np.repeat(scores, counts), np.repeat(truth, counts)
    false, true, _ = roc_curve(of_copies, copies, drop_intermediate=False)
    assert found[0] == pytest.approx(roc_auc_score(of_copies, copies))
    assert found[1] == pytest.approx(false[true >= 0.95 - 1e-12].min())
    assert found[2] == pytest.approx(equal_error(copies[of_copies], copies[~of_copies]).eer)


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_the_closed_set_is_that_of_scikit_learn_for_any_draw(classes, seed):
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, classes, (2, 15))
    counts = rng.integers(0, 3, 15).astype(np.int32)
    counts[0] = 1
    copies = np.repeat(truth, counts), np.repeat(said, counts)
    named = Named(truth, said, classes)
    accuracy, f1 = named.measure(counts)
    assert accuracy == pytest.approx(accuracy_score(*copies))
    there = sorted(set(copies[0]))
    expected = f1_score(*copies, labels=there, average="macro", zero_division=0)
    assert f1 == pytest.approx(expected)
    matrix = confusion_matrix(*copies, labels=range(classes))
    np.testing.assert_array_equal(named.confusion(counts), matrix)
    right = Right((truth == said).astype(np.int64))
    assert right.measure(counts)[0] == pytest.approx(accuracy)
    assert np.isnan(right.measure(0 * counts)).all()


def test_speakers_that_err_together_have_wider_intervals_than_trials():
    right = Right(np.repeat([1, 1, 1, 0, 0, 1], 50))  # each speaker all right or all wrong
    by_speaker = figures_of(right, ["a"], np.repeat(np.arange(6), 50), FEW)["a"]
    by_trial = figures_of(right, ["a"], None, FEW)["a"]
    assert by_speaker.value == by_trial.value == pytest.approx(4 / 6)
    assert by_speaker.high - by_speaker.low > 3 * (by_trial.high - by_trial.low)
    assert figures_of(right, ["a"], None, Resampling(0))["a"] == TracingFigure(
        by_trial.value, None, None
    )


def test_speakers_are_drawn_only_where_all_trials_have_one(clusters_table):
    assert clusters(clusters_table(["a", "b", "a"]), FEW).tolist() == [0, 1, 0]
    assert clusters(clusters_table(["a", "a", "a"]), FEW) is None
    assert clusters(clusters_table(["a", "b", None]), FEW) is None
    assert clusters(clusters_table(["a", "b", "a"]), Resampling(60, clustered=False)) is None


@pytest.fixture
def clusters_table():
    import pandas as pd

    return lambda speakers: pd.DataFrame({"speaker": pd.Series(speakers, dtype=object)})


def test_verification_is_the_eer_of_all_pairs():
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"] * 8, object)
    vectors = rng.standard_normal((24, 5)) + 2 * np.eye(5)[np.tile(range(3), 8)]
    centred = vectors - vectors.mean(0)
    same, different = [], []
    for first in range(24):
        for second in range(first):
            one, other = centred[first], centred[second]
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            (same if labels[first] == labels[second] else different).append(cosine)
    found = verify(vectors, labels, None, FEW)
    assert (found.same, found.different) == (len(same), len(different))
    assert found.eer.value == pytest.approx(equal_error(np.array(same), np.array(different)).eer)
    assert found.eer.low <= found.eer.value <= found.eer.high


def test_a_voice_that_is_known_again_does_not_count_as_the_same_system():
    # Vectors are of the speaker alone: pairs of one speaker are alike, whatever the system.
    rng = np.random.default_rng(1)
    speakers, labels = np.repeat(np.arange(10), 8), np.tile(np.array(["a", "b"], object), 40)
    vectors = 9 * rng.standard_normal((10, 20))[speakers] + rng.standard_normal((80, 20))
    found = verify(vectors, labels, speakers, FEW)
    assert found.across_speakers and found.same + found.different == 80 * 72 // 2
    assert found.eer.value == pytest.approx(0.5, abs=0.05)


def test_pairs_of_one_kind_alone_have_no_figure_and_many_trials_are_drawn_from():
    found = verify(np.eye(4), np.array(["a"] * 4, object), None, FEW)
    assert found.eer is None and "no pairs of two systems" in found.reason
    rng = np.random.default_rng(2)
    labels = np.array(["a", "b"] * MOST_TRIALS, object)
    many = verify(rng.standard_normal((len(labels), 3)), labels, None, Resampling(0))
    assert many.same + many.different == MOST_TRIALS * (MOST_TRIALS - 1) // 2
