"""A comparison's JSON: what was written is read, and nothing else is."""

import copy
import json

import pytest

from fakemamba.analysis.compare.from_json import (
    ComparisonError,
    read_comparison,
    validate_comparison,
)
from fakemamba.analysis.compare.verdict import CellVerdict, Comparison, Problem, Rules

CELL = CellVerdict(
    "a", "latency", "regressed", "above-effect", "why", 1.1, 1.05, 1.15, 0.1, 0.11, 6
)
COMPARISON = Comparison(
    cells=(CELL, CellVerdict("b", "status", "fine", "unsupported", "unsupported on both sides")),
    problems=(),
    notes=("a note",),
    rules=Rules(noise_floor=0.01),
    pairs=6,
    base={"device": "Test GPU"},
    head={"device": "Test GPU"},
)


@pytest.fixture
def content():
    return json.loads(json.dumps(COMPARISON.to_json()))


def test_what_was_written_is_read(content, tmp_path):
    assert validate_comparison(content) == COMPARISON
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(content))
    assert read_comparison(path) == COMPARISON


def test_a_comparison_with_problems_is_read_too(content):
    problem = Problem("too-few-launches", "one pair")
    unanswered = Comparison((), (problem,), (), Rules(), 1, {}, {})
    assert validate_comparison(json.loads(json.dumps(unanswered.to_json()))) == unanswered


def changed(content, path, value):
    """A copy in which one place has another value; ... removes it."""
    result = copy.deepcopy(content)
    place = result
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], 2, "no comparison of schema 1"),
        (["schema"], ..., "no comparison of schema 1"),
        (["pairs"], ..., "the comparison is not an object with the fields"),
        (["html"], "<script>", "the comparison is not an object with the fields"),
        (["pairs"], -1, "pairs is not a whole number"),
        (["pairs"], True, "pairs is not a whole number"),
        (["pairs"], 6.0, "pairs is not a whole number"),
        (["cells"], {}, "cells is not a list"),
        (["cells"], [3], "cells 0 is not an object"),
        (["cells", 0, "ratio"], float("nan"), "cells 0, ratio is not a finite number"),
        (["cells", 0, "ratio"], float("inf"), "ratio is not a finite number"),
        (["cells", 0, "ratio"], 10**400, "ratio is not a finite number"),
        (["cells", 0, "ratio"], "1.1", "ratio is not a finite number"),
        (["cells", 0, "ratio"], True, "ratio is not a finite number"),
        (["cells", 0, "ratio"], -1.0, "a ratio that is not above 0"),
        (["cells", 0, "ratio_high"], 0, "a ratio that is not above 0"),
        (["cells", 0, "cell_id"], None, "cell_id is not a text"),
        (["cells", 0, "cell_id"], "x" * 20_001, "cell_id is not a text of at most 20,000"),
        (["cells", 0, "quantity"], "rtf", "unknown quantity"),
        (["cells", 0, "verdict"], "great", "unknown verdict"),
        (["cells", 0, "verdict"], [], "verdict is not a text"),
        (["cells", 0, "reason_code"], "below-effect", "a reason code of another verdict"),
        (["cells", 0, "extra"], 1, "cells 0 is not an object with the fields"),
        (["cells", 0], ..., "verdict is not 'fine'"),
        (["verdict"], "fine", "verdict is not 'regressed'"),
        (["exit_code"], 0, "exit_code is not 1"),
        (["problems"], [{"reason_code": "bad", "reason": ""}], "problems 0 has an unknown reason"),
        (["notes", 0], 3, "notes 0 is not a text"),
        (["rules", "min_effect"], -1, "min_effect -1 has to be"),
        (["rules", "confidence"], 2, "confidence 2 has to be"),
        (["rules", "strict"], 1, "strict is neither true nor false"),
        (["rules", "other"], 1, "the comparison, rules is not an object"),
        (["base"], [], "base is not an object"),
        (["base", "device"], 3, "base is not a text"),
        (["base"], {str(i): "" for i in range(101)}, "at most 100 fields"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, list) else "",
)
def test_anything_else_is_refused(content, path, value, message):
    with pytest.raises(ComparisonError, match=message):
        validate_comparison(changed(content, path, value))


@pytest.mark.parametrize("other", [None, [], 3, "text", {}], ids=str)
def test_other_json_is_refused(other):
    with pytest.raises(ComparisonError, match="no comparison of schema 1"):
        validate_comparison(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("1" * 5_000, "is not JSON|no comparison"),
        ("{}", r"x\.json: it is no comparison"),
    ],
    ids=["empty", "truncated", "deep", "long number", "another"],
)
def test_files_that_are_none_are_named(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ComparisonError, match=message):
        read_comparison(path)


def test_absent_binary_and_huge_files_are_named(tmp_path):
    with pytest.raises(ComparisonError, match=r"absent\.json: no such file"):
        read_comparison(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ComparisonError, match=r"binary\.json is not JSON"):
        read_comparison(tmp_path / "binary.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ComparisonError, match="has 65 MiB, and no such file more than 64"):
        read_comparison(tmp_path / "huge.json")
