"""Who is traced: what is left out is counted, and folds keep apart what they should."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.evaluation.tracing.folds import divide, inner_folds, split
from fakemamba.evaluation.tracing.protocol import TracingError, check_classes, traced


def changed(embeddings, **fields):
    """Embeddings whose trials have other fields, by functions of their places."""
    trials = [
        replace(one, **{name: of(place) for name, of in fields.items()})
        for place, one in enumerate(embeddings.trials)
    ]
    return replace(embeddings, trials=tuple(trials))


def test_bona_fide_and_unnamed_trials_are_left_out_and_counted(clusters):
    mixed = changed(
        clusters(4),
        label=lambda place: "bonafide" if place % 4 == 0 else None,
        attack=lambda place: None if place % 4 == 1 else f"A{place % 4}",
    )
    found = traced(mixed)
    assert found.left_out == {"bona fide": 40, "without attack": 40}
    assert set(found.labels) == {"A2", "A3"} and len(found.vectors) == len(found.table) == 80
    np.testing.assert_array_equal(found.vectors[0], mixed.vectors[2])
    with_them = traced(mixed, with_bonafide=True)
    assert set(with_them.labels) == {"bonafide", "A2", "A3"}
    assert with_them.left_out == {"without attack": 40}


def test_only_systems_with_every_language_are_kept_if_asked_for(clusters):
    tied = changed(clusters(4), language=lambda place: "it" if place % 4 == 0 else "enfr"[:2])
    with pytest.raises(TracingError, match="fewer than two attacks have all 2 values of language"):
        traced(tied, shared_by="language")
    some = changed(
        clusters(4), language=lambda place: "it" if place % 4 == 0 or place % 3 == 0 else "en"
    )
    found = traced(some, shared_by="language")
    assert set(found.labels) == {"A1", "A2", "A3"}
    assert found.left_out == {"whose attack not every language has": 40}


@pytest.mark.parametrize(
    ("fields", "how", "message"),
    [
        ({"label": lambda place: "bonafide"}, {}, "none of 160 trials is spoofed"),
        ({"attack": lambda place: None}, {}, "says its attack; give --label family"),
        ({}, {"label": "vocoder"}, "no trial says its vocoder; give --label attack"),
        ({"trial_id": lambda place: "x"}, {}, "159 trials stand among these twice"),
        ({"language": lambda place: None}, {"shared_by": "language"}, "without a language"),
    ],
)
def test_what_cannot_be_traced_is_refused(clusters, fields, how, message):
    with pytest.raises(TracingError, match=message):
        traced(changed(clusters(4), **fields), **how)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "two attacks or more, but there is none"),
        (["a"] * 4, "only a"),
        (["a", "a", "b"], "one trial alone is of the attack b"),
    ],
)
def test_what_nothing_can_be_fitted_to_is_refused(labels, message):
    with pytest.raises(TracingError, match=message):
        check_classes(np.array(labels, object), "attack")


@given(st.integers(2, 4), st.integers(2, 8), st.integers(0, 1000), st.booleans())
def test_folds_hold_each_trial_out_once_and_keep_groups_apart(systems, speakers, seed, by_group):
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"A{one}" for one in range(systems)], 4 * speakers).astype(object)
    groups = np.array([f"s{one}" for one in np.tile(np.arange(speakers), 4 * systems)], object)
    is_seen = (labels != "A0") | (systems == 2)
    order = rng.permutation(len(labels))
    labels, groups, is_seen = labels[order], groups[order], is_seen[order]
    folds = divide(labels, is_seen, groups if by_group else None, "speaker", seed)
    held = np.concatenate([one for _, one in folds.parts])
    assert sorted(held) == list(range(len(labels)))
    for fit, out in folds.parts:
        assert set(labels[fit]) == set(labels[is_seen]) and not set(fit) & set(out)
        if by_group:
            assert not set(groups[fit]) & set(groups[out])


def test_inner_folds_never_hold_out_a_single_trial():
    labels = np.array(["a"] * 4 + ["b"] * 4 + ["c"], object)
    for fit, held in inner_folds(labels, None, 0).parts:
        assert 8 in fit and 8 not in held
    with pytest.raises(TracingError, match="no system has two trials"):
        inner_folds(np.array(["a", "b"], object), None, 0)


def test_speakers_are_held_apart_where_that_leaves_nothing_out(clusters):
    found, folds = split(traced(clusters(3)), None, [], 0)
    assert folds.kept_together == "speaker" and not found.left_out
    one_voice = changed(
        clusters(3), speaker=lambda place: "joe" if place % 3 == 0 else f"s{place % 4}"
    )
    _, by_trial = split(traced(one_voice), None, [], 0)
    assert by_trial.kept_together == "trial"
    kept, by_speaker = split(traced(one_voice), "speaker", [], 0)
    assert by_speaker.kept_together == "speaker" and set(kept.labels) == {"A1", "A2"}
    assert kept.left_out == {"with one speaker for their attack": 40}
    with_unseen, _ = split(traced(one_voice), "speaker", ["A0"], 0)
    assert set(with_unseen.labels) == {"A0", "A1", "A2"}


@pytest.mark.parametrize(
    ("by", "unseen", "message"),
    [
        (None, ["A9"], "no trial is of the unseen A9; there are A0, A1, A2"),
        (None, ["A0", "A1"], "two attacks or more, but there is only A2"),
        ("source", [], "120 of 120 trials do not say their source"),
    ],
)
def test_what_cannot_be_split_is_refused(clusters, by, unseen, message):
    with pytest.raises(TracingError, match=message):
        split(traced(clusters(3)), by, unseen, 0)
