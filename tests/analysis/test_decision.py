"""The table to choose a detector by: complete, with reasons, and the same figures everywhere."""

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.decision import decision_table, on_front, usual_duration_s
from fakemamba.analysis.error_rates import read_eer
from fakemamba.analysis.length_cost import HOUR, length_cost
from fakemamba.analysis.results import read_results
from fakemamba.data.lengths import read_lengths

TABLE = read_lengths("asterisk-prompts")
RATES = "detector,eer,low,high\nstraight,2,1.5,2.5\nbent,4,,\n"


@pytest.fixture(scope="module")
def results(write_growth, tmp_path_factory):
    table = read_results([write_growth(tmp_path_factory.mktemp("decision") / "growth.json")])
    with_weights = table["peak_bytes"] + 4e6
    return table.assign(peak_bytes_with_weights=with_weights, n_parameters=1e6)


def rates(tmp_path):
    (tmp_path / "eer.csv").write_text(RATES)
    return read_eer(tmp_path / "eer.csv")


def by_detector(table):
    return table.set_index("detector").to_dict("index")


def test_a_row_has_the_figures_of_the_cell_at_four_seconds(results):
    row = by_detector(decision_table(results))["straight"]
    here = (results["detector"] == "straight") & (results["duration_s"] == 4)
    cell = results[here & (results["part"] == "end-to-end")].iloc[0]
    assert row["at_s"] == 4 and row["latency_s"] == cell["latency_s"]
    assert row["rtf"] == cell["rtf"] and row["latency_low_s"] == cell["latency_low_s"]
    assert row["memory_bytes"] == 1e6 + 4e5 + 4e6 and row["flops"] == 4e9
    assert row[HOUR] == pytest.approx(3600 * cell["rtf"]) and row["reason"] is None


def test_a_corpus_costs_what_the_cost_of_lengths_is(results):
    row = by_detector(decision_table(results, TABLE))["bent"]
    whole = results[results["part"] == "end-to-end"]
    cost = by_detector(length_cost(whole, TABLE))["bent"]
    for name in ("latency_p50_s", "latency_p50_low_s", "latency_p95_s", "latency_p95_high_s"):
        assert row[name] == cost[name] and row[name] > 0
    assert row["corpus_memory_bytes"] == cost["peak_bytes_with_weights"]
    assert np.isnan(row[HOUR]) and "shorter" in row["reason"]  # than 1 s, which was measured


def test_every_detector_has_a_row_and_what_is_missing_its_reason(results, tmp_path):
    table = results.assign(
        status=results["status"].where(results["detector"] != "bent", "failed"),
        reason=results["reason"].where(results["detector"] != "bent", "<b>it broke</b>"),
    )
    alone = results[(results["detector"] == "bent") & (results["part"] == "encoder")]
    other = results[(results["detector"] == "straight") & (results["duration_s"] != 4)]
    other = other.assign(detector="elsewhere", peak_bytes_with_weights=np.nan, flop_coverage=0.5)
    cells = pd.concat([table, alone.assign(detector="part"), other], ignore_index=True)
    rows = by_detector(decision_table(cells, rates=rates(tmp_path)))
    assert set(rows) == {"straight", "bent", "part", "elsewhere"}
    assert rows["bent"]["reason"] == "failed at 4 s: <b>it broke</b>"
    assert rows["bent"]["eer"] == 4 and np.isnan(rows["bent"]["rtf"])
    assert "measure with --bench-parts end-to-end" in rows["part"]["reason"]
    assert "not measured at 4 s, but at 1 to 64 s" in rows["elsewhere"]["reason"]
    assert "no error rate is known" in rows["elsewhere"]["reason"]
    unknown = results.assign(peak_bytes_with_weights=np.nan, flop_coverage=0.5)
    told = by_detector(decision_table(unknown))["straight"]["reason"]
    assert told.startswith("memory: the size of the weights was not recorded; FLOPs: the count ")


def test_without_four_seconds_all_are_compared_at_what_most_have(results):
    short = results[results["duration_s"] != 4]
    assert usual_duration_s(short) in (2, 8)
    assert set(decision_table(short)["at_s"]) == {usual_duration_s(short)}


def test_several_launches_are_one_row_with_the_median_of_their_latencies(results):
    def after(factor, launch):
        return results.assign(launch=launch, latency_s=factor * results["latency_s"])

    one = by_detector(decision_table(results))["straight"]
    two = pd.concat([results, after(2, 1)], ignore_index=True)
    row = by_detector(decision_table(two))["straight"]
    assert row["latency_s"] == pytest.approx(1.5 * one["latency_s"])
    assert row["rtf"] == row["latency_s"] / 4 and np.isnan(row["latency_low_s"])
    three = pd.concat([two, after(1.1, 2)], ignore_index=True)
    row = by_detector(decision_table(three))["straight"]
    assert row["latency_s"] == pytest.approx(1.1 * one["latency_s"])
    assert row["latency_low_s"] < row["latency_s"] < row["latency_high_s"]


def test_only_what_no_other_beats_is_on_the_front(results, tmp_path):
    rows = by_detector(decision_table(results, rates=rates(tmp_path)))
    assert rows["straight"]["on_front"]
    assert rows["bent"]["on_front"] == (rows["bent"]["rtf"] < rows["straight"]["rtf"] * 0.98)
    assert not any(decision_table(results)["on_front"])  # without an error rate


def test_the_front_is_what_no_other_beats():
    costs = np.array([[1, 5, 1], [2, 4, 1], [3, 3, 1], [3, 5, 1], [1.001, 5.001, 1.001]])
    assert on_front(costs).tolist() == [True, True, True, False, True]


def test_results_without_a_cell_have_no_row():
    assert decision_table(pd.DataFrame()).empty
