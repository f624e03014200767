"""Classifiers of arrays say what scikit-learn's objects do, and score what is like their fit."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import softmax
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakemamba.evaluation.tracing.classifiers import (
    CLASSIFIERS,
    Linear,
    Mahalanobis,
    NearestNeighbours,
    seen_scores,
    unit,
)


def made(classes, seed=0, count=90, width=6):
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    means = 1.5 * rng.standard_normal((classes, width))
    vectors = (means[codes] + rng.standard_normal((count, width))) * [1, 10, 1, 1, 0.1, 1] + 3
    return vectors[:60], codes[:60], vectors[60:]


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_linear_is_the_logistic_regression(classes):
    vectors, codes, others = made(classes)
    regression = LogisticRegression(class_weight="balanced", max_iter=2_000)
    expected = make_pipeline(StandardScaler(), regression).fit(vectors, codes)
    found = Linear.fit(vectors, codes)
    chances = softmax(found.logits(others), axis=1)
    np.testing.assert_allclose(chances, expected.predict_proba(others), rtol=1e-6, atol=1e-9)


def test_neighbours_vote_as_those_of_scikit_learn_with_their_cosines():
    vectors, codes, others = made(3)
    middle = vectors.mean(0)
    expected = KNeighborsClassifier(
        5, metric="cosine", weights=lambda distances: (1 - distances).clip(0)
    ).fit(vectors - middle, codes)
    found = NearestNeighbours.fit(vectors, codes)
    votes = found.logits(others)
    shares = votes / votes.sum(1, keepdims=True)
    np.testing.assert_allclose(shares, expected.predict_proba(others - middle), atol=1e-9)
    distances = expected.kneighbors(others - middle)[0].mean(1)
    np.testing.assert_allclose(found.distances(others), distances, atol=1e-9)


def test_fewer_references_than_neighbours_all_vote():
    found = NearestNeighbours.fit(np.eye(3), np.array([0, 1, 1]))
    assert found.logits(np.eye(3)).argmax(1).tolist() == [0, 1, 1]


def test_mahalanobis_distances_are_those_of_scipy():
    vectors, codes, others = made(4)
    spread, middle = vectors.std(0), vectors.mean(0)
    given, asked = (vectors - middle) / spread, (others - middle) / spread
    means = np.stack([given[codes == one].mean(0) for one in range(4)])
    precision = LedoitWolf(assume_centered=True).fit(given - means[codes]).precision_
    expected = np.array([[mahalanobis(one, mean, precision) for mean in means] for one in asked])
    found = Mahalanobis.fit(vectors, codes)
    np.testing.assert_allclose(found.logits(others), -(expected**2) / 2, rtol=1e-9)
    np.testing.assert_allclose(found.distances(others), expected.min(1), rtol=1e-9)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_feature_that_never_changes_and_a_vector_of_zeros_are_no_trouble(name):
    vectors, codes, others = made(3)
    vectors[:, 2], others[:, 2], others[0] = 7, 7, 0
    found = CLASSIFIERS[name].fit(vectors, codes)
    for scores in (found.logits(others), *seen_scores(found, others).values()):
        assert np.isfinite(scores).all()
    assert not unit(np.zeros((1, 3))).any()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scores_do_not_depend_on_the_other_vectors(name):
    vectors, codes, others = made(3)
    found = CLASSIFIERS[name].fit(vectors, codes)
    for rule, scores in seen_scores(found, others).items():
        alone = [seen_scores(found, one[None])[rule][0] for one in others]
        np.testing.assert_allclose(scores, alone, rtol=1e-9)


def test_the_order_by_softmax_is_that_of_the_greatest_share_without_its_ties():
    vectors, codes, others = made(4)
    found = Linear.fit(vectors, codes)
    greatest = softmax(found.logits(others), axis=1).max(1)
    scores = seen_scores(found, others)["softmax"]
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), greatest)
    far = seen_scores(found, 1e3 * others)["softmax"]  # whose shares are all 1
    assert len(set(far)) == len(far)


def test_a_layer_that_was_trained_elsewhere_keeps_its_logits_and_has_distances():
    vectors, codes, others = made(3)
    rng = np.random.default_rng(1)
    weight, bias = rng.standard_normal((3, 6)), rng.standard_normal(3)
    found = Linear.of_layer(weight, bias, vectors, codes)
    np.testing.assert_allclose(found.logits(others), others @ weight.T + bias, atol=1e-9)
    np.testing.assert_allclose(
        found.distances(others), Linear.fit(vectors, codes).distances(others)
    )
