"""Files of anybody's pytest-benchmark: as launches, by their rounds, and what is wrong in them."""

import copy
import json
from statistics import median

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tyro

from fakemamba.analysis.compare.plain import read_any_launch
from fakemamba.analysis.validation import ResultsError
from fakemamba.cli.compare import compare

MACHINE = {"machine": "x86_64", "system": "Linux", "python_version": "3.12.1"}
MACHINE |= {"cpu": {"brand_raw": "Some CPU"}}


def benchmark(name, rounds_s, params=None, has_data=True):
    stats = {"min": min(rounds_s), "max": max(rounds_s), "median": median(rounds_s)}
    stats |= {"rounds": len(rounds_s), "iqr": 0.0, "iterations": 1, "ops": 1.0}
    stats |= {"data": rounds_s} if has_data else {}
    return {"fullname": name, "params": params, "extra_info": {}, "stats": stats}


def content(*benchmarks):
    return {
        "machine_info": copy.deepcopy(MACHINE),
        "commit_info": {"id": "abc", "dirty": False},
        "benchmarks": list(benchmarks),
        "datetime": "2026-01-01T00:00:00+00:00",
    }


@pytest.fixture
def write(tmp_path):
    """Writes launches of a side: two benchmarks of 20 rounds, the second times a factor."""

    def written(side, factor=1.0, launches=6, **how):
        paths = []
        for number in range(launches):
            rng = np.random.default_rng([number, len(side)])
            names = {"tests/test_a.py::test_a": 1.0, "tests/test_a.py::test_b[3]": factor}
            entries = [
                benchmark(name, (1e-5 * slow * rng.normal(1, 0.01, 20)).tolist(), **how)
                for name, slow in names.items()
            ]
            paths.append(tmp_path / f"{side}-{number}.json")
            paths[-1].write_text(json.dumps(content(*entries)))
        return paths

    return written


def run(*arguments):
    return tyro.cli(compare, args=[str(argument) for argument in arguments])


def verdicts(path):
    found = json.loads(path.read_text())
    return found, {cell["cell_id"]: cell["verdict"] for cell in found["cells"]}


def test_files_of_a_side_are_launches(write, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert run("--base", *write("base"), "--head", *write("head", 1.1), "--json", out) == 1
    found, judged = verdicts(out)
    assert judged == {"tests/test_a.py::test_a": "fine", "tests/test_a.py::test_b[3]": "regressed"}
    assert found["pairs"] == 6 and found["rules"]["floor_s"] == 0
    assert not any("no cell has it" in note for note in found["notes"])
    assert found["base"]["device"] == "Some CPU, x86_64" and found["base"]["commit"] == "abc"
    assert "6 pairs of launches" in capsys.readouterr().out
    floor = ["--floor-us", 50]
    assert run("--base", *write("base"), "--head", *write("head", 1.1), *floor) == 0


def test_files_without_rounds_are_launches_all_the_same(write):
    both = [write(side, factor, has_data=False) for side, factor in (("base", 1), ("head", 1.1))]
    assert run("--base", *both[0], "--head", *both[1]) == 1


@pytest.mark.parametrize(("factor", "status"), [(1.0, 0), (1.1, 1)])
def test_one_file_a_side_is_judged_by_its_rounds_and_told_as_less_certain(
    write, tmp_path, capsys, factor, status
):
    base, head, out = write("base", launches=1), write("head", factor, 1), tmp_path / "out.json"
    assert run("--base", *base, "--head", *head, "--json", out) == status
    found, judged = verdicts(out)
    assert judged["tests/test_a.py::test_b[3]"] == ("regressed" if status else "fine")
    assert found["pairs"] == 1 and found["notes"][0].startswith("one launch a side: the intervals")
    assert "1 pair of launches" in capsys.readouterr().out


def test_one_file_a_side_without_rounds_has_no_answer_and_says_why(write, capsys):
    both = [write(side, launches=1, has_data=False) for side in ("base", "head")]
    assert run("--base", *both[0], "--head", *both[1]) == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "have no round's time (stats.data)" in told and "--benchmark-save-data" in told


def test_parameters_make_another_benchmark_where_its_name_has_none(tmp_path):
    path = tmp_path / "a.json"
    one, other = (benchmark("a::b", [1.0, 2.0], {"size": size}) for size in (1, 2))
    path.write_text(json.dumps(content(one, other)))
    assert [*read_any_launch(path).cells["cell_id"]] == ["a::b[size=1]", "a::b[size=2]"]
    path.write_text(json.dumps(content(one, one)))
    with pytest.raises(ResultsError, match=r"has benchmark 'a::b.size=1.' twice"):
        read_any_launch(path)


def test_a_sweep_is_not_compared_with_other_benchmarks(write, tmp_path, capsys):
    info = {"cell_id": "a", "status": "failed", "reason": "so", "input": "i", "recording": None}
    cell = {"detector": "d", "frontend": "f", "part": "encoder", "duration_s": 1.0, "batch_size": 1}
    cell |= {"precision": "fp32", "backend": "none", "execution": "eager", "device": "cpu"}
    info["cell"] = cell | {"attention": "sdpa", "clock": "latency"}
    block = {"schema": 2, "options": {}, "identity": {}, "environment": {"device": "cpu"}}
    sweep = tmp_path / "sweep.json"
    entry = {"fullname": "a", "extra_info": info, "stats": {"median": None}}
    sweep.write_text(json.dumps({"fakemamba": block, "benchmarks": [entry]}))
    assert run("--base", sweep, "--head", *write("head", launches=1)) == 2
    assert "give files of one kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("benchmarks",), [], "has no benchmarks"),
        (("benchmarks",), {}, "'benchmarks' is {}, but has to be a list"),
        (("machine_info",), "x", "'machine_info' is 'x', but has to be an object"),
        (("benchmarks", 0), 3, "'entry' is 3, but has to be an object"),
        (("benchmarks", 0, "fullname"), None, "'fullname' is None, but has to be a text"),
        (("benchmarks", 0, "stats"), None, "'stats' is None, but has to be an object"),
        (("benchmarks", 0, "params"), [1], "'params' is [1], but has to be an object"),
        (("benchmarks", 0, "stats", "median"), "1", "'median' is '1', but has to be a time"),
        (("benchmarks", 0, "stats", "median"), float("nan"), "is nan, which is no number"),
        (("benchmarks", 0, "stats", "median"), 9.0, "stats.median is 9, but the median of"),
        (("benchmarks", 0, "stats", "min"), 0, "'min' is 0, but has to be a time"),
        (("benchmarks", 0, "stats", "rounds"), 2.5, "'rounds' is 2.5, but has to be a whole"),
        (("benchmarks", 0, "stats", "data"), ["1"], "'data' is ['1'], but has to be a list of"),
        (("datetime",), 3, "'datetime' is 3, but has to be a text or null"),
        (("commit_info",), 3, "'commit_info' is 3, but has to be an object"),
        (("machine_info", "cpu"), "x", None),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path, where, value, message):
    whole = content(benchmark("a::b", [1.0, 2.0, 4.0]))
    place = whole
    for name in where[:-1]:
        place = place[name]
    place[where[-1]] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(whole))
    if message is None:
        assert read_any_launch(path).environment["device"] == "unknown CPU, x86_64"
        return
    with pytest.raises(ResultsError) as refused:
        read_any_launch(path)
    told = str(refused.value)
    assert message in told and told.startswith(str(path)) and "\n" not in told


ODD = st.sampled_from([None, True, -1, 0, 1e300, float("inf"), "", "x", [], [[]], {}, {"a": 1}])


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=150)
def test_anything_else_is_read_or_refused(tmp_path_factory, data):
    """One value anywhere is another, or absent."""
    whole = content(benchmark("a::b", [1.0, 2.0, 4.0], {"size": 1}), benchmark("a::c", [1.0]))
    place = whole
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(ODD)
    else:
        del place[key]
    path = tmp_path_factory.mktemp("odd") / "a.json"
    path.write_text(json.dumps(whole))
    try:
        launch = read_any_launch(path)
    except ResultsError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return
    assert all(0 < one < 1e20 for one in launch.cells["latency_s"])
