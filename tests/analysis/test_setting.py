"""Detectors with front-ends of their own stand beside all that ran in the same setting."""

import json
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.analysis.results import read_launch, read_results, together
from fakemamba.analysis.scaling.curves import curves
from fakemamba.analysis.setting import SETTING, beside_others, groups_of

USUAL = {"device": "cpu", "device_name": "CPU: Test", "precision": "fp32", "batch_size": 1}
USUAL |= {"execution": "eager", "attention": "sdpa", "clock": "latency", "status": "measured"}
USUAL |= {"backend": "none", "part": "end-to-end", "duration_s": 1.0}


def table(*cells):
    """Cells of (detector, front-end, what else is not as usual)."""
    rows = [
        USUAL | {"detector": detector, "frontend": frontend} | dict(*more)
        for detector, frontend, *more in cells
    ]
    return pd.DataFrame(rows)


def found(cells):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        placed = beside_others(cells)
    return rows_of(placed, "detector", "frontend", "own_frontend")


def rows_of(cells, *names):
    """Values of columns, row by row, None where one is unknown."""
    columns = [[None if pd.isna(value) else value for value in cells[name]] for name in names]
    return [*zip(*columns, strict=True)]


def test_without_any_of_these_nothing_changes():
    cells = table(("a", "tiny"), ("b", None))
    assert found(cells) == [("a", "tiny", False), ("b", None, False)]
    assert found(cells.iloc[:0]) == []


def test_alone_they_stay_by_themselves():
    assert found(table(("theirs", "own"), ("others", "own"))) == [
        ("theirs", "own", True),
        ("others", "own", True),
    ]


def test_each_stands_once_beside_every_front_end():
    cells = table(("a", "tiny"), ("theirs", "own"), ("a", "large"), ("b", "large"), ("c", None))
    assert sorted(found(cells), key=str) == [
        ("a", "large", False),
        ("a", "tiny", False),
        ("b", "large", False),
        ("c", None, False),
        ("theirs", "large", True),
        ("theirs", "tiny", True),
    ]


@pytest.mark.parametrize("name", [name for name in SETTING if name != "frontend"])
def test_what_ran_otherwise_is_no_neighbour(name):
    other = {name: 2 if name == "batch_size" else "other"}
    cells = table(("a", "tiny", other), ("theirs", "own"))
    assert found(cells) == [("a", "tiny", False), ("theirs", "own", True)]
    cells = table(("a", "tiny", other), ("theirs", "own", other), ("theirs", "own"))
    assert found(cells)[1:] == [("theirs", "tiny", True), ("theirs", "own", True)]


def test_what_is_not_known_is_alike():
    unknown = {"attention": None}
    cells = table(("a", "tiny", unknown), ("theirs", "own", unknown))
    assert found(cells) == [("a", "tiny", False), ("theirs", "tiny", True)]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["own", "tiny", "large", None]),
            st.fixed_dictionaries({"precision": st.sampled_from(["fp32", "bf16"])}),
        ),
        min_size=1,
    )
)
def test_no_cell_is_lost_or_moved_to_where_nothing_ran(cells):
    before = table(*cells).assign(place=range(len(cells)))
    after = beside_others(before)
    assert set(after["place"]) == set(before["place"])
    others = after[~after["own_frontend"]]
    assert sorted(others["place"]) == [k for k, cell in enumerate(cells) if cell[1] != "own"]
    assert not after.duplicated(["place", "frontend"]).any()
    there = {(cell[1], cell[2]["precision"]) for cell in cells}
    assert set(rows_of(after, "frontend", "precision")) <= there


@pytest.fixture
def results(write_growth, tmp_path):
    """A result of ours, and one of the second detector alone, with a front-end of its own."""
    ours, theirs = write_growth(tmp_path / "ours.json"), tmp_path / "theirs.json"
    content = json.loads(ours.read_text())
    kept = []
    for entry in content["benchmarks"]:
        info = entry["extra_info"]
        if info["cell"]["detector"] == "bent" and info["cell"]["part"] != "front-end":
            info["cell"] |= {"detector": "theirs:net", "frontend": "own", "backend": "none"}
            info["cell_id"] = info["cell_id"].replace("bent-xls-r-tiny", "theirs:net-own")
            info |= {"notes": ["it rolls dice"], "fixed_length": None}
            kept.append(entry)
    content["benchmarks"] = kept
    content["fakemamba"]["work"] = []
    theirs.write_text(json.dumps(content))
    return [ours, theirs]


def test_of_several_files_they_are_in_one_group(results):
    (group,) = groups_of(read_results(results))
    assert group.lines == ["straight", "bent", "theirs:net"]
    assert group.setting.frontend == "xls-r-tiny"
    (alone,) = groups_of(read_results(results[1:]))
    assert alone.setting.frontend == "own" and alone.lines == ["theirs:net"]


def test_launches_together_are_as_their_files_at_once(results):
    launches = [read_launch(path) for path in results]
    assert "own_frontend" not in launches[1].cells
    columns = ["detector", "frontend", "part", "duration_s", "own_frontend", "notes"]
    pd.testing.assert_frame_equal(together(launches)[columns], read_results(results)[columns])


def test_what_is_said_to_be_cut_is_so_in_its_curves(results):
    content = json.loads(results[1].read_text())
    for entry in content["benchmarks"]:
        entry["extra_info"]["fixed_length"] = "it is cut to 4 s"
    results[1].write_text(json.dumps(content))
    reasons = {
        (curve.detector, curve.fixed_length)
        for curve in curves(read_results(results))
        if curve.part == "end-to-end"
    }
    assert ("theirs:net", "it is cut to 4 s") in reasons and ("straight", None) in reasons
