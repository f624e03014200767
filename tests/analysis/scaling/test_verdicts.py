"""Curves of a table, verdicts with their reasons, and claims as tests."""

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.results import WorkOverDuration
from fakemamba.analysis.scaling.verdicts import (
    Thresholds,
    assert_near_linear,
    curves,
    judge_growth,
    scale,
)

DURATIONS_S = [1.0, 2, 4, 8, 16, 32, 64]
CUT = (
    "the output of the encoder stays the same when the end of its input changes: it is cut to a "
    "fixed length, or remembered"
)


def table(curve_s, durations_s=DURATIONS_S, noise=0.01, launch=0, seed=0, **fields):
    """Measured cells whose latency is a function of duration, with ten visits each."""
    rng = np.random.default_rng([seed, launch])
    rows = []
    for duration_s in durations_s:
        samples = curve_s(duration_s) * np.exp(rng.normal(0, noise, 10))
        rows.append(
            {"detector": "d", "frontend": "xls-r-300m", "part": "encoder", "device": "cpu"}
            | {"device_name": "CPU: Test", "precision": "fp32", "backend": "cpu", "batch_size": 1}
            | {"attention": "sdpa", "execution": "eager", "clock": "latency", "launch": launch}
            | {"duration_s": duration_s, "status": "measured", "reason": None, "disturbed": False}
            | {"latency_s": float(np.median(samples)), "samples_s": tuple(samples)}
            | {"passes": tuple(range(10))}
            | {"flops": np.nan, "flop_coverage": np.nan, "net_energy_j": np.nan}
            | {"activation_bytes": np.nan, "peak_bytes": np.nan}
            | {name: f(duration_s) if callable(f) else f for name, f in fields.items()}
        )
    return pd.DataFrame(rows)


def linear(duration_s):
    return 0.005 + 0.001 * duration_s


def quadratic(duration_s):
    return 0.005 + 0.001 * duration_s + 1e-4 * duration_s**2


def only(results, **options):
    (found,) = scale(results, **options)
    return found


def test_a_linear_latency_is_near_linear_with_its_numbers():
    found = only(table(linear))
    assert found.verdict == "near-linear" and found.resampled == "visits"
    assert found.a_s == pytest.approx(0.005, rel=0.05) and found.b == pytest.approx(0.001, rel=0.05)
    assert found.crossover_s is None and (found.t_min_s, found.t_max_s) == (1, 64)
    assert "up to 64 s at most" in found.reason


def test_a_quadratic_latency_has_its_share_and_crossover():
    found = only(table(quadratic, noise=0.001))
    assert found.verdict == "quadratic"
    assert found.quadratic_share == pytest.approx(6.4 / 7.4, abs=0.01)
    low, high = found.quadratic_share_ci
    assert low <= 6.4 / 7.4 <= high
    assert found.crossover_s == pytest.approx(10, rel=0.05)
    low_s, high_s = found.crossover_ci_s
    assert low_s <= 10 <= high_s


def test_what_the_json_holds_is_plain_and_without_nan():
    found = only(table(quadratic))
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    wanted = {"detector", "part", "quantity", "device", "precision", "backend", "a_s", "b", "c"}
    wanted |= {"quadratic_share", "quadratic_share_ci", "exponent", "exponent_ci", "crossover_s"}
    wanted |= {"t_max_s", "verdict", "reason", "attention", "batch_size", "thresholds", "aicc"}
    assert wanted <= set(content) and "coefficient_draws" not in content
    empty = only(table(linear, durations_s=[1.0, 2.0])).to_json()
    assert empty["a_s"] is None and json.dumps(empty, allow_nan=False)


def test_nothing_is_told_beyond_the_measured_range():
    found = only(table(linear, noise=0.001))
    asked_s = np.array([0.5, 1, 8, 64, 65])
    assert np.isnan(found.predict(asked_s)).tolist() == [True, False, False, False, True]
    low, high = found.band(asked_s)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, False, False, False, True]
    inside = slice(1, 4)
    assert found.predict(asked_s)[inside] == pytest.approx(linear(asked_s[inside]), rel=0.01)
    assert (low[inside] <= found.predict(asked_s)[inside]).all()
    assert (found.predict(asked_s)[inside] <= high[inside]).all()
    assert np.isfinite(found.predict(np.geomspace(1, 64, 7))).all()


@pytest.mark.parametrize(
    ("durations_s", "words"),
    [
        ([1.0, 2.0, 4.0], r"3 durations from 1 to 4 s; .*--bench-durations 1,1.3,"),
        ([4.0], "only 4 s was measured"),
        ([10.0, 11, 12, 13, 14, 15], "6 durations from 10 to 15 s; .*,80$"),
        ([1.0, 1.1, 1.2, 1.3, 20], "5 durations from 1 to 20 s; .* top two octaves"),
    ],
)
def test_too_few_durations_are_undecided_and_say_which_to_measure(durations_s, words):
    found = only(table(linear, durations_s))
    assert found.verdict == "undecided" and found.quadratic_share is None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.reason)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (table(lambda t: 0.02 + 1e-5 * t, noise=0.001), "a fixed cost"),
        (table(lambda t: t + t**2 / 100, noise=0.003), "growth at 64 s is quadratic; .* up to 256"),
        (table(lambda t: t * np.log2(1 + t), noise=0.001), "n log n explains"),
        (table(lambda t: 0.02 + t / 1000, noise=0.9), r"about \d+ visits a duration, now 10"),
        (table(lambda t: max(0.006, t / 1000), noise=0.001), "above a floor; leave .* --from-s"),
    ],
)
def test_undecided_says_what_to_measure(results, words):
    found = only(results)
    assert found.verdict == "undecided"
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.reason)


def test_cells_that_died_are_named():
    lost = table(linear, [128.0], status="out-of-memory", latency_s=np.nan, samples_s=None)
    found = only(pd.concat([table(linear, DURATIONS_S[:3]), lost]))
    assert "without a figure: out-of-memory at 128 s" in found.reason
    nothing = only(lost)
    assert nothing.verdict == "undecided" and nothing.t_max_s is None
    assert nothing.reason == "no cell has a latency: out-of-memory at 128 s"


def test_an_input_that_is_cut_is_named_and_not_fitted():
    cut = table(linear, [8.0, 16.0], status="wrong", reason=CUT, latency_s=np.nan, samples_s=None)
    found = only(pd.concat([table(lambda _: 0.02, [1.0, 2, 3, 4]), cut]))
    assert found.verdict == "fixed-length input" and found.a_s is None
    assert found.reason.startswith("at 8 s the output of the encoder stays the same")
    assert only(cut).verdict == "fixed-length input"
    broken = table(linear, [64.0], status="wrong", reason="not finite", latency_s=np.nan)
    assert only(pd.concat([table(linear, DURATIONS_S[:-1]), broken])).verdict == "near-linear"


@pytest.mark.parametrize(
    ("coverage", "verdict"), [(1.0, "fixed-length input"), (0.5, "near-linear")]
)
def test_work_that_does_not_grow_is_a_fixed_length_only_if_all_of_it_is_counted(coverage, verdict):
    results = table(linear, flops=lambda t: 1e9 * min(t, 4), flop_coverage=coverage)
    assert scale(results)[0].verdict == verdict


def test_counted_work_has_no_interval_and_partial_counts_no_verdict():
    results = table(linear, flops=lambda t: 1e9 * t + 1e7 * t**2, flop_coverage=1.0)
    latency, flops = scale(results)
    assert (latency.quantity, flops.quantity) == ("latency", "flops")
    assert flops.quadratic_share == pytest.approx(0.64 / 1.64)
    assert flops.quadratic_share_ci == pytest.approx((flops.quadratic_share,) * 2)
    partial = scale(results.assign(flop_coverage=0.5))[1]
    assert partial.verdict == "undecided" and "less than 90%" in partial.reason


def test_memory_is_judged_without_the_weights_where_they_are_known_apart():
    def bytes_(t):
        return 1e6 * t + 1e5 * t**2

    memory = {"activation_bytes": bytes_, "peak_bytes": lambda t: 1e9 + bytes_(t)}
    _, found = scale(table(linear, **memory))
    assert (found.figure, found.verdict) == ("activation_bytes", "quadratic")
    _, whole = scale(table(linear, **memory | {"activation_bytes": np.nan}))
    assert (whole.figure, whole.verdict) == ("peak_bytes", "undecided")
    assert "fixed cost" in whole.reason
    _, reused = scale(table(linear, peak_bytes=lambda t: 0 if t < 3 else bytes_(t)))
    assert reused.verdict == "undecided" and "zero at 2 of 7 durations" in reused.reason


def test_three_launches_are_resampled_and_fewer_are_not():
    def measured(launches):
        return pd.concat([table(linear, launch=launch) for launch in range(launches)])

    found = [only(measured(launches)) for launches in (2, 3)]
    assert [one.resampled for one in found] == ["visits", "launches"]
    assert [(one.launches, one.visits) for one in found] == [(2, 20), (3, 3)]
    lopsided = pd.concat([measured(2), table(linear, DURATIONS_S[:4], launch=2)])
    assert only(lopsided).resampled == "visits"


def test_cells_that_were_visited_once_are_told_and_not_judged():
    """A file before schema 3: its rounds do not show how far a cell as a whole is off."""
    before = table(linear, passes=None)
    found = only(before)
    assert found.verdict == "undecided" and "three launches" in found.reason
    assert found.quadratic_share is not None and found.quadratic_share_ci is None
    assert found.resampled is None and not len(found.coefficient_draws)
    assert only(pd.concat([before.assign(launch=n) for n in range(3)])).verdict == "near-linear"


def test_durations_with_few_visits_are_left_out_beside_others():
    few = table(linear, [128.0])
    few = few.assign(samples_s=few["samples_s"].str[:2], passes=[(0, 1)])
    found = only(pd.concat([table(linear), few]))
    assert found.verdict == "near-linear" and found.t_max_s == 64
    (curve,) = curves(pd.concat([table(linear), few]), ["latency"])
    assert curve.without == "fewer than 3 visits at 128 s"


def test_the_drift_of_passes_bends_no_curve():
    """Dear cells are visited in the first passes only, here while the machine was twice as slow."""
    factors = np.where(np.arange(10) < 3, 2.0, 1.0)
    slow = table(linear)
    slow["samples_s"] = [tuple(np.array(one) * factors) for one in slow["samples_s"]]
    dear = slow["duration_s"] >= 32
    slow.loc[dear, "samples_s"] = slow.loc[dear, "samples_s"].str[:3]
    slow.loc[dear, "passes"] = slow.loc[dear, "passes"].str[:3]
    (steady,), (curve,) = curves(table(linear), ["latency"]), curves(slow, ["latency"])
    assert curve.values() == pytest.approx(steady.values(), rel=0.02)
    assert curve.noise.visit < 0.03 and curve.level_error > 0.05
    assert judge_growth(curve).verdict == "near-linear"


def test_work_by_formula_is_judged_where_few_durations_were_measured():
    durations_s = tuple(0.5 * 2**octave for octave in range(11))
    for power, verdict in ((1, "near-linear"), (2, "quadratic")):
        flops = tuple(1e9 * one**power for one in durations_s)
        work = WorkOverDuration(durations_s, flops, flops, None)
        _, found = scale(table(linear, [4.0], work=work))
        assert (found.quantity, found.verdict, found.t_max_s) == ("flops", verdict, 512)
    _, found = scale(
        table(linear, [4.0], work=WorkOverDuration((), (), (), "it reads its input by itself"))
    )
    assert found.verdict == "undecided" and "it reads its input by itself" in found.reason


def test_many_lengths_that_do_not_repeat_are_fitted_directly():
    lengths_s = np.sort(np.random.default_rng(0).uniform(0.6, 20, 100)).tolist()
    assert only(table(linear, lengths_s, noise=0.03)).verdict == "near-linear"
    found = only(table(lambda t: 0.005 + 1e-4 * t**2, lengths_s, noise=0.03))
    assert found.verdict == "quadratic" and found.durations == 100


def test_settings_are_apart():
    results = pd.concat(
        [table(linear), table(linear, precision="bf16"), table(linear, part="scan")]
    )
    assert [one.precision for one in scale(results)] == ["fp32", "bf16"]


def test_thresholds_are_the_users():
    results = table(lambda t: t + t**2 / 300, noise=0.001)
    assert only(results).verdict == "near-linear"
    assert only(results, thresholds=Thresholds(share_near_linear=0.1)).verdict == "undecided"


def test_the_same_results_have_the_same_numbers():
    assert only(table(linear)).to_json() == only(table(linear)).to_json()


def test_a_claim_holds_or_fails_with_its_numbers():
    (straight,), (bent,) = curves(table(linear)), curves(table(quadratic))
    assert_near_linear(straight, up_to_s=64)
    with pytest.raises(AssertionError, match=r"up to 64 s: quadratic: .*\(quadratic share 8\d%, "):
        assert_near_linear(bent, up_to_s=64)


def test_a_claim_that_is_open_fails():
    (noisy,) = curves(table(linear, noise=0.9))
    with pytest.raises(AssertionError, match="undecided"):
        assert_near_linear(noisy, up_to_s=64)


def test_a_claim_is_judged_up_to_its_duration_only():
    (late,) = curves(table(lambda t: 0.001 * t + 1e-6 * t**3, noise=0.001))
    assert judge_growth(late).verdict == "quadratic"
    with pytest.raises(AssertionError, match="latency of d's encoder up to 32 s"):
        assert_near_linear(late, up_to_s=20)


def test_a_claim_beyond_the_curve_is_an_error_of_the_test():
    (curve,) = curves(table(linear))
    with pytest.raises(ValueError, match=r"ends at 64 s, but the claim is about 128 s"):
        assert_near_linear(curve, up_to_s=128)


def test_the_example_of_a_claim_holds_and_fails(write_growth, tmp_path, monkeypatch):
    path = Path(__file__).resolve().parents[3] / "examples" / "test_claim.py"
    claim = runpy.run_path(str(path))["test_the_encoder_is_near_linear"]
    monkeypatch.chdir(tmp_path)
    write_growth(tmp_path / "out.json", names=("fake-mamba-l", "xlsr-conformer"))
    claim()
    write_growth(tmp_path / "out.json", names=("xlsr-conformer", "fake-mamba-l"))
    with pytest.raises(AssertionError, match=r"fake-mamba-l's encoder .*: quadratic"):
        claim()


def test_results_without_a_detector_are_refused():
    with pytest.raises(ValueError, match="none of the 7 cells is a detector's"):
        scale(table(linear, part="scan"))
    with pytest.raises(ValueError, match="unknown quantity 'speed'"):
        curves(table(linear), ["speed"])
