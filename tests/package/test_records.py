"""JSON of any content is the record that was asked for, or one line that says why not."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from fakemamba.records import check_fields, parse_record, read_record, sealed, write_sealed


class OurError(ValueError):
    pass


@dataclass(frozen=True)
class Inner:
    share: float


@dataclass(frozen=True)
class Outer:
    count: int
    names: tuple[str, ...]
    inner: Inner | None = None

    def __post_init__(self):
        if self.count > 5:
            raise ValueError("count is 5 at the most")


def parse(text):
    return parse_record(text, Outer, "run.json, line 3", OurError, "train again")


def test_a_record_comes_back():
    text = '{"count": 1, "names": ["a"], "inner": {"share": 1}}'
    assert parse(text) == Outer(1, ("a",), Inner(1.0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"count": true, "names": []}', "count: should be a valid integer, but is True"),
        ('{"count": 1.0, "names": []}', "count: should be a valid integer, but is 1.0"),
        ('{"count": "1", "names": []}', "count: should be a valid integer, but is '1'"),
        ('{"count": 1, "names": [2]}', r"names\[0\]: should be a valid string, but is 2"),
        ('{"count": 1}', "names: it is missing"),
        ('{"count": 1, "names": [], "x": 1}', "x: there is no such field"),
        ('{"count": 1, "names": [], "inner": {"share": NaN}}', "inner.share: .* finite"),
        ('{"count": 1, "names": [], "inner": {"share": 1, "y": 1}}', "inner.y: there is no"),
        ('{"count": 6, "names": []}', "count is 5 at the most"),
        ('{"count": 1,\n "names"', "not JSON .* line 2"),
        ("[1]", "should be an object"),
        ("[" * 100_000, "not JSON .*recursion"),
        ('{"count": 1' + "0" * 9999 + "}", "not JSON .*number out of range"),
        (b"\xff", "not JSON"),
    ],
)
def test_what_is_not_of_the_form_is_one_line_with_place_and_remedy(text, told):
    with pytest.raises(OurError, match=told) as caught:
        parse(text)
    assert str(caught.value).startswith("run.json, line 3")
    assert str(caught.value).endswith("; train again")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["count"]), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["count", "names", "inner", "x"]), JSON) | JSON)
def test_any_json_is_a_record_or_an_error(content):
    try:
        found = parse(json.dumps(content))
    except OurError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found.count, int)
        assert all(isinstance(name, str) for name in found.names)


@dataclass(frozen=True)
class Checked:
    count: Annotated[int, Field(ge=1)]
    inner: Inner

    def __post_init__(self):
        check_fields(self)


@pytest.mark.parametrize(
    ("count", "inner", "told"),
    [
        (0, Inner(1.0), "count: should be greater than or equal to 1, but is 0"),
        (True, Inner(1.0), "count: should be a valid integer, but is True"),
        (1, {"share": 1.0}, "inner: should be"),
    ],
)
def test_fields_given_in_python_are_checked_by_the_same_annotations(count, inner, told):
    assert Checked(1, Inner(1.0)).count == 1
    with pytest.raises(ValueError, match=told):
        Checked(count, inner)


def test_files_that_hold_no_record(tmp_path):
    for content, told in (("", "is empty"), ("x" * 200, "no such file more than")):
        path = tmp_path / "run.json"
        path.write_text(content)
        with pytest.raises(OurError, match=told):
            read_record(path, Outer, OurError, "train again", most_bytes=100)
    with pytest.raises(OurError, match="a folder, not a file"):
        read_record(tmp_path, Outer, OurError, "train again")


@given(JSON.filter(lambda content: isinstance(content, dict | list)), st.data())
def test_no_damage_of_a_sealed_record_passes_for_another(content, data):
    text = sealed(json.dumps(content, indent=data.draw(st.sampled_from([None, 1]))))
    found = parse_record(text, Any, "x", OurError, "again", is_sealed=True)
    assert json.dumps(found) == json.dumps(content)
    damaged = bytearray(text.encode())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    try:
        again = parse_record(bytes(damaged), Any, "x", OurError, "again", is_sealed=True)
    except OurError as error:
        assert "\n" not in str(error)
    else:
        assert json.dumps(again) == json.dumps(content)


def test_a_sealed_file_is_read_as_it_was_written_and_not_without_its_seal(tmp_path):
    path = tmp_path / "run.json"
    content = {"count": 1, "names": ["é"], "inner": {"share": 0.1}}
    write_sealed(path, content)
    wanted = Outer(1, ("é",), Inner(0.1))
    assert read_record(path, Outer, OurError, "train again", is_sealed=True) == wanted
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(OurError, match=r"run\.json is damaged.*; train again"):
        read_record(path, Outer, OurError, "train again", is_sealed=True)
    path.write_text(json.dumps(content))
    with pytest.raises(OurError, match="has no checksum"):
        read_record(path, Outer, OurError, "train again", is_sealed=True)


STAMP = {"kind": "fakemamba-test", "schema": 2}


def test_a_record_of_another_kind_or_version_is_told():
    def read(**changed):
        text = json.dumps({"count": 1, "names": []} | STAMP | changed)
        return parse_record(text, Outer, "run.json", OurError, "train again", stamp=STAMP)

    assert read() == Outer(1, ()) and type(read()) is Outer
    for changed, told in (
        ({"schema": 3}, "another version: it has schema 3, but this version reads 2; train again"),
        ({"kind": "x"}, "another kind .* has kind 'x', but this version reads fakemamba-test"),
        ({"schema": True}, "schema: should be a valid integer"),
        ({"count": 6}, "count is 5 at the most"),
        ({"x": 1}, "x: there is no such field"),
    ):
        with pytest.raises(OurError, match=rf"run\.json.*{told}"):
            read(**changed)
    with pytest.raises(OurError, match="schema: it is missing"):
        parse_record(
            '{"count": 1, "names": [], "kind": "fakemamba-test"}',
            Outer,
            "x",
            OurError,
            "again",
            stamp=STAMP,
        )
