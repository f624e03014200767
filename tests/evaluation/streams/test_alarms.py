"""Alarms, against plain loops: when they are raised, at which threshold, what they are worth."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.evaluation.streams.alarms import (
    AlarmError,
    alarm_level,
    alarm_starts,
    alarm_threshold,
    judge_alarms,
)
from fakemamba.evaluation.streams.decisions import Decisions, decisions_of
from fakemamba.evaluation.streams.evaluate import evaluate_streams
from fakemamba.evaluation.streams.windowing import Windowing
from fakemamba.evaluation.uncertainty import Resampling

SCORES = st.lists(st.integers(-3, 3), max_size=12)


def heard(scores, heard_s=None):
    """A decision a second."""
    at_s = np.arange(1, len(scores) + 1, dtype=float)
    return Decisions(at_s, np.array(scores, dtype=float), heard_s or float(len(scores) or 1))


def plain_starts(scores, threshold, lasting):
    needed, run, found = min(lasting, len(scores)), 0, []
    for place, score in enumerate(scores, 1):
        run = run + 1 if score < threshold else 0
        if run == needed and needed:
            found.append(place)
    return found


@settings(max_examples=60)
@given(scores=SCORES, lasting=st.integers(1, 4), threshold=st.integers(-4, 4))
def test_an_alarm_is_raised_at_the_last_of_so_many_in_a_row(scores, lasting, threshold):
    one = heard(scores)
    starts = alarm_starts(one, threshold, lasting)
    assert starts.tolist() == plain_starts(scores, threshold, lasting)
    assert (len(starts) > 0) == (threshold > alarm_level(one, lasting))


@settings(max_examples=30)
@given(trials=st.lists(SCORES, min_size=1, max_size=30), share=st.sampled_from([0.0, 0.1, 0.5]))
def test_the_threshold_is_the_highest_with_so_few_false_alarms(trials, share):
    all_of = [heard(one) for one in trials]
    threshold = alarm_threshold(all_of, 2, share)

    def false_alarms(at):
        return np.mean([len(alarm_starts(one, at, 2)) > 0 for one in all_of])

    assert false_alarms(threshold) <= share
    if math.isfinite(threshold):
        assert false_alarms(np.nextafter(threshold, 9)) > share


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_cannot_be_is_refused(share):
    with pytest.raises(AlarmError, match="must be in"):
        alarm_threshold([heard([1])], 2, share)
    with pytest.raises(AlarmError, match="no bona fide trial"):
        alarm_threshold([], 2, 0.01)


def test_figures_are_of_all_trials_and_never_is_infinite():
    trials = [heard([1, 1, 1]), heard([-1, -1, 1, -1, -1])]  # bona fide: 8 s, two alarms in one
    trials += [heard([-1, -1]), heard([1, -1, -1]), heard([1, 1, 1])]
    table = pd.DataFrame({"label": ["bonafide"] * 2 + ["spoof"] * 3})
    found = judge_alarms(table, trials, 0.0, 2, replicates=0)
    assert found.figures["detected"] == pytest.approx(2 / 3)
    assert found.figures["false_alarms"] == 0.5
    assert found.figures["median_s"] == 3 and found.figures["p90_s"] == math.inf
    assert found.figures["false_alarms_per_h"] == pytest.approx(2 / 8 * 3600)
    assert found.detected_by == ((2.0, pytest.approx(1 / 3)), (3.0, pytest.approx(2 / 3)))
    assert found.intervals == {}


def test_intervals_hold_the_figures_and_are_wider_by_clusters():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 10)
    is_spoof = np.tile([False, True], 100)
    moved = rng.normal(0, 1.5, 20)[speakers] - is_spoof
    trials = [heard(one + rng.normal(0, 0.3, 4)) for one in moved]
    label = np.where(is_spoof, "spoof", "bonafide")
    table = pd.DataFrame({"label": label, "speaker": speakers.astype(str)})
    single = judge_alarms(table, trials, -1.0, 1, replicates=200)
    clustered = judge_alarms(table, trials, -1.0, 1, replicates=200, cluster=("speaker",))
    for name, value in single.figures.items():
        assert single.intervals[name].low <= value <= single.intervals[name].high
    widths = [
        one.intervals["detected"].high - one.intervals["detected"].low
        for one in (single, clustered)
    ]
    assert widths[1] > 1.5 * widths[0] and "speaker" in clustered.intervals["detected"].kind


def windows(trials):
    """A table of windows of 2 s, one a second, of scores by trial; None is silence."""
    rows = [
        (name, max(0.0, end - 2.0), float(end), np.nan if score is None else score)
        for name, scores in trials.items()
        for end, score in enumerate(scores, 1)
    ]
    return pd.DataFrame(rows, columns=["trial_id", "start_s", "end_s", "score"])


def test_decisions_are_those_of_the_rule_and_silence_says_nothing():
    table = windows({"a": [1.0, 2.0, 4.0, None], "b": [None, None], "c": [5.0]})
    found = decisions_of(table, Windowing(2.0, 1.0, "mean", 10.0))
    assert found["a"].scores.tolist() == [1.0, 2.0, 3.0]  # the first two windows grow
    assert found["a"].at_s.tolist() == [1.0, 2.0, 3.0] and found["a"].heard_s == 4.0
    assert len(found["b"].scores) == 0 and found["b"].heard_s == 2.0
    assert found["a"].score_at(2.5) == 2.0 and math.isnan(found["a"].score_at(0.5))
    assert found["c"].score_at(100.0) == 5.0


def test_error_rates_after_a_prefix_are_of_what_was_heard_by_then():
    trials = {f"b{one}": [0.1 * one, 1.0 + one] for one in range(4)}
    trials |= {f"s{one}": [0.1 * one, -1.0 - one] for one in range(4)}
    found = decisions_of(windows(trials), Windowing(2.0, 1.0, "latest"))
    label = ["bonafide"] * 4 + ["spoof"] * 4
    table = pd.DataFrame(
        {"trial_id": list(trials), "label": label, "attack": None, "speaker": None}
    )
    dev = [found[f"b{one}"] for one in range(4)]
    one = evaluate_streams(
        table, found, dev, prefixes_s=(0.5, 1.0, 8.0), lasting=1, resampling=Resampling(50)
    )
    early, first, last = one.prefixes
    assert early.metrics == {} and early.undecided == {"bonafide": 4, "spoof": 4}
    assert first.metrics["eer"] == pytest.approx(0.5, abs=0.13) and last.metrics["eer"] == 0
    assert last.ended == 1.0 and last.intervals["eer"].high == 0
    assert one.threshold == 0.0 and one.alarms.figures["detected"] == 1.0
    assert one.alarms.figures["median_s"] == 2.0 and "single trials" in one.doubt
    told = one.to_json()
    assert told["alarms"]["figures"]["false_alarms"] == 0.0
