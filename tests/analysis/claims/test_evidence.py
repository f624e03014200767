"""Intervals of claims: they hold the truth, and where nothing repeats there is none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.analysis.claims.evidence import Found, of_runs, paired_ratios, value_of
from fakemamba.analysis.drift import without_drift

DURATIONS_S = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def table(detector, rng, noise, factor=1.0, launches=3, durations_s=DURATIONS_S, **fields):
    """Cells of several launches, each off by some noise, as the results' table has them."""
    rows = [
        {"detector": detector, "part": "encoder", "frontend": "xls-r-300m", "device": "cuda:0"}
        | {"device_name": "GPU: Test", "precision": "fp32", "execution": "eager"}
        | {"clock": "latency", "attention": "sdpa", "batch_size": 1, "recording": None}
        | {
            "status": "measured",
            "reason": None,
            "disturbed": False,
            "disturbed_by": (),
            "flops": np.nan,
            "flop_coverage": np.nan,
            "launch": launch,
        }
        | {"duration_s": duration_s, "cell_id": f"{detector}-{duration_s}"}
        | {"latency_s": factor * duration_s * np.exp(rng.normal(0, noise))}
        | fields
        for launch in range(launches)
        for duration_s in durations_s
    ]
    made = pd.DataFrame(rows)
    return without_drift(made)


@settings(max_examples=8)
@given(
    factor=st.floats(0.2, 5),
    noise=st.floats(0.001, 0.05),
    launches=st.integers(3, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_ratio_is_inverse_to_its_inverse_and_knows_no_unit(factor, noise, launches, seed):
    rng = np.random.default_rng(seed)
    one, other = table("a", rng, noise, factor, launches), table("b", rng, noise, 1.0, launches)
    found, inverse = paired_ratios(one, other), paired_ratios(other, one)
    scaled = [made.assign(latency_s=1e3 * made["latency_s"]) for made in (one, other)]
    in_ms = paired_ratios(*scaled)
    assert tuple(found) == DURATIONS_S
    for at, ratio in found.items():
        assert ratio.low < ratio.value < ratio.high
        width = np.log(ratio.high / ratio.low)
        assert inverse[at].value == pytest.approx(1 / ratio.value)
        assert np.log(inverse[at].low) == pytest.approx(-np.log(ratio.high), abs=0.2 * width)
        assert in_ms[at].high == pytest.approx(ratio.high)


def test_ratios_at_several_durations_hold_the_truth_together():
    rng = np.random.default_rng(0)
    held = [
        all(
            one.low < 0.7 < one.high
            for one in paired_ratios(table("a", rng, 0.05, 0.7), table("b", rng, 0.05)).values()
        )
        for _ in range(40)
    ]
    assert 0.9 < np.mean(held) <= 1


def test_drift_from_launch_to_launch_cancels_in_a_ratio():
    rng = np.random.default_rng(0)
    drift = np.array([0.5, 1.0, 2.0])
    tables = [table(name, rng, 0.001) for name in "ab"]
    drifted = [one.assign(latency_s=one["latency_s"] * drift[one["launch"]]) for one in tables]
    found = paired_ratios(*drifted)[4.0]
    assert found.high / found.low < 1.02


def test_a_disturbed_duration_alone_has_no_interval():
    rng = np.random.default_rng(0)
    one, other = table("a", rng, 0.01), table("b", rng, 0.01)
    at_4_s = one["duration_s"] == 4
    reasons = one["disturbed_by"].where(~at_4_s, pd.Series([("a virus scanner",)] * len(one)))
    found = paired_ratios(one.assign(disturbed=at_4_s, disturbed_by=reasons), other)
    assert found[4.0].low is None and "a virus scanner" in found[4.0].basis
    assert found[3.0].low < found[3.0].high
    assert found[3.0].basis == "launches of both, in the same passes"


def test_cells_of_different_launches_are_no_pair():
    rng = np.random.default_rng(0)
    later = table("b", rng, 0.01, launches=1).assign(launch=1)
    assert paired_ratios(table("a", rng, 0.01, launches=1), later) == {}


def test_recordings_of_one_launch_are_no_repeats():
    rng = np.random.default_rng(0)
    fields = {"durations_s": np.geomspace(1, 6, 100), "launches": 1}
    found = paired_ratios(table("a", rng, 0.1, **fields), table("b", rng, 0.1, **fields))
    assert 8 <= len(found) <= 12  # joined to quarters of an octave
    assert all(one.low is None and "fewer than three times" in one.basis for one in found.values())


def test_recordings_of_one_name_and_length_are_paired_once_each():
    rng = np.random.default_rng(0)
    fields = {"durations_s": (6.0,) * 5, "recording": "6.wav"}
    found = paired_ratios(table("a", rng, 0.1, **fields), table("b", rng, 0.1, **fields))
    assert found[6.0].basis == "launches of both, in the same passes"


def test_a_value_is_as_sure_as_its_visits():
    rng = np.random.default_rng(0)
    widths = []
    for noise in (0.01, 0.1):
        cells = table("a", rng, noise, launches=5)
        at_4_s = cells[cells["duration_s"] == 4]
        found = value_of(at_4_s["latency_s"], at_4_s)
        assert found.low < found.value < found.high and found.basis == "5 visits"
        together = value_of(at_4_s["latency_s"], at_4_s, together=5)
        assert together.low < found.low and together.high > found.high
        widths.append(found.high / found.low)
    assert widths[1] > widths[0]
    once = at_4_s[at_4_s["launch"] == 0]
    found = value_of(once["latency_s"], once)
    assert found.low is None and "fewer than three times" in found.basis


def test_no_interval_means_no_verdict():
    found = of_runs([2500.0])
    assert found.low is None and "do not show how well they repeat" in found.basis
    assert found.is_at_most(1e9) == found.is_at_least(0) == "cannot tell"


def test_a_verdict_needs_all_of_the_interval():
    found = Found(1.0, 0.9, 1.1, "")
    assert [found.is_at_most(limit) for limit in (0.8, 1.05, 1.1)] == [
        *("does not hold", "cannot tell", "holds")
    ]
    assert [found.is_at_least(limit) for limit in (0.9, 1.05, 1.2)] == [
        *("holds", "cannot tell", "does not hold")
    ]
