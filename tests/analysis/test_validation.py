"""Files that are no results, damaged, or of another shape: refused, with file and remedy."""

import io
import json
import os
import re

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fakemamba.analysis.results import ResultsError, read_launch, read_results
from tests.analysis.contents import (
    INFO,
    OLD,
    OWN,
    WAYS,
    WRITTEN,
    refusal,
    replaced,
    without,
)
from tests.places import places


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


@pytest.mark.parametrize("commands", ["bench/", [["bench/", 5]], {"a": 1}, None], ids=str)
def test_commands_that_are_none_are_refused(tmp_path, commands):
    changed = replaced(WAYS, ("fakemamba", "options", "commands"), commands)
    assert "has to be a list of commands" in refusal(tmp_path, changed)


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
