"""Published figures: the table is as it says, and ours stand beside what they answer."""

import csv
import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.analysis.published import COLUMNS, PUBLISHED, beside_ours, read_published
from fakemamba.analysis.results import ResultsError
from fakemamba.models.registry import list_detectors

FIGURE = {
    **dict.fromkeys(COLUMNS, ""),
    **{"system": "Fake-Mamba", "metric": "RTF", "low": "0.2", "high": "0.4", "verified": "no"},
    **{"source": "a paper", "detectors": "fake-mamba-l", "shortest_s": "1", "longest_s": "6"},
    "device": "Test GPU",
}


@pytest.fixture
def write(tmp_path):
    """Write figures to a table, and name it."""

    def write_figures(*figures, columns=COLUMNS):
        path = tmp_path / "published.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(figures)
        return path

    return write_figures


def cell(duration_s, rtf, **changes):
    """A row of results whose interval is 10 % to either side."""
    latency_s = rtf * duration_s
    return {
        **{"detector": "fake-mamba-l", "frontend": "xls-r-300m", "part": "end-to-end"},
        **{"duration_s": duration_s, "batch_size": 1, "precision": "fp32", "backend": "cpu"},
        **{"execution": "eager", "attention": "sdpa", "clock": "latency", "status": "measured"},
        **{"device_name": "CPU: Test", "latency_s": latency_s, "rtf": rtf},
        **{"latency_low_s": latency_s * 0.9, "latency_high_s": latency_s * 1.1},
        "passes": (0, 1, 2),
        **changes,
    }


def test_the_table_of_the_project_has_what_is_known_and_nothing_more():
    published = read_published()
    known = set(list_detectors())
    assert all(set(names) <= known for names in published["detectors"])
    rtf = published[published["metric"] == "RTF"]
    assert rtf[["low", "high", "shortest_s", "longest_s"]].values.tolist() == [[0.37, 0.47, 1, 6]]
    assert not rtf["verified"].any() and math.isnan(rtf["value"].iloc[0])
    eer = published[(published["metric"] == "EER") & (published["system"] == "Fake-Mamba(L)")]
    assert dict(zip(eer["data_set"], eer["value"], strict=True)) == {
        "ASVspoof 2021 LA": 0.97,
        "ASVspoof 2021 DF": 1.74,
        "In-the-Wild": 5.85,
    }
    assert eer["verified"].all() and eer["source"].str.contains("arXiv 2508.09294").all()


def test_what_only_others_quote_is_not_verified_and_says_so():
    published = read_published()
    quoted = published["source"].str.contains("not verified")
    assert (quoted == ~published["verified"]).all() and 0 < quoted.sum() < len(published)


def test_relative_figures_agree_with_the_absolute_ones():
    published = read_published().set_index(["system", "data_set", "metric"])["value"]
    ours = published["Fake-Mamba(L)", "In-the-Wild", "EER"]
    theirs = published["XLSR-Mamba", "In-the-Wild", "EER"].iloc[0]
    gain = published["Fake-Mamba(L) against XLSR-DuaBiMamba", "In-the-Wild", "relative EER gain"]
    assert 100 * (theirs - ours) / theirs == pytest.approx(gain, abs=0.005)


def test_the_table_stands_where_an_installed_package_has_it():
    assert PUBLISHED.parts[-2:] == ("results", "published.csv") and PUBLISHED.is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": "x"}, "line 2: value is 'x'; write a number, or nothing"),
        ({"low": "nan"}, "line 2: low is 'nan'"),
        ({"high": "inf"}, "line 2: high is 'inf'"),
        ({"value": "0.3"}, "needs a value, or else a range"),
        ({"low": ""}, "needs a value, or else a range"),
        ({"low": "", "high": ""}, "needs a value, or else a range"),
        ({"low": "0.5"}, "needs a value, or else a range"),
        ({"verified": "maybe"}, "verified is 'maybe'; write yes or no"),
        ({"source": " "}, "line 2 has no source; every figure needs one"),
        ({"longest_s": ""}, "needs durations"),
        ({"shortest_s": "0"}, "needs durations"),
        ({"shortest_s": "7"}, "needs durations"),
        ({"metric": "EER", "shortest_s": ""}, "needs durations"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_is_refused_with_its_line(write, changes, message):
    path = write(FIGURE | changes)
    with pytest.raises(ResultsError, match=message) as caught:
        read_published(path)
    assert str(caught.value).startswith(str(path))


def test_a_table_of_another_form_is_refused(write, tmp_path):
    with pytest.raises(ResultsError, match=r"published\.csv has to have the columns system, "):
        read_published(write(FIGURE, columns=COLUMNS[:-1]))
    path = write(FIGURE)
    path.write_text(path.read_text() + "Fake-Mamba,In-the-Wild\n")
    with pytest.raises(ResultsError, match="line 3 does not have 14 fields"):
        read_published(path)
    with pytest.raises(ResultsError, match=r"from one source; keep one of the two"):
        read_published(write(FIGURE, FIGURE))
    with pytest.raises(ResultsError, match=r"absent\.csv: no such file"):
        read_published(tmp_path / "absent.csv")
    with pytest.raises(ResultsError, match="cannot be read: Is a directory"):
        read_published(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(COLUMNS), content=st.binary(max_size=20))
def test_whatever_is_in_a_row_is_read_or_refused_by_name(write, name, content):
    path = write(FIGURE | {name: "@"})
    path.write_bytes(path.read_bytes().replace(b"@", content))
    try:
        assert len(read_published(path)) <= 3
    except ResultsError as error:
        assert str(error).startswith(str(path))


def test_ours_is_inside_where_its_interval_meets_what_was_published(write):
    published = read_published(write(FIGURE))
    results = pd.DataFrame([cell(1.0, 0.3), cell(3.0, 0.25), cell(6.0, 0.42)])
    (row,) = beside_ours(published, results).to_dict("records")
    assert row["verdict"] == "inside" and row["durations"] == 3  # 0.42 - 10 % is below 0.4
    assert (row["published_low"], row["published_high"]) == (0.2, 0.4)
    assert (row["ours_least"], row["ours_most"]) == pytest.approx((0.25, 0.42))
    assert (row["ours_low"], row["ours_high"]) == pytest.approx((0.225, 0.462))
    assert row["note"] == "published on Test GPU, ours on CPU: Test"


def test_a_median_without_an_interval_stands_for_itself(write):
    alone = cell(1.0, 0.3, latency_low_s=None, latency_high_s=None)
    rows = beside_ours(read_published(write(FIGURE)), pd.DataFrame([alone, cell(2.0, 0.35)]))
    (row,) = rows.to_dict("records")
    assert row["verdict"] == "inside" and row["ours_low"] == pytest.approx(0.3)
    assert row["note"].endswith("1 of 2 have no interval, so their median stands for it")


def test_ours_is_outside_where_it_misses_at_one_duration(write):
    published = read_published(write(FIGURE))
    results = pd.DataFrame([cell(1.0, 0.3), cell(6.0, 0.5), cell(2.0, 0.1, latency_low_s=None)])
    (row,) = beside_ours(published, results).to_dict("records")
    assert row["verdict"] == "outside"
    assert "inside at 1 of 3" in row["note"] and "1 of 3 have no interval" in row["note"]


def test_a_single_published_value_is_met_by_our_interval_alone(write):
    figure = FIGURE | {"value": "0.3", "low": "", "high": "", "longest_s": "1"}
    published = read_published(write(figure))
    for rtf, verdict in ((0.28, "inside"), (0.32, "inside"), (0.26, "outside"), (0.4, "outside")):
        (row,) = beside_ours(published, pd.DataFrame([cell(1.0, rtf)])).to_dict("records")
        assert row["verdict"] == verdict
        assert row["published_low"] == row["published_high"] == 0.3


def test_a_latency_is_compared_in_seconds(write):
    figure = FIGURE | {"metric": "latency", "unit": "s", "low": "1.1", "high": "1.3"}
    results = pd.DataFrame([cell(4.0, 0.3)])
    (row,) = beside_ours(read_published(write(figure)), results).to_dict("records")
    assert row["verdict"] == "inside" and row["ours_least"] == pytest.approx(1.2)


@pytest.mark.parametrize(
    "changes",
    [
        {"detector": "xlsr-mamba"},
        {"frontend": "xls-r-tiny"},
        {"part": "encoder"},
        {"batch_size": 8},
        {"clock": "throughput"},
        {"status": "out-of-memory"},
        {"duration_s": 7.0},
    ],
    ids=str,
)
def test_another_measurement_is_no_answer(write, changes):
    published = read_published(write(FIGURE))
    (row,) = beside_ours(published, pd.DataFrame([cell(2.0, 0.3) | changes])).to_dict("records")
    assert row["verdict"] == "no such measurement" and math.isnan(row["ours_least"])
    assert "fake-mamba-l with xls-r-300m has no end-to-end latency at batch 1" in row["note"]


def test_every_setting_of_ours_and_every_detector_has_its_row(write):
    published = read_published(write(FIGURE | {"detectors": "fake-mamba-s fake-mamba-l"}))
    results = pd.DataFrame([cell(2.0, 0.3), cell(2.0, 0.1, precision="bf16"), cell(3.0, 0.3)])
    rows = beside_ours(published, results)
    assert rows[["detector", "verdict"]].values.tolist() == [
        ["fake-mamba-s", "no such measurement"],
        ["fake-mamba-l", "inside"],
        ["fake-mamba-l", "outside"],
    ]
    assert rows["precision"].tolist()[1:] == ["fp32", "bf16"]


def test_figures_that_no_benchmark_answers_have_no_row(write):
    published = read_published(write(FIGURE | {"metric": "EER", "shortest_s": "", "longest_s": ""}))
    assert beside_ours(published, pd.DataFrame([cell(2.0, 0.3)])).empty


def test_intervals_of_a_single_visit_are_named():
    rows = beside_ours(read_published(), pd.DataFrame([cell(1.0, 0.3, passes=None)]))
    assert rows["note"].str.contains("1 of 1 were visited once: .* of its rounds").any()
