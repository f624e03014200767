"""What a load test comes down to, by requests that are made up."""

import json
import math
from dataclasses import replace

import pytest

from fakemamba.analysis.load.answers import largest, sentences
from fakemamba.analysis.load.levels import endings, level_table
from fakemamba.analysis.load.page import line, markdown
from fakemamba.analysis.report.words import is_known
from fakemamba.load_record import LoadError, Requests, Run, read_load, write_load


def told(record):
    return " ".join(sentences(record, level_table(record)))


def test_latency_and_its_parts(make_run, make_record):
    (row,) = level_table(make_record(make_run(late=8))).to_dict("records")
    assert row["p50_s"] == pytest.approx(0.35) and row["tail_s"] == pytest.approx(2.25)
    assert row["queueing_p50_s"] == pytest.approx(0.1)
    assert row["queueing_tail_s"] == pytest.approx(2.0)
    assert row["computing_tail_s"] == pytest.approx(0.25)
    assert row["answers_a_second"] == pytest.approx(480 / 479.35, rel=0.01)
    assert row["audio_a_second"] == pytest.approx(2 * row["answers_a_second"])
    assert (row["over"], row["batch_mean"], row["verdict"]) == (8, 2.0, "undecided")


def test_what_is_not_answered_is_late_for_ever(make_run, make_record):
    (row,) = level_table(make_record(make_run(refused=3, failed=9))).to_dict("records")
    assert (row["over"], row["verdict"], row["tail_s"]) == (12, "fails", math.inf)
    assert row["queueing_tail_s"] == pytest.approx(0.1)  # of those that were answered
    assert row["reasons"] == "its process was killed"


def test_a_query_of_several_ends_with_its_last(make_run, make_record):
    run = make_run("multi-stream", None, 16, late=1, at_once=8)
    assert list(run.latencies_s()) == pytest.approx([0.35, 2.25])
    (row,) = level_table(make_record(run)).to_dict("records")
    assert (row["queries"], row["requests"]) == (2, 16) and not is_known(row["verdict"])


def test_runs_at_one_rate_are_judged_together(make_run, make_record):
    runs = [make_run(late=1), make_run(late=1), make_run(level=6.0)]
    assert level_table(make_record(runs[0]))["verdict"].tolist() == ["undecided"]
    row, other = level_table(make_record(*runs)).to_dict("records")
    assert (row["queries"], row["over"], row["verdict"]) == (960, 2, "holds")
    assert (other["level"], other["queries"]) == (6.0, 480)


def test_the_generators_own_figure_is_beside_ours_where_all_were_answered(make_run, make_record):
    runs = [replace(make_run(**one), generator_p99_s=0.7) for one in ({}, {"refused": 1})]
    assert level_table(make_record(*runs))["generator_ratio"].tolist() == pytest.approx([2.0])
    page = markdown(make_record(*runs), level_table(make_record(*runs)))
    assert "p99 is at most 2 times what it is here" in page


def test_the_answer_has_both_ends(make_run, make_record):
    runs = [
        make_run(level=2.0),
        make_run(level=4.0),
        make_run(level=4.5, late=2),
        make_run(level=5.0, late=50),
        make_run("streams", 1.0, late=40),
    ]
    record = make_record(*runs)
    found = largest(level_table(record), "server")
    assert (found.held, found.failed, found.undecided) == (4.0, 5.0, (4.5,))
    text = told(record)
    assert "p99 within 1 s: 4 hold, 5 do not, and 4.5 stay undecided" in text
    assert "every 0.5 s, p99 within 1 s: none holds, 1 do not" in text
    assert "Of 2,400 requests 2,400 were answered, 0 refused and 0 failed" in text
    assert largest(level_table(make_record(*runs[:2])), "server").failed == math.inf
    assert largest(level_table(make_record(runs[0], slo_s=None)), "server") is None


def test_calls_without_an_slo_have_the_hop(make_run, make_record):
    record = make_record(make_run("streams", 1.0, late=50), slo_s=None)
    assert "p99 within 0.5 s" in told(record)


def test_an_slo_that_one_at_a_time_misses_is_said_first(make_run, make_record):
    record = make_record(make_run("single-stream", None, late=50), make_run("offline", None))
    assert sentences(record, level_table(record))[0] == (
        "Even one utterance at a time misses the SLO of 1 s: p99 is 2.25 s. No rate of arrivals "
        "can hold, so none was looked for."
    )
    holds = make_record(make_run("single-stream", None))
    assert "misses" not in told(holds)


def test_a_page_has_every_level_and_ending(make_run, make_record):
    runs = [make_run("single-stream", None), make_run(refused=70), make_run(level=9.0, failed=1)]
    record = make_record(*runs, is_cut=True)
    table = level_table(record)
    page = markdown(record, table)
    assert "| server | 5 | 480 | 70 | 0 |" in page
    assert "* its process was killed" in page and "It ended early" in page
    assert "a \\| strange one" in page
    assert endings(table) == {"requests": 1_440, "answered": 1_369, "refused": 70, "failed": 1}
    assert line(table.iloc[1].to_dict(), 99).endswith("480 requests, 70 refused; fails")


def test_nothing_measured_is_a_page_too(make_run, make_record):
    for record in (make_record(), make_record(make_run(count=0))):
        assert "Of 0 requests" in markdown(record, level_table(record))


def test_a_record_comes_back_as_it_was(make_run, make_record, tmp_path):
    record = make_record(make_run(refused=7, failed=1), make_run("single-stream", None))
    write_load(record, tmp_path / "load.json")
    assert read_load(tmp_path / "load.json") == record


def test_a_request_that_is_lost_is_an_error(make_run, make_record, tmp_path):
    found = make_run(refused=1)
    with pytest.raises(ValueError, match=r"481 requests were issued, but 480 ended \(479 answer"):
        Run("server", 5.0, 481, found.requests, 0, 0)
    write_load(make_record(found), tmp_path / "load.json")
    content = json.loads((tmp_path / "load.json").read_text())
    content["runs"][0]["issued"] = 479
    (tmp_path / "load.json").write_text(json.dumps(content))
    with pytest.raises(LoadError, match=r"load\.json, runs\[0\]: 479 requests were issued"):
        read_load(tmp_path / "load.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(kind="fakemamba-edge-study"), "another kind"),
        (lambda one: one["runs"][0].update(scenario="burst"), r"runs\[0\]\.scenario"),
        (lambda one: one["runs"][0]["requests"]["ending"].pop(), "not of one length"),
        (lambda one: one["settings"].update(percentile=100.0), "between 0 and 100"),
    ],
)
def test_what_is_no_record_is_refused(make_run, make_record, tmp_path, change, words):
    path = tmp_path / "load.json"
    write_load(make_record(make_run()), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(LoadError, match=words) as refused:
        read_load(path)
    assert "fakemamba load" in str(refused.value) and "\n" not in str(refused.value)


def test_columns_are_of_one_length():
    with pytest.raises(ValueError, match="not of one length"):
        Requests((0,), (0.0,), (None,), (0.0,), (1,), (0,), ("refused",), ())


def test_a_picture_is_drawn_of_rates_and_calls(make_run, make_record, tmp_path):
    pytest.importorskip("seaborn", reason="seaborn is not installed")
    from fakemamba.analysis.load.picture import draw

    runs = [make_run(level=one, late=round(one)) for one in (2.0, 4.0, 20.0)]
    runs += [make_run("streams", 3.0, refused=40)]
    record = make_record(*runs)
    assert draw(record, level_table(record), tmp_path).stat().st_size > 10_000
    assert draw(make_record(), level_table(make_record()), tmp_path) is None
