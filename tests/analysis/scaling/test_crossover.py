"""From which duration on one detector beats another, for curves with a known crossing."""

import json

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.scaling.crossover import crossovers

DURATIONS_S = np.geomspace(1, 64, 9)


def table(detector, curve_s, durations_s=DURATIONS_S, noise=0.01, seed=0, **fields):
    """Measured cells of a detector, whose latency is a function of duration, ten visits each."""
    rng = np.random.default_rng([seed, *map(ord, detector)])
    rows = []
    for duration_s in durations_s:
        samples = curve_s(duration_s) * np.exp(rng.normal(0, noise, 10))
        rows.append(
            {"detector": detector, "frontend": "xls-r-300m", "part": "encoder", "device": "cpu"}
            | {"device_name": "CPU: Test", "precision": "fp32", "backend": "cpu", "batch_size": 1}
            | {"attention": "sdpa", "execution": "eager", "clock": "latency", "launch": 0}
            | {"duration_s": duration_s, "status": "measured", "reason": None, "disturbed": False}
            | {"latency_s": float(np.median(samples)), "samples_s": tuple(samples)}
            | {"passes": tuple(range(10))}
            | {"flops": np.nan, "flop_coverage": np.nan, "net_energy_j": np.nan}
            | {"activation_bytes": np.nan, "peak_bytes": np.nan, "peak_bytes_with_weights": np.nan}
            | {name: f(duration_s) if callable(f) else f for name, f in fields.items()}
        )
    return pd.DataFrame(rows)


def mamba(t):
    return 0.02 + 0.001 * t


def conformer(t):
    return 0.01 + 0.0005 * t + 5e-5 * t**2


CROSSING_S = np.roots([5e-5, -0.0005, -0.01]).max()  # 20 s


def only(*tables, **options):
    (found,) = crossovers(pd.concat(tables), **options)
    return found


@pytest.mark.parametrize("first", [0, 1])
def test_a_crossing_is_found_with_its_interval(first):
    tables = [table("mamba", mamba), table("conformer", conformer)]
    found = only(tables[first], tables[1 - first])
    assert (found.detector, found.rival) == ("mamba", "conformer")
    assert found.verdict == "from a duration on" and found.to_s == pytest.approx(64)
    assert found.from_s == pytest.approx(CROSSING_S, rel=0.03)
    assert found.from_s_ci[0] <= found.from_s <= found.from_s_ci[1]
    assert found.from_s_ci[0] > 15 and found.from_s_ci[1] < 25
    assert found.ratio == pytest.approx(conformer(64) / mamba(64), rel=0.03)


def test_the_interval_holds_the_true_crossing():
    """Power laws are straight in log-log, so that interpolation adds no error."""
    held = []
    for seed in range(40):
        tables = [
            table("a", lambda t: 0.01 * t, noise=0.05, seed=seed),
            table("b", lambda t: 0.01 * 10 * (t / 10) ** 1.4, noise=0.05, seed=seed),
        ]
        found = only(*tables)
        held.append(found.from_s_ci[0] <= 10 <= found.from_s_ci[1])
    assert np.mean(held) > 0.9


def test_durations_need_not_be_the_same_and_only_common_ones_count():
    tables = [
        table("mamba", mamba, np.geomspace(2, 100, 14)),
        table("conformer", conformer, np.geomspace(0.5, 50, 14)),
    ]
    found = only(*tables)
    assert found.start_s == pytest.approx(2) and found.to_s == pytest.approx(50)
    assert found.from_s == pytest.approx(CROSSING_S, rel=0.06)


def test_a_crossing_outside_the_common_range_is_not_told():
    found = only(*(table(name, f, DURATIONS_S[:5]) for name, f in (("m", mamba), ("c", conformer))))
    assert (found.detector, found.rival) == ("c", "m") and found.verdict == "throughout"
    assert (
        found.from_s == 1
        and found.to_s == pytest.approx(DURATIONS_S[4])
        and found.crossings_s == ()
    )
    apart = only(
        table("m", mamba, [1.0, 2, 4, 8, 16]), table("c", conformer, [20.0, 40, 80, 160, 320])
    )
    assert apart.verdict == "undecided" and "common range" in apart.reason


def test_equal_detectors_tie():
    verdicts = [
        only(*(table(name, mamba, noise=0.03, seed=seed) for name in "ab")).verdict
        for seed in range(40)
    ]
    assert verdicts.count("undecided") >= 36
    found = only(table("a", mamba), table("b", mamba, seed=3))
    assert "a tie within noise" in found.reason and found.from_s is None


def test_what_is_too_noisy_to_compare_is_no_tie():
    """Reported: "a tie within noise" of an interval from 0.007 to 242."""
    found = only(table("a", mamba, noise=2.5), table("b", mamba, noise=2.5, seed=3))
    assert found.verdict == "undecided" and found.ratio_ci[1] / found.ratio_ci[0] > 2
    assert "too noisy to compare" in found.reason and "tie" not in found.reason


def test_a_tie_before_a_win_is_named():
    found = only(
        table("a", lambda t: max(0.02, t / 1000)), table("b", lambda t: max(0.02, t / 500))
    )
    assert found.detector == "a" and found.verdict == "from a duration on"
    assert found.crossings_s == () and "still a tie" in found.reason
    assert 7 < found.from_s_ci[0] < found.from_s < 16


def test_several_crossings_are_all_named():
    def wave(t):
        return 0.01 * t * np.exp(0.5 * np.sin(3 * np.log(t)))

    found = only(
        table("a", lambda t: 0.01 * t, np.geomspace(1, 30, 14), noise=0.001),
        table("b", wave, np.geomspace(1, 30, 14), noise=0.001),
    )
    wanted_s = np.exp(np.pi * np.array([1, 2, 3]) / 3)
    assert found.verdict == "several crossings" and len(found.crossings_s) >= 2
    for crossing_s in found.crossings_s:
        assert np.abs(np.log(crossing_s / wanted_s)).min() < 0.05
    assert found.from_s == found.crossings_s[-1]


def test_memory_counts_the_weights_and_energy_is_compared_too():
    figures = {
        "peak_bytes_with_weights": lambda t: 1e9 + 1e6 * t,
        "activation_bytes": lambda t: 1e6 * t,
    }
    rival = {
        "peak_bytes_with_weights": lambda t: 5e8 + 1e6 * t,
        "activation_bytes": lambda t: 2e6 * t,
    }
    found = crossovers(
        pd.concat(
            [
                table("large", mamba, **figures, net_energy_j=lambda t: 2 * t),
                table("small", mamba, **rival, net_energy_j=lambda t: 3 * t),
            ]
        )
    )
    assert [one.quantity for one in found] == ["latency", "peak-memory", "energy"]
    assert found[1].detector == "small" and found[1].verdict == "throughout"
    assert found[2].verdict == "undecided" and "fewer than three times" in found[2].reason


def test_energy_is_compared_over_three_launches():
    """It is measured once in each."""
    tables = [
        table(name, mamba, launch=launch, net_energy_j=lambda t, j=joules: j * t)
        for launch in range(3)
        for name, joules in (("large", 2), ("small", 3))
    ]
    found = only(*tables, quantities=("energy",))
    assert found.detector == "large" and found.ratio == pytest.approx(1.5)


def test_memory_is_exact_but_not_the_growth_of_a_process_in_older_files():
    bytes_ = [{"peak_bytes_with_weights": lambda t, n=n: n * 1e6 * t} for n in (1, 2)]
    tables = [table(n, mamba, [1.0, 2.0], **one) for n, one in zip("ab", bytes_, strict=True)]
    found = only(*tables, quantities=("peak-memory",))
    assert found.verdict == "throughout" and found.ratio_ci == pytest.approx((2, 2))
    before = [one.assign(passes=None) for one in tables]
    found = only(*before, quantities=("peak-memory",))
    assert found.verdict == "undecided" and "before schema 3" in found.reason


def test_rounds_do_not_show_the_noise_of_cells():
    """In one visit each one network was 1.8 times as fast as itself."""
    tables = [
        table("a", mamba, passes=None),
        table("b", lambda t: 1.8 * mamba(t), passes=None),
    ]
    found = only(*tables)
    assert found.verdict == "undecided" and "three launches" in found.reason
    repeated = [one.assign(launch=launch) for one in tables for launch in range(3)]
    assert only(*repeated).verdict == "throughout"


def test_many_lengths_are_joined():
    lengths_s = np.sort(np.random.default_rng(1).uniform(1, 64, 100))
    found = only(*(table(n, f, lengths_s, 0.1) for n, f in (("m", mamba), ("c", conformer))))
    assert found.detector == "m" and found.from_s == pytest.approx(CROSSING_S, rel=0.15)


def test_only_equal_settings_are_compared_but_for_the_scan():
    tables = [
        table("a", mamba),
        table("b", conformer, backend="torch"),
        table("b", conformer, precision="bf16"),
        table("c", conformer, part="front-end"),
    ]
    found = only(*tables)
    assert (found.detector, found.rival, found.rival_backend) == ("a", "b", "torch")


def test_a_cut_input_is_not_compared():
    reason = "the output of x stays the same when the end of its input changes: it is cut"
    cut = table("b", mamba, [64.0], status="wrong", reason=reason, latency_s=np.nan, samples_s=None)
    found = only(table("a", mamba), table("b", mamba, DURATIONS_S[:-1]), cut)
    assert found.verdict == "undecided" and "fixed-length input" in found.reason
    assert json.dumps(found.to_json(), allow_nan=False)
