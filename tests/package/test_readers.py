"""Whoever reads JSON: whatever is anywhere in it, or cut off, is read or refused in one line."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba.analysis.claims.offline_scoring import read_scoring
from fakemamba.analysis.compare.from_json import ComparisonError, read_comparison
from fakemamba.analysis.compare.verdict import CellVerdict, Comparison, Rules
from fakemamba.analysis.results import ResultsError
from fakemamba.bench.gate.commands import GateError
from fakemamba.bench.gate.launches import is_disturbed, middle_cell, node_ids
from fakemamba.bench.sweep.journal import JournalError, read_result
from fakemamba.data.lengths import LengthsError, read_lengths, summarise_lengths, write_lengths
from tests.places import places

RESULT = {
    "fakemamba": {"identity": {"device": "a CPU"}},
    "benchmarks": [
        {
            "fullname": "bench_detectors.py::bench_detector[a]",
            "extra_info": {"cell_id": "a", "status": "measured", "reason": None},
            "stats": {"median": 0.5, "data": [0.5]},
        },
        {"fullname": "other.py::test", "extra_info": {}, "stats": {"median": 1.0}},
    ],
}
CELL = CellVerdict("a", "latency", "fine", "below-effect", "why", 1.0, 0.9, 1.1, 0.1, 0.1, 6)
COMPARISON = Comparison((CELL,), (), ("a note",), Rules(), 6, {"device": "x"}, {"device": "x"})
SCORING = {"utterances_per_s": 2500.0, "bottleneck": "decoding", "environment": {"device": "x"}}


def lengths(folder):
    table = summarise_lengths([1.0, 2.0], name="a", source="b", licence=None, made_by="c")
    write_lengths(table, folder / "lengths.json")
    return json.loads((folder / "lengths.json").read_text())


READERS = {
    "result": (lambda folder: RESULT, JournalError, lambda path: read_result(path, {})),
    "middle": (lambda folder: RESULT, GateError, middle_cell),
    "nodes": (lambda folder: RESULT, GateError, node_ids),
    "disturbed": (lambda folder: RESULT, GateError, is_disturbed),
    "comparison": (lambda folder: COMPARISON.to_json(), ComparisonError, read_comparison),
    "scoring": (lambda folder: SCORING, ResultsError, read_scoring),
    "lengths": (lengths, LengthsError, read_lengths),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
) | st.sampled_from([10**400, -(2**63), 1.8e308, float("nan"), "x" * 10_000])


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_anywhere_is_read_or_refused_in_one_line(tmp_path, name, data):
    make, error, read = READERS[name]
    content = {"": copy.deepcopy(make(tmp_path))}
    *path, last = ("", *data.draw(st.sampled_from(list(places(content[""])))))
    parent = content
    for key in path:
        parent = parent[key]
    parent[last] = data.draw(ANYTHING)
    text = json.dumps(content[""])
    cut = data.draw(st.none() | st.integers(0, len(text)))
    file = Path(tmp_path) / "x.json"
    file.write_text(text[:cut])
    try:
        read(file)
    except error as refused:
        assert str(refused).startswith(str(file)) and "\n" not in str(refused)
        assert len(str(refused)) < 900 + len(str(file))
