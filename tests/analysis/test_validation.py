"""Files that are no results, or contradict themselves: refused, with file, cell and remedy."""

import copy
import io
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fakemamba.analysis.results import ResultsError, read_launch, read_results

REFERENCE = Path(__file__).parents[2] / "results"
WRITTEN = sorted(path for path in REFERENCE.rglob("*.json") if '"fakemamba": {' in path.read_text())


def shortened(content, *indices):
    """A content with some of its cells."""
    return content | {"benchmarks": [content["benchmarks"][index] for index in indices]}


def reference(name, *indices):
    content = json.loads((REFERENCE / "cpu-epyc-2t" / name).read_text())
    return shortened(content, *indices)


# Schema 2: a detector that was measured, one that was not, and a scan. Schema 1: two recordings.
WAYS = reference("ways.json", 0)
WAYS["benchmarks"] += [
    next(
        entry
        for entry in reference("ways.json", *range(90))["benchmarks"]
        if entry["extra_info"]["status"] == "unsupported"
    ),
    *reference("scan.json", 0)["benchmarks"],
]
OLD = reference("recordings.json", 0, 1)
# A detector of others, with a front-end of its own.
OWN = shortened(copy.deepcopy(WAYS), 0)
OWN["benchmarks"][0]["extra_info"]["cell"]["frontend"] = "own"
OWN["benchmarks"][0]["extra_info"] |= {
    "fixed_length": "it is cut",
    "notes": ["rows are run one at a time", ""],
    "external": {"parts": {"encoder": "net"}, "num_samples": None, "batches": False},
}
CELL_ID = WAYS["benchmarks"][0]["extra_info"]["cell_id"]


def replaced(content, place, value):
    """A copy of a content with another value at a place, a tuple of keys and indices."""
    if not place:
        return value
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return changed


def without(content, place):
    """A copy of a content that lacks a place."""
    changed = copy.deepcopy(content)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    del parent[place[-1]]
    return changed


def places(content, place=()):
    """Every place in a content."""
    yield place
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in pairs:
            yield from places(value, (*place, key))


def refusal(folder, content, text=None):
    """Why a content is refused, which has to name its file and be one line."""
    path = folder / "x.json"
    path.write_text(json.dumps(content) if text is None else text)
    with pytest.raises(ResultsError) as caught:
        read_results([path])
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable()
    return message


INFO = ("benchmarks", 0, "extra_info")
STATS = ("benchmarks", 0, "stats")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_reference_result_is_accepted(path):
    launch = read_launch(path)
    entries = json.loads(path.read_text())["benchmarks"]
    assert len(launch.cells) == len(entries) and launch.cells["cell_id"].is_unique
    measured = launch.cells[launch.cells["status"] == "measured"]
    medians = measured["samples_s"].map(pd.Series).map(pd.Series.median)
    pd.testing.assert_series_equal(medians, measured["latency_s"], check_names=False)


def test_what_a_detector_of_others_says_is_read(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(OWN))
    (row,) = read_results([tmp_path / "x.json"]).to_dict("records")
    assert row["notes"] == ("rows are run one at a time", "") and row["own_frontend"]
    assert row["fixed_length"] == "it is cut" and row["frontend"] == "own"
    changed = replaced(OWN, (*INFO, "fixed_length"), None)
    (tmp_path / "x.json").write_text(json.dumps(without(changed, (*INFO, "notes"))))
    (row,) = read_results([tmp_path / "x.json"]).to_dict("records")
    assert row["notes"] == () and row["fixed_length"] is None


def test_an_older_schema_is_upgraded_to_the_ids_of_today(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(OLD))
    launch = read_launch(tmp_path / "x.json")
    assert launch.identity == {} and set(launch.cells["clock"]) == {"latency"}
    assert launch.cells["cell_id"].tolist() == [
        f"{entry['param']}-latency" for entry in OLD["benchmarks"]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; run the benchmark again"),
        (" \n", "is empty; run the benchmark again"),
        ("{", "is not JSON, or cut short.*copy it again"),
        (json.dumps(WAYS)[:5_000], "is not JSON, or cut short.*copy it again"),
        ("[" * 100_000, "nested more deeply"),
        ('{"a": ' + "9" * 10_000 + "}", "is not JSON"),
        ("[]", "has no block 'fakemamba': it was not written by `pytest bench/"),
        (json.dumps(WAYS | {"fakemamba": None}), "has no block 'fakemamba'"),
        (json.dumps(WAYS | {"fakemamba": [1]}), r"'fakemamba' is \[1\], but has to be an object"),
        (json.dumps(WAYS | {"benchmarks": {}}), "'benchmarks' is {}, but has to be a list"),
        (json.dumps(WAYS | {"benchmarks": []}), "has no cells; measure some"),
        (json.dumps(WAYS | {"benchmarks": [5]}), r"benchmarks\[0\]: 'entry' is 5"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_result_is_refused(tmp_path, text, message):
    assert re.search(message, refusal(tmp_path, None, text))


@pytest.mark.parametrize("schema", [5, 99, 0, -1, True, 2.0, "2", None, [2]])
def test_other_schemas_are_refused(tmp_path, schema):
    message = refusal(tmp_path, replaced(WAYS, ("fakemamba", "schema"), schema))
    assert f"has schema {schema!r}, but this version reads 1 to 4; " in message
    assert ("update this project" in message) == (schema in (5, 99))


@given(content=st.binary(max_size=200))
@example(content=b"\x89PNG\r\n\x1a\n\x00\x00")
@example(content=b"\xff\xfe{\x00}\x00")
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_binary_files_are_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"x\.json (is|has) "):
        read_results([path])


KERNEL = {"status": "failed", "error": "it is wrong", "differences": {"fp32": 0.3}}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ([1], "kernels: 'norm' is [1], but has to be an object"),
        ({}, "kernels, 'norm' has no 'status'"),
        (KERNEL | {"status": "fine"}, "'status' is 'fine', but has to be one of passed, failed, "),
        (KERNEL | {"error": 3}, "'error' is 3, but has to be a text or null"),
        (KERNEL | {"differences": {"fp32": -1}}, "but has to be an object of numbers, 0 or more"),
    ],
    ids=str,
)
def test_a_check_of_a_kernel_of_another_shape_is_refused(tmp_path, changed, told):
    place = ("fakemamba", "environment", "kernels")
    (tmp_path / "x.json").write_text(json.dumps(replaced(WAYS, place, {"norm": KERNEL})))
    assert read_launch(tmp_path / "x.json").environment["kernels"] == {"norm": KERNEL}
    assert told in refusal(tmp_path, replaced(WAYS, place, {"norm": changed}))


@pytest.mark.parametrize("name", ["gpu", "git", "packages", "kernels"])
def test_facts_of_another_shape_are_refused(tmp_path, name):
    message = refusal(tmp_path, replaced(WAYS, ("fakemamba", "environment", name), [1]))
    assert f"'environment': '{name}' is [1], but has to be an object" in message


@pytest.mark.parametrize("missing", ["environment", "options", "identity"])
def test_a_launch_without_its_circumstances_is_refused(tmp_path, missing):
    message = refusal(tmp_path, without(WAYS, ("fakemamba", missing)))
    assert f"block 'fakemamba' has no '{missing}'" in message


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ResultsError, match=rf"^{tmp_path}/absent\.json: no such file"):
        read_results([tmp_path / "absent.json"])
    with pytest.raises(ResultsError, match=rf"^{tmp_path} is not a file; give the \.json"):
        read_results([tmp_path])
    with pytest.raises(ResultsError, match=rf"^{tmp_path}/x+ cannot be read: File name too long"):
        read_results([tmp_path / ("x" * 5_000)])
    embedded_null = r"^'a\\x00b.json' is no file's name: (stat: )?embedded null"
    with pytest.raises(ResultsError, match=embedded_null):
        read_results(["a\0b.json"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ResultsError, match=rf"^{tmp_path}/pipe is not a file"):
        read_results([tmp_path / "pipe"])


@pytest.fixture
def unprivileged():
    """Nobody's rights, as root may read everything."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    yield
    if was_root:
        os.seteuid(0)


def test_a_file_without_the_right_to_read_it_is_named(tmp_path, request):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(WAYS))
    path.chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(ResultsError, match=r"x\.json cannot be read: Permission denied"):
        read_results([path])


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(2**40)  # a hole: what reads it runs out of memory
    with pytest.raises(
        ResultsError,
        match=r"^/.*x\.json is too large: 1048576.0 MiB, at most 64 .*--bench-parts.* all of",
    ):
        read_results([tmp_path / "x.json"])


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


@pytest.mark.parametrize("commands", ["bench/", [["bench/", 5]], {"a": 1}, None], ids=str)
def test_commands_that_are_none_are_refused(tmp_path, commands):
    changed = replaced(WAYS, ("fakemamba", "options", "commands"), commands)
    assert "has to be a list of commands" in refusal(tmp_path, changed)


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


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)
odd = st.sampled_from(
    [10**400, -(2**63), 2**63, 5e-324, 1.8e308, "\ud800", "x" * 10_000, [[[]]], {"": {"": None}}]
)


def mutable_places(content):
    """Every place but later rounds, and what is deep in the machine's state before."""
    return [
        place
        for place in places(content)
        if "before" not in place[:-1] and not ("data" in place and place[-1] not in ("data", 0, 1))
    ]


@pytest.mark.parametrize(
    ("content", "where"),
    [(one, mutable_places(one)) for one in (WAYS, OLD, OWN)],
    ids=["schema 2", "schema 1", "own front-end"],
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_anywhere_is_read_or_refused_by_name(tmp_path, content, where, data):
    place = data.draw(st.sampled_from(where))
    if place and data.draw(st.booleans()):
        changed = without(content, place)
    else:
        changed = replaced(content, place, data.draw(anything | odd))
    path = tmp_path / "x.json"
    path.write_text(json.dumps(changed))
    try:
        table = read_results([path])
    except ResultsError as error:
        assert str(error).startswith(str(path))
    else:
        assert 1 <= len(table) <= 3 and table["cell_id"].is_unique
        table.to_csv(io.BytesIO())


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere_is_refused(tmp_path, share):
    text = json.dumps(WAYS, indent=1)
    assert "cut short" in refusal(tmp_path, None, text[: int(share * len(text))])
