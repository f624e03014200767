"""Maps that find synthesis, cuts, both or nothing: figures, intervals, differences, verdicts."""

import numpy as np
import pandas as pd
import pytest

from fakemamba.evaluation.bootstrap import BootstrapError, Interval
from fakemamba.evaluation.cut_flags import EFFECTS, SHARES, CutFlags
from fakemamba.evaluation.metrics.checks import MetricError
from fakemamba.evaluation.metrics.localization import range_eer, segment_eer
from fakemamba.evaluation.metrics.segments import Segment, frame_labels, near_cuts
from fakemamba.evaluation.segment_evaluation import (
    BEYOND,
    FIGURES,
    OF_A_MAP,
    HowToJudge,
    evaluate_maps,
)
from fakemamba.evaluation.uncertainty import TOO_NARROW, Resampling

FRAME_S = 0.02
THRESHOLD = 0.0
FAST = HowToJudge(resampling=Resampling(200))


def spliced(rng, count=60):
    """Segments of recordings of 3 s, in turn with a foreign stretch of spoof and of bona fide."""
    found = {}
    for number in range(count):
        start_s, end_s = 0.8 + rng.uniform(0, 0.2), 2.0 + rng.uniform(0, 0.2)
        found[f"r{number:02d}"] = [
            Segment(0, start_s, True),
            Segment(start_s, end_s, number % 2 == 1),
            Segment(end_s, 3, True),
        ]
    return found


def a_map(rng, segments, *, of_synthesis=0.0, of_cuts=0.0):
    """Scores that fall by so much in synthetic frames, and by so much near cuts."""
    scores = {}
    for name, parts in segments.items():
        is_spoof = frame_labels(150, parts, FRAME_S, "centre") == 0
        near = near_cuts(150, parts, FRAME_S, 0.16)
        values = 1.5 + rng.normal(size=150) - of_synthesis * is_spoof - of_cuts * near
        scores[name] = values
    return scores


@pytest.fixture(scope="module")
def segments():
    return spliced(np.random.default_rng(0))


def evaluated(segments, *maps, trials=None, how=FAST, thresholds=True):
    rng = np.random.default_rng(1)
    scores = {str(place): a_map(rng, segments, **one) for place, one in enumerate(maps)}
    chosen = dict.fromkeys(scores, THRESHOLD) if thresholds else {}
    return evaluate_maps(scores, segments, chosen, trials, how), scores


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ({"of_synthesis": 3.0}, "finds synthesis, not explained by cuts: "),
        ({"of_cuts": 3.0}, "finds cuts, not synthesis: "),
        ({"of_synthesis": 3.0, "of_cuts": 3.0}, "finds synthesis, and cuts as well: "),
        ({}, "finds neither cuts nor synthesis: "),
    ],
)
def test_a_map_is_said_to_find_what_it_finds(segments, effects, said):
    found, _ = evaluated(segments, effects)
    assert found.maps["0"].cuts.startswith(said)
    assert "of controls it flags" in found.maps["0"].cuts


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (((0.1, 0.3), (0.01, 0.2)), "finds cuts, and whether synthesis as well is not settled"),
        (((0.01, 0.3), (0.1, 0.2)), "finds synthesis, and whether cuts as well is not settled"),
        (((-0.2, 0.3), (-0.2, 0.2)), "cuts or synthesis is not settled"),
        (((0.001, 0.04), (0.1, 0.2)), "finds synthesis, not explained by cuts"),
    ],
)
def test_what_intervals_leave_open_is_not_said(ends, said):
    flags = CutFlags(np.zeros((6, 1)), np.ones((6, 1)), None)
    intervals = {
        name: Interval(*one, 100, "trials") for name, one in zip(EFFECTS, ends, strict=True)
    }
    assert flags.in_words(dict.fromkeys(SHARES, 0.5), intervals).startswith(f"{said}: ")


def test_figures_are_those_of_the_metrics_and_lie_in_their_intervals(segments):
    found, scores = evaluated(segments, {"of_synthesis": 2.0, "of_cuts": 1.0})
    one = found.maps["0"]
    assert list(one.figures) == list(one.intervals) == list(FIGURES)
    assert one.figures["range_eer"] == pytest.approx(range_eer(scores["0"], segments).eer)
    assert one.figures["segment_eer"] == pytest.approx(segment_eer(scores["0"], segments).eer)
    assert one.figures["segment_eer_of_8_frames"] < one.figures["segment_eer"]
    for name, interval in one.intervals.items():
        assert interval.low - 0.03 <= one.figures[name] <= interval.high + 0.03, name
        assert 0 < interval.high - interval.low < 0.3, name
    # Off the cuts nothing is flagged for them.
    assert one.figures["range_eer" + BEYOND] < one.figures["range_eer"]
    assert one.figures["flagged_control_near"] > one.figures["flagged_control_away"] + 0.1
    assert found.recordings == {"bonafide": 30, "spoof": 30} and TOO_NARROW in found.doubt


def test_shares_near_cuts_are_of_frames(segments):
    found, scores = evaluated(segments, {"of_cuts": 2.0})
    flagged = {True: [], False: []}
    for name, parts in segments.items():
        if all(part.is_bonafide for part in parts):
            for frame, score in enumerate(scores["0"][name]):
                centre_s = (frame + 0.5) * FRAME_S
                near = min(abs(centre_s - parts[place].start_s) for place in (1, 2)) <= 0.16
                flagged[near].append(score < THRESHOLD)
    figures = found.maps["0"].figures
    assert figures["flagged_control_near"] == pytest.approx(np.mean(flagged[True]))
    assert figures["flagged_control_away"] == pytest.approx(np.mean(flagged[False]))
    effect = figures["flagged_control_near"] - figures["flagged_control_away"]
    assert figures["effect_of_cuts"] == pytest.approx(effect)


def test_differences_are_of_the_same_draws(segments):
    found, _ = evaluated(segments, {"of_synthesis": 2.0}, {"of_synthesis": 2.0}, {})
    by_pair = {(one.metric, one.first, one.second): one for one in found.differences}
    assert len(by_pair) == 3 * len(FIGURES)
    better = by_pair["range_eer", "0", "2"]
    assert better.difference.high < -0.2 and better.p_holm < 0.001
    for metric in OF_A_MAP:
        one = by_pair[metric, "0", "1"].difference
        a, b = (found.maps[name].figures[metric] for name in "01")
        assert one.value == pytest.approx(a - b) and one.low < 0 < one.high
        # Paired: both see the same recordings.
        widths = [one.high - one.low for one in (found.maps[n].intervals[metric] for n in "01")]
        assert one.high - one.low < sum(widths)


def test_the_same_map_twice_does_not_differ(segments):
    scores = a_map(np.random.default_rng(3), segments, of_synthesis=1.0)
    maps = {"a": scores, "b": {name: scores[name] for name in reversed(scores)}}
    found = evaluate_maps(maps, segments, {"a": 0.0, "b": 0.0}, None, FAST)
    for one in found.differences:
        assert (one.difference.value, one.difference.low, one.difference.high) == (0, 0, 0)


def test_speakers_are_drawn_where_they_are_known(segments):
    names = list(segments)
    trials = pd.DataFrame(
        {
            "trial_id": names,
            "speaker": [f"s{place // 2 % 6}" for place in range(len(names))],
            "attack": None,
        }
    )
    found, _ = evaluated(segments, {"of_synthesis": 2.0}, trials=trials)
    kinds = {one.kind for one in found.maps["0"].intervals.values()}
    assert kinds == {"clusters, speaker"} and found.doubt is None


def test_without_a_threshold_there_are_the_eers_and_a_reason(segments):
    found, _ = evaluated(segments, {"of_synthesis": 2.0}, thresholds=False)
    one = found.maps["0"]
    assert one.threshold is None and "no threshold was chosen" in one.cuts
    names = OF_A_MAP[:3]
    assert set(one.figures) == {*names, *(name + BEYOND for name in names)} == set(one.intervals)


def test_without_controls_there_is_no_verdict():
    segments = {
        name: parts if not parts[1].is_bonafide else [Segment(0, 3, True)]
        for name, parts in spliced(np.random.default_rng(0)).items()
    }
    found, _ = evaluated(segments, {"of_cuts": 2.0})
    assert "no recording without spoof has a cut" in found.maps["0"].cuts
    assert "flagged_control_near" not in found.maps["0"].figures


def test_a_single_control_gives_no_interval_and_hides_no_other():
    segments = {
        name: parts if not parts[1].is_bonafide or name == "r01" else [Segment(0, 3, True)]
        for name, parts in spliced(np.random.default_rng(0)).items()
    }
    one = evaluated(segments, {"of_synthesis": 2.0})[0].maps["0"]
    assert "flagged_control_near" in one.figures
    assert "flagged_control_near" not in one.intervals and "range_eer" in one.intervals
    assert "no intervals of both effects" in one.cuts


def test_no_draws_give_no_intervals_and_too_few_are_refused(segments):
    how = HowToJudge(resampling=Resampling(0))
    found, _ = evaluated(segments, {"of_synthesis": 2.0}, {}, how=how)
    assert not found.maps["0"].intervals and not found.differences and found.doubt is None
    with pytest.raises(BootstrapError, match="39 replicates"):
        evaluated(segments, {}, how=HowToJudge(resampling=Resampling(39)))


def test_a_collar_over_everything_leaves_no_figure(segments):
    how = HowToJudge(collar_s=5.0, resampling=Resampling(40))
    one = evaluated(segments, {"of_synthesis": 2.0}, how=how)[0].maps["0"]
    assert set(OF_A_MAP) <= set(one.figures)
    assert not any(name.endswith(BEYOND) for name in one.figures)


def test_recordings_of_one_class_are_refused(segments):
    real = {name: [Segment(0, 3, True)] for name in segments}
    with pytest.raises(MetricError, match="spoof: no"):
        evaluated(real, {})
