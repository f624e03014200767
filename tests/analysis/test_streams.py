"""What decisions on streams cost, of results whose times are known."""

import json

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.decision import decision_table
from fakemamba.analysis.length_cost import length_cost
from fakemamba.analysis.report.page import render
from fakemamba.analysis.report.sections import stream_sections
from fakemamba.analysis.results import read_launch, read_results
from fakemamba.analysis.scaling.curves import curves
from fakemamba.analysis.setting import groups_of
from fakemamba.analysis.streams import stream_costs
from fakemamba.data.lengths import LengthTable


@pytest.fixture(scope="module")
def paths(write_streams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    return [write_streams(folder / f"{seed}.json", seed) for seed in range(3)]


@pytest.fixture(scope="module")
def costs(paths):
    return stream_costs(read_results(paths[:1]))


def row(costs, detector, hop_s, cached):
    (found,) = costs[
        (costs["detector"] == detector) & (costs["hop_s"] == hop_s) & (costs["cached"] == cached)
    ].to_dict("records")
    return found


def test_a_second_of_audio_costs_the_latency_over_the_hop(costs):
    assert len(costs) == 5 and set(costs["window_s"]) == {4.0}
    for hop_s, cost in ((1.0, 0.2), (0.5, 0.4)):
        found = row(costs, "straight", hop_s, False)
        assert found["cost_s_per_s"] == pytest.approx(cost, rel=0.02)
        assert found["cost_low_s_per_s"] < found["cost_s_per_s"] < found["cost_high_s_per_s"]
        assert found["latency_s"] == pytest.approx(0.2, rel=0.02)
        assert found["decisions"] == 27 and found["latency_p50_s"] < found["latency_p95_s"]
        assert np.isnan(found["latency_p99_s"]) and np.isnan(found["speedup"])
        assert found["status"] == "measured" and pd.isna(found["reason"])
        assert (found["frontend"], found["precision"]) == ("xls-r-tiny", "fp32")


def test_kept_convolutions_are_compared_with_none_pass_by_pass(costs):
    found = row(costs, "straight", 1.0, True)
    assert found["speedup"] == pytest.approx(1.25, rel=0.02)
    assert 1.2 < found["speedup_low"] < found["speedup"] < found["speedup_high"] < 1.3


def test_what_has_no_time_has_the_reason(costs):
    found = row(costs, "bent", 1.0, True)
    assert found["status"] == "unsupported" and "waveforms are normalised" in found["reason"]
    assert np.isnan(found["cost_s_per_s"]) and np.isnan(found["speedup"])


def test_several_launches_are_one_row(paths, costs):
    found = stream_costs(read_results(paths))
    assert len(found) == len(costs)
    one = row(found, "straight", 1.0, True)
    assert one["decisions"] == 81
    assert one["speedup_high"] - one["speedup_low"] < 0.02


def test_without_streams_there_is_an_empty_table(write_growth, tmp_path):
    results = read_results([write_growth(tmp_path / "x.json")])
    found = stream_costs(results)
    assert found.empty and {"detector", "window_s", "hop_s", "cost_s_per_s"} <= {*found}
    assert stream_costs(results.iloc[:0]).empty
    assert not list(stream_sections(results))


def test_streams_are_in_no_curve_of_utterances(paths, write_growth, tmp_path):
    with_streams = read_results(paths[:1])
    without = read_results([write_growth(tmp_path / "x.json")])
    assert [len(one.cells) for one in groups_of(with_streams)] == [
        len(one.cells) for one in groups_of(without)
    ]
    assert len(curves(with_streams)) == len(curves(without))
    table = LengthTable("two", "a test", None, "hand", 2, 1.0, 4.0, (1.0, 4.0))
    assert len(length_cost(with_streams, table)) == len(length_cost(without, table))
    columns = ["detector", "part", "at_s", "rtf", "reason"]
    pd.testing.assert_frame_equal(
        decision_table(with_streams)[columns], decision_table(without)[columns]
    )


def test_the_page_of_streams_alone_has_a_section_and_every_cell(paths, tmp_path):
    content = json.loads(paths[0].read_text())
    streams = [one for one in content["benchmarks"] if one["extra_info"]["cell"]["hop_s"]]
    (tmp_path / "x.json").write_text(json.dumps(content | {"benchmarks": streams}))
    page, _ = render([read_launch(tmp_path / "x.json")])
    section = page[page.index('id="streams"') :]
    section = section[: section.index("</section>")]
    assert section.count("<tr") == 6 and "anew / kept" in section
    assert "computed anew" in section and "waveforms are normalised" in section
    assert page.count("straight-xls-r-tiny-stream-4s-every-0.5s-b1") == 1
