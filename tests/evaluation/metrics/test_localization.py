"""Segment and range EER, F1, IoU and collars against sums over a fine grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.localization import (
    averaged,
    f1,
    frame_hits,
    intersection_over_union,
    labelled_frames,
    labelled_time,
    range_eer,
    segment_eer,
    time_hits,
)
from fakemamba.evaluation.metrics.segments import (
    Segment,
    cuts_s,
    near_cuts,
    without_collars,
)

FRAME_S = 0.02


def utterances(seed, count=4, distinct=None):
    """Scores and segments of utterances of up to 1 s, whose labels change at whole milliseconds."""
    rng = np.random.default_rng(seed)
    scores, segments = {}, {}
    for number in range(count):
        frames = int(rng.integers(12, 50))
        end_ms = int(frames * FRAME_S * 1000)
        inner = np.sort(rng.choice(np.arange(1, end_ms), 4, replace=False))
        edges_s = np.array([0, *inner, end_ms]) / 1000
        first = int(rng.integers(2))
        segments[f"u{number}"] = [
            Segment(edges_s[place], edges_s[place + 1], (place + first) % 2 == 1)
            for place in range(len(edges_s) - 1)
        ]
        values = rng.normal(size=frames)
        scores[f"u{number}"] = values if distinct is None else np.round(values * distinct)
    return scores, segments


def labels_and_scores_on_a_grid(scores, segments, step_s=1e-4):
    """The label and the score at the middles of steps (n,) that no label or frame cuts."""
    is_bonafide, values = [], []
    for name, parts in segments.items():
        times_s = np.arange(step_s / 2, parts[-1].end_s, step_s)
        labels = np.zeros(len(times_s), bool)
        for part in parts:
            labels[(times_s >= part.start_s) & (times_s < part.end_s)] = part.is_bonafide
        is_bonafide.append(labels)
        values.append(scores[name][(times_s / FRAME_S).astype(int)])
    return np.concatenate(is_bonafide), np.concatenate(values)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([None, 2]))
def test_range_eer_is_the_one_of_time_on_a_fine_grid(seed, distinct):
    scores, segments = utterances(seed, distinct=distinct)
    is_bonafide, values = labels_and_scores_on_a_grid(scores, segments)
    points = []
    for threshold in [-np.inf, *np.unique(values)]:
        miss = (values[is_bonafide] <= threshold).mean()
        false_accept = (values[~is_bonafide] > threshold).mean()
        points.append((abs(miss - false_accept), (miss + false_accept) / 2))
    points.sort()
    # In a near tie of two thresholds rounding decides, and either is right.
    nearest = [eer for gap, eer in points if gap < points[0][0] + 1e-9]
    assert min(abs(range_eer(scores, segments).eer - eer) for eer in nearest) < 1e-9


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_finer_frames_of_the_same_scores_have_the_same_range_eer(seed, parts):
    scores, segments = utterances(seed)
    finer = {name: np.repeat(values, parts) for name, values in scores.items()}
    found = range_eer(finer, segments, FRAME_S / parts)
    assert found.eer == pytest.approx(range_eer(scores, segments).eer, abs=1e-9)


def test_range_eer_of_a_single_spoofed_stretch_is_known():
    scores = {"u": np.array([1.0, 1.0, -1.0, -1.0])}  # 1 s each
    segments = {"u": [Segment(0, 1.5, True), Segment(1.5, 4, False)]}
    # From −1 to 1: rejects no bona fide time of 1.5 s, accepts 0.5 s of 2.5 s of spoof.
    assert range_eer(scores, segments, 1.0).eer == pytest.approx((0 + 0.2) / 2)
    assert range_eer(scores, segments, 1.0).threshold == -1


@pytest.mark.parametrize(
    ("rule", "spoof_frames"), [("centre", [2]), ("start", [2, 3]), ("overlap", [1, 2, 3])]
)
def test_a_rule_labels_the_frames(rule, spoof_frames):
    segments = {"u": [Segment(0, 1.6, True), Segment(1.6, 3.2, False), Segment(3.2, 5, True)]}
    scores = np.ones(5)  # frames of 1 s
    scores[spoof_frames] = -1
    assert segment_eer({"u": scores}, segments, 1.0, rule).eer == 0
    for frame in range(5):  # any other labelling makes an error
        other = scores.copy()
        other[frame] *= -1
        assert segment_eer({"u": other}, segments, 1.0, rule).eer > 0


def test_time_without_a_label_counts_for_nothing():
    gap = {"u": [Segment(0, 1, True), Segment(2, 3, False)]}
    for metric in (segment_eer, range_eer):
        for between in (-5.0, 5.0):
            found = metric({"u": np.array([1.0, between, -1.0])}, gap, 1.0)
            assert (found.eer, found.threshold) == (0, -1)


def test_the_last_frame_lasts_as_long_as_the_labels():
    segments = {"u": [Segment(0, 1, True), Segment(1, 3.5, False)]}
    # Of spoof, 1 s has the score 2 and 1.5 s the score 0; bona fide has 1.
    found = range_eer({"u": np.array([1.0, 2.0, 0.0])}, segments, 1.0)
    assert found.eer == pytest.approx((0 + 1 / 2.5) / 2)


def test_utterances_that_do_not_match_are_refused():
    scores, segments = utterances(0)
    first = scores.pop("u0")
    with pytest.raises(MetricError, match="1 utterances have labels but no scores: u0"):
        range_eer(scores, segments)
    scores["u0"] = first
    scores["other"] = first
    with pytest.raises(MetricError, match="1 utterances have scores but no labels: other"):
        segment_eer(scores, segments)
    with pytest.raises(MetricError, match="no utterance has scores"):
        range_eer({}, {})


def test_frames_of_another_length_are_refused():
    scores, segments = utterances(0)
    with pytest.raises(MetricError, match=r"u0: .* labels end at .* give the frames' own length"):
        range_eer(scores, segments, 2 * FRAME_S)
    with pytest.raises(MetricError, match="longer than 0 s"):
        range_eer(scores, segments, 0)


@pytest.mark.parametrize("metric", [segment_eer, range_eer])
def test_one_class_alone_has_no_eer(metric):
    with pytest.raises(MetricError, match="spoof: no"):
        metric({"u": np.array([1.0, 2.0])}, {"u": [Segment(0, 0.04, True)]})
    with pytest.raises(MetricError, match=r"u: .*NaN"):
        metric({"u": np.array([1.0, np.nan])}, {"u": [Segment(0, 0.04, True)]})
