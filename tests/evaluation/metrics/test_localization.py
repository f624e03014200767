"""Segment and range EER, F1, IoU and collars against sums over a fine grid."""

import numpy as np
import pytest
from hypothesis import example, given, settings
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
from fakemamba.evaluation.resampling import sweep_time

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


def cut_utterances(seed, spliced=2):
    """As `utterances`, of which the first also have cuts between segments of one class."""
    scores, segments = utterances(seed)
    for name in list(segments)[:spliced]:
        parts = segments[name]
        halves = [
            (Segment(one.start_s, middle, one.is_bonafide), Segment(middle, one.end_s, kind))
            for one in parts[:2]
            for middle, kind in [(round((one.start_s + one.end_s) / 2, 3), one.is_bonafide)]
            if one.start_s < middle < one.end_s
        ]
        segments[name] = [half for pair in halves for half in pair] + parts[2:]
    return scores, segments


def on_a_grid(scores, parts, collar_s):
    """Of each millisecond of an utterance: its label, its score, whether it is near a cut."""
    times_s = np.arange(0.0005, parts[-1].end_s, 0.001)
    labels = np.full(len(times_s), -1)
    for part in parts:
        labels[(times_s >= part.start_s) & (times_s < part.end_s)] = part.is_bonafide
    cuts = [part.start_s for part in parts[1:]]
    near = np.array([any(abs(time - cut) < collar_s for cut in cuts) for time in times_s])
    return labels, scores[(times_s / FRAME_S).astype(int)], near


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.005, 0.04, 0.3]), st.floats(-2, 2))
def test_time_that_is_flagged_off_cuts_is_that_of_a_grid(seed, collar_s, threshold):
    scores, segments = cut_utterances(seed)
    beyond = {name: without_collars(parts, collar_s) for name, parts in segments.items()}
    found = time_hits(labelled_time(scores, beyond, FRAME_S), threshold, len(scores))
    for number, (name, parts) in enumerate(segments.items()):
        labels, values, near = on_a_grid(scores[name], parts, collar_s)
        flagged = values < threshold
        spoof, bonafide = (labels == 0) & ~near, (labels == 1) & ~near
        expected = [(flagged & spoof).sum(), (flagged & bonafide).sum(), (~flagged & spoof).sum()]
        assert found[:, number] == pytest.approx(np.array(expected) / 1000, abs=1e-9)
    total = found.sum(axis=1)
    if total.sum():
        assert intersection_over_union(total) == pytest.approx(total[0] / total.sum())


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.04]), st.floats(-2, 2))
def test_f1_of_frames_is_that_of_their_centres(seed, collar_s, threshold):
    scores, segments = cut_utterances(seed)
    beyond = {name: without_collars(parts, collar_s) for name, parts in segments.items()}
    frames = labelled_frames(scores, beyond, FRAME_S, "centre")
    found = frame_hits(frames, threshold, len(scores)).sum(axis=1)
    truth, guess = [], []
    for name, parts in segments.items():
        for frame, score in enumerate(scores[name]):
            centre_s = (frame + 0.5) * FRAME_S
            if any(
                cut - collar_s - 1e-9 <= centre_s < cut + collar_s - 1e-9 for cut in cuts_s(parts)
            ):
                continue
            inside = [one for one in parts if one.start_s <= centre_s + 1e-9 < one.end_s]
            truth.append(not inside[0].is_bonafide)
            guess.append(score < threshold)
    truth, guess = np.array(truth, bool), np.array(guess, bool)
    hits = [(truth & guess).sum(), (~truth & guess).sum(), (truth & ~guess).sum()]
    assert found.tolist() == hits
    if sum(hits):
        precision, recall = hits[0] / max(guess.sum(), 1), hits[0] / max(truth.sum(), 1)
        wanted = 2 * precision * recall / (precision + recall) if hits[0] else 0
        assert f1(found) == pytest.approx(wanted)
    else:
        assert np.isnan(f1(found)) and np.isnan(intersection_over_union(found))


def test_cuts_are_between_all_adjoining_segments():
    parts = [Segment(0, 1, True), Segment(1, 1.5, True), Segment(1.5, 2, False)]
    assert cuts_s(parts).tolist() == [1, 1.5] and not len(cuts_s(parts[:1]))
    assert near_cuts(4, parts, 0.5, 0.25).tolist() == [False, True, True, True]
    assert not near_cuts(4, parts[:1], 0.5, 9).any()
    assert without_collars(parts, 0.2) == [
        Segment(0, 0.8, True),
        Segment(1.2, 1.3, True),
        Segment(1.7, 2, False),
    ]
    assert without_collars(parts, 0.3) == [Segment(0, 0.7, True), Segment(1.8, 2, False)]
    assert without_collars(parts[:1], 5) == parts[:1]


def test_frames_are_averaged_and_the_last_ones_by_themselves():
    found = averaged({"u": np.array([1.0, 3, 5, 7, 10])}, 2)
    assert found["u"].tolist() == [2, 6, 10]


@given(st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=4, max_size=4))
@example(0, [1, 1, 1, 1])
def test_an_utterance_that_counts_twice_is_two(seed, times):
    scores, segments = utterances(seed, distinct=2)
    copies = [
        f"{name}/{copy}" for name, count in zip(scores, times, strict=True) for copy in range(count)
    ]
    time = labelled_time(scores, segments, FRAME_S)
    counts = np.array(times, np.int32)
    found = sweep_time(counts, time.owners, time.spoof_s, time.bonafide_s, time.ends)
    if not copies:
        assert np.isnan(found)
        return
    plain = range_eer(
        {name: scores[name.split("/")[0]] for name in copies},
        {name: segments[name.split("/")[0]] for name in copies},
    )
    assert found == pytest.approx(plain.eer, abs=1e-9)
