"""What a corpus costs: curves with a closed form, lengths that were not measured, and padding."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.analysis.length_cost import length_cost, padding_waste
from fakemamba.data.lengths import draw_durations, read_lengths, summarise_lengths

lengths = st.lists(st.floats(0.1, 100), min_size=1, max_size=60)


def table_of(durations_s):
    return summarise_lengths(durations_s, name="t", source="test", licence=None, made_by="test")


CORPUS = table_of(np.random.default_rng(0).lognormal(0.5, 0.8, 2_000) + 0.2)


def sweep(durations_s, latency_s, status="measured", **fields):
    """Results of one setting, whose latency is a function of duration."""
    setting = {"detector": "fake-mamba-l", "part": "encoder", "device": "cpu", "backend": "cpu"}
    setting |= {"precision": "fp32", "device_name": "CPU: Test", "launch": 0, "disturbed": False}
    setting |= {"reason": None, "samples_s": None, "flops": np.nan, "flop_coverage": np.nan}
    setting |= {"peak_bytes_with_weights": np.nan}
    rows = [
        setting
        | {"batch_size": 1, "clock": "latency", "status": status, "duration_s": duration_s}
        | {"latency_s": latency_s(duration_s) if status == "measured" else None}
        | fields
        for duration_s in durations_s
    ]
    return pd.DataFrame(rows)


def cost_of(results, table=CORPUS):
    costs = length_cost(results, table)
    assert len(costs) == 1
    return costs.iloc[0]


@settings(max_examples=10)
@given(st.floats(0, 0.1), st.floats(0.001, 0.1))
def test_a_linear_latency_costs_its_closed_form(fixed_s, per_s):
    ends = [CORPUS.min_s, *draw_durations(CORPUS, 200), CORPUS.max_s]
    cost = cost_of(sweep(ends, lambda duration_s: fixed_s + per_s * duration_s))
    wanted = 3600 * (fixed_s + per_s * CORPUS.mean_s) / CORPUS.mean_s
    assert cost["device_s_per_audio_hour"] == pytest.approx(wanted, rel=1e-3)
    assert cost["unmeasured_share"] == 0 and cost["reason"] is None


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7])
def test_percentiles_of_a_power_law_are_exact(power):
    """A power law is straight in log-log, so that interpolation adds no error.

    Between the latencies of two of the table's lengths the percentile is straight.
    """
    measured = [CORPUS.min_s, *draw_durations(CORPUS, 50), CORPUS.max_s]
    cost = cost_of(sweep(measured, lambda d: 0.01 * d**power))
    for percent in (50, 95, 99):
        wanted = 0.01 * CORPUS.quantile_s(percent / 100) ** power
        assert cost[f"latency_p{percent}_s"] == pytest.approx(wanted, rel=1e-3)


def test_a_constant_latency_costs_less_an_hour_the_longer_the_recordings():
    for factor in (1.0, 4.0):
        table = table_of(factor * np.array(CORPUS.durations_s))
        ends = [table.min_s, table.max_s]
        cost = cost_of(sweep(ends, lambda _: 0.02), table)
        assert cost["device_s_per_audio_hour"] == pytest.approx(72 / table.mean_s)


@settings(max_examples=30)
@given(lengths, st.integers(2, 100))
def test_a_draw_from_the_table_always_suffices_for_the_cost(durations_s, count):
    table = table_of(durations_s)
    drawn = draw_durations(table, count)
    measured = np.unique(np.round(drawn, 3))  # as a sweep rounds them
    cost = cost_of(sweep(measured, lambda duration_s: duration_s / 10), table)
    if len(measured) > 1:
        assert cost["device_s_per_audio_hour"] == pytest.approx(360)
    else:
        assert "a curve needs 2" in cost["reason"]


def test_lengths_beyond_the_measured_are_left_out_with_the_reason():
    cost = cost_of(sweep(draw_durations(CORPUS, 20), lambda duration_s: duration_s / 10))
    assert cost["latency_p95_s"] == pytest.approx(CORPUS.quantile_s(0.95) / 10)
    assert cost["device_s_per_audio_hour"] == pytest.approx(360)
    assert cost["latency_p99_s"] is None
    longest_s = draw_durations(CORPUS, 20)[-1]
    beyond = np.array(CORPUS.durations_s)
    short = beyond < draw_durations(CORPUS, 20)[0]
    wanted = beyond[(beyond > longest_s) | short].sum() / beyond.sum()
    assert cost["unmeasured_share"] == pytest.approx(wanted, abs=1e-3)
    assert f"p99 of the lengths is {CORPUS.quantile_s(0.99):.4g} s; measured" in cost["reason"]


def test_lengths_below_the_measured_are_left_out_with_the_reason():
    cost = cost_of(sweep([*draw_durations(CORPUS, 20)[12:], CORPUS.max_s], lambda d: d / 10))
    assert cost["latency_p50_s"] is None and cost["device_s_per_audio_hour"] is None
    assert cost["latency_p99_s"] == pytest.approx(CORPUS.quantile_s(0.99) / 10)
    assert "62.5% of the recordings are shorter" in cost["reason"]


def test_rounding_to_milliseconds_leaves_nothing_out():
    table = table_of([1.2344, 3.0, 5.0, 8.8884])
    cost = cost_of(sweep([1.235, 3.0, 8.888], lambda duration_s: duration_s / 10), table)
    assert cost["unmeasured_share"] == 0 and cost["reason"] is None


def test_a_sweep_that_ran_out_of_memory_early_has_no_cost():
    drawn = draw_durations(CORPUS, 20)
    lost = sweep(drawn[15:], None, status="out-of-memory")
    cost = cost_of(pd.concat([sweep(drawn[:15], lambda duration_s: duration_s / 10), lost]))
    assert cost["latency_p50_s"] == pytest.approx(CORPUS.quantile_s(0.5) / 10)
    assert cost["device_s_per_audio_hour"] is None and cost["latency_p95_s"] is None
    assert "27.5% of the recordings are longer" in cost["reason"]


def test_a_setting_without_times_is_a_row_with_its_reason():
    cost = cost_of(sweep([1.0, 2.0], None, status="out-of-memory"))
    assert cost["latency_p50_s"] is None
    assert cost["reason"].startswith("0 durations were measured (others: out-of-memory)")


def test_a_batch_holds_as_many_recordings():
    drawn = draw_durations(CORPUS, 20)
    cost = cost_of(sweep(drawn, lambda duration_s: duration_s, batch_size=8))
    assert cost["device_s_per_audio_hour"] == pytest.approx(450)


def test_settings_are_apart_and_repeats_are_joined_by_their_median():
    drawn = draw_durations(CORPUS, 20)
    repeats = [sweep(drawn, lambda d, f=factor: f * d) for factor in (0.1, 0.2, 9.0)]
    others = [sweep(drawn, lambda d: d, part="front-end"), sweep(drawn, lambda d: d, clock="x")]
    scan = sweep(drawn, lambda d: d, part="scan")
    costs = length_cost(pd.concat([*repeats, *others, scan]), CORPUS)
    assert costs["device_s_per_audio_hour"].tolist() == pytest.approx([720, 3600, 3600])
    assert costs["durations"].tolist() == [20, 20, 20]


def noisy(durations_s, factors, launches=1, **fields):
    """A sweep whose cells are off by factors (launches, n), each of one visit."""
    factors = np.broadcast_to(factors, (launches, len(durations_s)))
    tables = []
    for launch, row in enumerate(factors):
        of = dict(zip(durations_s, row, strict=True))
        table = sweep(durations_s, lambda d, of=of: (0.01 + 0.02 * d) * of[d], **fields)
        table = table.assign(launch=launch)
        tables.append(table)
    return pd.concat(tables)


@settings(max_examples=40)
@given(lengths, st.lists(st.floats(0.01, 100), min_size=2, max_size=12), st.data())
def test_percentiles_ascend_and_are_latencies_within_the_measured_range(lengths_s, factors, data):
    """Whatever was measured: one cell may be many times as slow as a longer one."""
    unique = st.lists(
        st.integers(100, 100_000), min_size=len(factors), max_size=len(factors), unique=True
    )
    durations_s = [one / 1000 for one in sorted(data.draw(unique))]
    results = noisy(durations_s, factors)
    cost = cost_of(results, table_of(lengths_s))
    told = [
        cost[f"latency_p{percent}_s"]
        for percent in (50, 95, 99)
        if cost[f"latency_p{percent}_s"] is not None
    ]
    assert told == sorted(told)
    low_s, high_s = results["latency_s"].min(), results["latency_s"].max()
    assert all(low_s * (1 - 1e-9) <= one <= high_s * (1 + 1e-9) for one in told)
    for name in ("latency_p50", "latency_p95", "latency_p99"):
        if pd.notna(cost[f"{name}_low_s"]):
            assert cost[f"{name}_low_s"] <= cost[f"{name}_s"] <= cost[f"{name}_high_s"]


def test_a_cell_that_is_slower_than_longer_ones_cannot_turn_the_percentiles_round():
    """Reported: p50 977.8 ms and p95 411.6 ms, by latency at a percentile of the lengths."""
    drawn = draw_durations(CORPUS, 20)
    factors = np.where(np.arange(20) == 10, 40.0, 1.0)
    cost = cost_of(noisy(drawn, factors))
    of_lengths = np.interp(CORPUS.quantile_s(0.5), drawn, noisy(drawn, factors)["latency_s"])
    assert of_lengths > 10 * cost["latency_p50_s"]
    assert cost["latency_p50_s"] < cost["latency_p95_s"]
    assert f"as slow as a longer duration at {drawn[10]:.4g} s" in cost["doubt"]


def test_an_interval_is_of_the_launches_and_holds_the_figure():
    drawn = draw_durations(CORPUS, 20)
    rng = np.random.default_rng(0)
    widths = []
    for spread in (0.01, 0.1):
        launches = np.exp(rng.normal(0, spread, (4, 1))) * np.ones(20)
        cost = cost_of(noisy(drawn, launches, launches=4))
        for name, end in (("latency_p50", "_s"), ("device_s_per_audio_hour", "")):
            low, high = cost[f"{name}_low{end}"], cost[f"{name}_high{end}"]
            assert low < cost[f"{name}{end}"] < high
            widths.append(np.log(high / low))
    assert widths[2] > 3 * widths[0] and widths[3] > 3 * widths[1]


def test_cells_that_were_visited_once_have_no_interval():
    cost = cost_of(noisy(draw_durations(CORPUS, 20), 1.0))
    assert cost["latency_p95_s"] > 0 and pd.isna(cost["latency_p95_low_s"])


def test_disturbed_cells_are_named():
    drawn = draw_durations(CORPUS, 20)
    results = noisy(drawn, 1.0)
    assert cost_of(results)["doubt"] is None
    results["disturbed"] = results["duration_s"].isin(drawn[:9])
    assert cost_of(results)["doubt"].startswith(f"disturbed at {drawn[0]:.4g}, ")
    assert cost_of(results)["doubt"].endswith("and 1 more s")


def test_memory_is_the_largest_with_the_weights():
    drawn = draw_durations(CORPUS, 20)
    results = noisy(drawn, 1.0).assign(peak_bytes_with_weights=1e9 + 1e6 * drawn)
    assert cost_of(results)["peak_bytes_with_weights"] == 1e9 + 1e6 * drawn[-1]


def test_results_without_a_detector_are_refused():
    with pytest.raises(ValueError, match="none of the 2 cells is a detector's"):
        length_cost(sweep([1.0, 2.0], lambda d: d, part="scan"), CORPUS)
    with pytest.raises(ValueError, match="none of the 0 cells"):
        length_cost(pd.DataFrame(), CORPUS)


@given(lengths, st.integers(1, 20), st.booleans())
def test_waste_is_a_share(durations_s, batch_size, in_order):
    assert 0 <= padding_waste(durations_s, batch_size, sorted=in_order) < 1


@given(st.floats(0.1, 100), st.integers(1, 50), st.integers(1, 20), st.booleans())
def test_equal_lengths_waste_nothing(duration_s, count, batch_size, in_order):
    waste = padding_waste([duration_s] * count, batch_size, sorted=in_order)
    assert waste == pytest.approx(0, abs=1e-12)


@given(st.data(), st.integers(1, 8), st.integers(1, 8))
def test_with_full_batches_sorting_wastes_no_more_than_any_order(data, batch_size, batches):
    count = batch_size * batches
    durations_s = data.draw(st.lists(st.floats(0.1, 100), min_size=count, max_size=count))
    order = data.draw(st.permutations(durations_s))
    in_order = padding_waste(durations_s, batch_size, sorted=True)
    assert in_order <= padding_waste(durations_s, batch_size, sorted=False) + 1e-12
    padded = batch_size * np.reshape(order, (batches, batch_size)).max(axis=1).sum()
    assert in_order <= 1 - sum(durations_s) / padded + 1e-12


def test_with_a_last_batch_that_is_not_full_sorting_can_waste_more():
    """One short and two long: sorted, the short one is padded; alone in its batch it is not."""
    assert padding_waste([1, 10, 10], 2, sorted=True) == pytest.approx(1 - 21 / 30)
    assert padding_waste([1, 10, 10], 2, sorted=False) == pytest.approx(1 - 21 / 27)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 9])
def test_random_order_is_the_mean_over_all_orders(batch_size):
    durations_s = [1.0, 2.0, 2.0, 5.0, 7.0, 11.0]
    totals = [
        sum(
            len(batch) * max(batch)
            for batch in (order[i : i + batch_size] for i in range(0, 6, batch_size))
        )
        for order in permutations(durations_s)
    ]
    wanted = 1 - sum(durations_s) / np.mean(totals)
    assert padding_waste(durations_s, batch_size, sorted=False) == pytest.approx(wanted)


def test_sorting_helps_with_real_lengths():
    table = read_lengths("asterisk-prompts")
    durations_s = draw_durations(table, table.count)
    in_order, shuffled = (padding_waste(durations_s, 8, sorted=order) for order in (True, False))
    assert in_order < 0.1 < 0.5 < shuffled


@pytest.mark.parametrize(("durations_s", "batch_size"), [([], 2), ([0.0], 2), ([1.0], 0)])
def test_padding_of_nothing_is_refused(durations_s, batch_size):
    with pytest.raises(ValueError, match="padding needs recordings"):
        padding_waste(durations_s, batch_size, sorted=True)
