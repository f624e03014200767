"""Cells that contradict themselves, or say what cannot be: refused, with file, cell and remedy."""

import json
import re

import pytest

from fakemamba.analysis.results import read_results
from tests.analysis.contents import (
    CELL_ID,
    INFO,
    STATS,
    WAYS,
    refusal,
    replaced,
    shortened,
    without,
)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    "place", [(*INFO, "latency_s"), (*STATS, "data", 1), (*INFO, "machine", "before", "x")], ids=str
)
def test_numbers_that_are_none_are_refused_with_their_place(tmp_path, token, place):
    text = json.dumps(replaced(WAYS, place, "TOKEN")).replace('"TOKEN"', token)
    message = refusal(tmp_path, None, text)
    assert CELL_ID in message and "is no number" in message
    assert ".".join(map(str, place[2:])).replace(".1", "[1]") in message


def test_a_number_deep_down_is_shown_on_one_short_line(tmp_path):
    text = json.dumps(WAYS | {"benchmarks": ["DEEP"]})
    deep = "[" * 900 + "NaN" + "]" * 900
    assert len(refusal(tmp_path, None, text.replace('"DEEP"', deep))) < 500 + len(str(tmp_path))


def test_a_number_that_is_none_outside_of_a_cell_is_refused_too(tmp_path):
    message = refusal(tmp_path, replaced(WAYS, ("machine_info", "x"), float("nan")))
    assert "machine_info.x is nan, which is no number" in message


LATENCY_S = WAYS["benchmarks"][0]["extra_info"]["latency_s"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*INFO, "latency_s"), -LATENCY_S, "'latency_s' is -0.00.*more than 0"),
        ((*INFO, "latency_s"), 0, "'latency_s' is 0, but has to be a time in seconds"),
        ((*INFO, "latency_s"), None, "'latency_s' is None"),
        ((*INFO, "latency_s"), "1", "'latency_s' is '1'"),
        ((*INFO, "latency_s"), True, "'latency_s' is True"),
        ((*INFO, "latency_s"), LATENCY_S * 1e3, "latency_s is 4.45.*but stats.median .* is 0.0044"),
        ((*INFO, "first_call_s"), -1.0, "'first_call_s' is -1.0"),
        ((*INFO, "latency_low_s"), LATENCY_S * 2, "its interval is 0.0089"),
        ((*INFO, "latency_high_s"), LATENCY_S / 2, "its interval is .* to 0.0022"),
        ((*INFO, "rtf"), 1.0, "rtf is 1, but latency_s / duration_s is 0.0044"),
        ((*INFO, "throughput"), 1.0, "throughput is 1, but audio seconds / latency_s is 224.4"),
        ((*INFO, "peak_bytes"), 2.5, "'peak_bytes' is 2.5, but has to be a whole number, 0 or"),
        ((*INFO, "peak_bytes"), -1, "'peak_bytes' is -1"),
        ((*INFO, "peak_bytes"), 10**400, "'peak_bytes' is 1000000"),
        ((*INFO, "flop_coverage"), 1.5, "'flop_coverage' is 1.5, but has to be a number from 0"),
        ((*INFO, "status"), "fine", "'status' is 'fine', but has to be one of measured, wrong"),
        ((*INFO, "status"), [], r"'status' is \[\]"),
        ((*INFO, "status"), "failed", "is failed but has a time"),
        ((*INFO, "disturbed_by"), "throttled", "'disturbed_by' is 'throttled'.*a list of texts"),
        ((*INFO, "notes"), "slow", "'notes' is 'slow'.*a list of texts"),
        ((*INFO, "notes"), [1], r"'notes' is \[1\].*a list of texts"),
        ((*INFO, "fixed_length"), True, "'fixed_length' is True, but has to be a text"),
        ((*INFO, "energy"), 5, "'energy' is 5, but has to be an object"),
        ((*INFO, "energy", "net_energy_j"), "5 J", "'net_energy_j' is '5 J'"),
        ((*INFO, "machine"), [], r"'machine' is \[\], but has to be an object"),
        ((*INFO, "machine", "after"), [1], r"machine: 'after' is \[1\], but has to be an object"),
        ((*INFO, "machine", "after", "gpu"), "x", "after: 'gpu' is 'x', but has to be an object"),
        (
            (*INFO, "machine", "after", "gpu"),
            {"idle": False, "sm_clock_mhz": [1]},
            r"'sm_clock_mhz' is \[1\], but has to be a number",
        ),
        ((*INFO, "cell"), "x", "'cell' is 'x', but has to be an object"),
        ((*INFO, "cell", "detector"), 5, "'detector' is 5, but has to be a text"),
        ((*INFO, "cell", "duration_s"), 0, "'duration_s' is 0"),
        ((*INFO, "cell", "batch_size"), 1.0, "'batch_size' is 1.0"),
        ((*INFO, "cell", "batch_size"), 2, "throughput is 224.4.* is 448.8"),
        ((*INFO, "cell", "more"), {"a": 1}, "'more' is {'a': 1}, but has to be a text, a number"),
        ((*INFO, "cell_id"), None, "'cell_id' is None"),
        ((*STATS, "data"), [], r"stats: 'data' is \[\], but has to be a list of a time"),
        ((*STATS, "data", 0), -1.0, "stats: 'data' is .*more than 0"),
        ((*STATS, "data", 0), 100.0, "stats.max is 0.0055.*the most of stats.data is 100"),
        ((*STATS, "data", 0), 1e-9, "stats.min is 0.0040.*the least of stats.data is 1e-09"),
        ((*STATS, "median"), 100.0, "stats.median is 100, but the median of stats.data is 0.0044"),
        ((*STATS, "max"), LATENCY_S, "stats.max is 0.0044"),
        ((*STATS, "rounds"), 5, "stats.rounds is 5, but the length of stats.data is 53"),
        (STATS, {}, "stats has no 'min'"),
        (("benchmarks", 1, "extra_info", "latency_s"), 1.0, "is unsupported but has a time"),
        (("benchmarks", 1, "stats", "median"), 1.0, "is unsupported but has a time"),
        ((*INFO, "reason"), "\ud800", r"extra_info.reason is not a text"),
        ((*INFO, "machine"), {"a\udfff": 1}, "a name in .extra_info.machine is not a text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_is_refused_with_file_cell_and_remedy(tmp_path, place, value, message):
    found = refusal(tmp_path, replaced(WAYS, place, value))
    entry = WAYS["benchmarks"][place[1]]
    assert "x.json, cell '" in found and entry["param"][:40] in found
    assert re.search(message, found), found
    assert found.endswith("; use the file as the benchmark wrote it, or measure again")


@pytest.fixture(scope="module")
def visited(write_growth, tmp_path_factory):
    """A result of today."""
    path = write_growth(tmp_path_factory.mktemp("visited") / "x.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def streamed(write_streams, tmp_path_factory):
    """A result with a cell of a stream alone."""
    content = json.loads(write_streams(tmp_path_factory.mktemp("streamed") / "x.json").read_text())
    parts = [one["extra_info"]["cell"]["part"] for one in content["benchmarks"]]
    return shortened(content, parts.index("stream"))


VISITS = (*INFO, "visits")
SHAPE = "have to be equally many; use the file"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (VISITS, None, "'visits' is None, but has to be a list"),
        (VISITS, [], "has 0 visits, but stats.data has 9 figures"),
        ((*VISITS, 1), 5, r"visits\[1\]: 'visit' is 5, but has to be an object"),
        ((*VISITS, 1), {"pass": 1}, r"visits\[1\] has no 'rounds_s'"),
        ((*VISITS, 1, "pass"), -1, "'pass' is -1"),
        ((*VISITS, 1, "pass"), 1.5, "'pass' is 1.5"),
        ((*VISITS, 1, "pass"), 0, "'pass' is 0 after 0, but visits have to be in the order"),
        ((*VISITS, 1, "pass"), 7, "'pass' is 2 after 7, but visits"),
        ((*VISITS, 1, "rounds_s"), [], r"'rounds_s' is \[\]"),
        ((*VISITS, 1, "rounds_s"), [0.0], r"'rounds_s' is \[0.0\]"),
        ((*VISITS, 1, "rounds_s"), [9.0], r"stats.data\[1\] is .*, but the median .* is 9;"),
        ((*INFO, "cell", "hop_s"), 0, "'hop_s' is 0, but has to be a time .*, or null"),
        ((*INFO, "cell", "hop_s"), 1.0, "hop_s is 1.0, but part is 'front-end'; stream, stream-"),
        ((*INFO, "cell", "part"), "stream", "hop_s is None, but part is 'stream'"),
        ((*VISITS, 1, "disturbed_by"), "x", "'disturbed_by' is 'x', but has to be a list"),
        (("fakemamba", "work"), {}, "'work' is {}, but has to be a list"),
        (("fakemamba", "work", 0), 1, r"work\[0\]: 'record' is 1, but has to be an object"),
        (("fakemamba", "work", 0, "flops"), [1], SHAPE),
        (("fakemamba", "work", 0, "flops"), [-1] * 11, "'flops' is .* 0 or more"),
        (("fakemamba", "work", 0, "durations_s", 0), 1.0, "durations_s have to ascend"),
        (("fakemamba", "work", 0, "durations_s", 0), 0, "durations_s have to ascend, from more"),
        (("fakemamba", "work", 0, "reason"), 5, "'reason' is 5, but has to be a text or null"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_visits_and_work_that_cannot_be_are_refused(tmp_path, visited, place, value, message):
    assert re.search(message, refusal(tmp_path, replaced(visited, place, value)))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((*INFO, "cell", "hop_s"), 5.0, "hop_s is 5, but its window has 4 s"),
        ((*INFO, "cell", "hop_s"), 2.0, "cost_s_per_s is .*, but latency_s / hop_s is "),
        ((*INFO, "cost_s_per_s"), 9.0, "cost_s_per_s is 9, but latency_s / hop_s is "),
        ((*INFO, "latency_p95_s"), 9.0, "latency_p95_s is 9, but that percentile of rounds_s is "),
        ((*INFO, "latency_p99_s"), 9.0, "latency_p99_s, but its visits have 27 rounds_s, too few"),
        ((*INFO, "rtf"), 9.0, "rtf is 9, but latency_s / duration_s is "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_streams_that_contradict_themselves_are_refused(tmp_path, streamed, place, value, message):
    assert re.search(message, refusal(tmp_path, replaced(streamed, place, value)))


def test_a_measured_cell_of_today_has_visits(tmp_path, visited):
    assert "has no 'visits'" in refusal(tmp_path, without(visited, VISITS))


@pytest.mark.parametrize(
    "place",
    [
        *((*INFO, name) for name in ("cell", "cell_id", "status", "reason", "input", "latency_s")),
        *((*INFO, "cell", name) for name in ("detector", "duration_s", "clock", "attention")),
        *((*STATS, name) for name in ("data", "median", "iqr")),
        STATS,
    ],
    ids=str,
)
def test_a_field_that_is_missing_is_named(tmp_path, place):
    assert f"has no {place[-1]!r}; " in refusal(tmp_path, without(WAYS, place))


def test_what_pytest_benchmark_keeps_without_rounds_is_refused_with_the_true_reason(tmp_path):
    assert "--benchmark-save-data" in refusal(tmp_path, without(WAYS, (*STATS, "data")))


def test_a_cell_that_is_in_a_file_twice_is_refused(tmp_path):
    message = refusal(tmp_path, shortened(WAYS, 0, 1, 2, 0))
    assert CELL_ID in message and "is in the file twice; remove one of the two" in message


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "x" * 10_000, "\x1b[31m\n\t\0", "'\"`;--", "Ω𝄞", ""]
)
def test_odd_texts_are_data(tmp_path, name):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(replaced(WAYS, (*INFO, "cell", "detector"), name)))
    assert read_results([path])["detector"].iloc[0] == name


def test_an_odd_id_is_shown_on_one_short_line(tmp_path):
    changed = replaced(WAYS, (*INFO, "cell_id"), "\x1b[31m\n" + "x" * 10_000)
    message = refusal(tmp_path, replaced(changed, (*INFO, "latency_s"), -1))
    assert len(message) < 500
