"""Results: a table of what was measured, what a launch is, and what reading them imports."""

import ast
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from fakemamba.analysis.pictures.plots import plot_results
from fakemamba.analysis.results import ResultsError, read_launch, read_results

ENVIRONMENT = {"device": "CPU: Test, 2 threads", "packages": {"torch": "2.13.0"}}
ANALYSIS = Path(find_spec("fakemamba.analysis").origin).parent
COMPUTING = tuple(
    f"fakemamba.analysis.{name}"
    for name in (
        *("results", "validation", "schema", "published", "length_cost", "palette"),
        *("scaling", "compare"),
    )
)
DRAWN = {"matplotlib", "seaborn", "plotly"}


def entry(detector, part, duration_s, latency_s=None):
    """One record as ``pytest bench/`` writes it; without a latency it ran out of memory."""
    info = {
        "cell_id": f"{detector}-{part}-{duration_s:g}s",
        "cell": {
            "detector": detector,
            "frontend": "xls-r-tiny",
            "part": part,
            "duration_s": duration_s,
            "batch_size": 1,
            "precision": "fp32",
            "backend": "none",
            "execution": "eager",
            "device": "cpu",
            "attention": "sdpa",
            "clock": "latency",
        },
        "status": "out-of-memory" if latency_s is None else "measured",
        "reason": "MemoryError" if latency_s is None else None,
        "input": "speech-like",
        "recording": None,
    }
    if latency_s is None:
        return {"extra_info": info, "stats": dict.fromkeys(("min", "max", "median", "data"))}
    info |= {"latency_s": latency_s, "rtf": latency_s / duration_s, "peak_bytes": 10**6}
    data = [latency_s * factor for factor in (1.5, 0.9, 1.0)]
    stats = {"min": min(data), "max": max(data), "median": latency_s, "data": data}
    return {"extra_info": info, "stats": stats | {"iqr": latency_s / 10, "rounds": 3}}


def content(*entries):
    block = {"schema": 2, "environment": ENVIRONMENT, "options": {"seed": 0}, "identity": {}}
    return {"datetime": "2026-11-21T12:00:00", "fakemamba": block, "benchmarks": [*entries]}


SWEEP = [
    entry(detector, part, duration_s, factor * duration_s**power)
    for detector, power in (("fake-mamba-l", 1.0), ("xlsr-conformer", 1.5))
    for part, factor in (("front-end", 0.1), ("encoder", 0.02), ("end-to-end", 0.12))
    for duration_s in (1.0, 2.0, 4.0)
]


@pytest.fixture
def write(tmp_path):
    """Write entries to a file, and name it."""

    def write_entries(name, *entries):
        path = tmp_path / name
        path.write_text(json.dumps(content(*entries)))
        return path

    return write_entries


@pytest.fixture
def results(write):
    return read_results([write("out.json", *SWEEP, entry("xlsr-conformer", "encoder", 4096.0))])


def test_every_cell_is_a_row(results):
    assert len(results) == 19
    assert results["status"].value_counts().to_dict() == {"measured": 18, "out-of-memory": 1}
    lost = results[results["status"] == "out-of-memory"].iloc[0]
    assert lost["reason"] == "MemoryError" and pd.isna(lost["latency_s"])
    assert lost["samples_s"] is None and lost["cell_id"] == "xlsr-conformer-encoder-4096s"
    assert set(results["device_name"]) == {"CPU: Test, 2 threads"}


def test_a_measured_cell_keeps_every_round(results):
    row = results[results["cell_id"] == "fake-mamba-l-encoder-2s"].iloc[0]
    assert row["samples_s"] == pytest.approx((0.06, 0.036, 0.04))
    assert row["latency_s"] == pytest.approx(0.04) and row["rounds"] == 3


def test_figures_are_numbers_even_where_no_cell_has_them(results):
    assert results["flop_coverage"].isna().all() and not (results["flop_coverage"] >= 0.9).any()
    assert results["net_energy_j"].dtype == float


@pytest.mark.parametrize(
    ("device", "part", "weights_bytes", "wanted"),
    [
        ("cpu", "end-to-end", 4 * 318_000_000, 4 * 318_000_000 + 10**6),
        ("cpu", "training-step", 5, 5 + 10**6),
        ("cpu", "end-to-end", None, None),
        ("cpu", "scan", None, 10**6),
        ("cuda:0", "end-to-end", 4 * 318_000_000, 10**6),  # a GPU's peak is with the weights
    ],
)
def test_a_peak_with_weights_is_what_has_to_fit(write, device, part, weights_bytes, wanted):
    one = entry("a", part, 1.0, 0.1)
    one["extra_info"] |= {"weights_bytes": weights_bytes}
    one["extra_info"]["cell"] |= {"device": device}
    row = read_results([write("x.json", one)]).iloc[0]
    assert row["peak_bytes"] == 10**6
    found = row["peak_bytes_with_weights"]
    assert pd.isna(found) if wanted is None else found == wanted


def test_energy_disturbances_and_an_error_that_is_unknown_are_told(write):
    measured, calm = entry("a", "encoder", 1.0, 0.1), entry("b", "encoder", 1.0, 0.1)
    measured["extra_info"] |= {
        "energy": {"net_energy_j": -0.5, "reason": None},
        "disturbed_by": ["another process", "throttled"],
        "relative_error": None,
        "error_reason": "memory ended while fp32 was run",
    }
    first, second = read_results([write("out.json", measured, calm)]).to_dict("records")
    assert first["net_energy_j"] == -0.5 and first["disturbed"] is True
    assert first["disturbed_by"] == ("another process", "throttled")
    assert first["error_reason"] == "memory ended while fp32 was run"
    assert second["disturbed_by"] == () and second["disturbed"] is False
    assert pd.isna(second["net_energy_j"]) and pd.isna(second["error_reason"])


def test_a_launch_is_a_file_with_its_environment(write):
    path = write("out.json", *SWEEP)
    launch = read_launch(path)
    assert launch.path == path and len(launch.cells) == 18
    assert launch.environment == ENVIRONMENT and launch.options == {"seed": 0}
    assert launch.identity == {} and launch.created == "2026-11-21T12:00:00"


def test_rows_say_which_file_they_are_from(write):
    paths = [write(name, entry("a", "encoder", 1.0, 0.1)) for name in ("x.json", "y.json")]
    table = read_results(paths)
    assert table["launch"].tolist() == [0, 1] and table["source"].tolist() == ["x.json", "y.json"]


def test_somebody_elses_benchmark_in_the_file_is_no_row(write):
    other = {"name": "test_x", "extra_info": {"status": 7}, "stats": {"median": "fast"}}
    assert len(read_results([write("out.json", other, SWEEP[0])])) == 1


def test_a_file_given_twice_is_refused_under_any_name(write, tmp_path):
    path = write("out.json", *SWEEP)
    link, hard = tmp_path / "link.json", tmp_path / "hard.json"
    link.symlink_to(path)
    hard.hardlink_to(path)
    for other in (path, tmp_path / ".." / tmp_path.name / "out.json", link, hard):
        with pytest.raises(ResultsError, match=r"is given twice, also as .*out\.json"):
            read_results([path, other])


def test_no_files_are_no_results():
    with pytest.raises(ResultsError, match="no results given"):
        read_results([])


def test_the_table_beside_the_figures_has_all_cells(results, tmp_path):
    written = next(iter(plot_results(results, tmp_path / "plots")))
    assert written == tmp_path / "plots" / "cells.csv" and len(pd.read_csv(written)) == 19


def imports(path):
    """What a file imports at its top."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def modules(draws):
    """Modules of analysis/ that draw, or the others.

    Those draw that import a library for it, or one that does; but never those that have to compute.
    """
    paths = {
        ".".join(("fakemamba.analysis", *path.relative_to(ANALYSIS).with_suffix("").parts)): path
        for path in sorted(ANALYSIS.rglob("*.py"))
    }
    free = {name for name in paths if not name.startswith(COMPUTING)}
    drawing = {name for name in free if {one.split(".")[0] for one in imports(paths[name])} & DRAWN}
    while more := {name for name in free - drawing if imports(paths[name]) & drawing}:
        drawing |= more
    chosen = drawing if draws else paths.keys() - drawing
    return sorted(name.removesuffix(".__init__") for name in chosen)


@pytest.mark.parametrize(
    ("draws", "unwanted"),
    [(False, {"torch", "transformers", *DRAWN}), (True, {"torch", "transformers"})],
    ids=["computing", "drawing"],
)
def test_analysis_imports_no_torch_and_draws_only_where_it_says_so(draws, unwanted):
    chosen = modules(draws)
    assert chosen
    code = (
        "import importlib, sys\n"
        f"for name in {chosen}:\n"
        "    importlib.import_module(name)\n"
        f"    found = {unwanted}.intersection(sys.modules)\n"
        "    assert not found, f'{name} imports {found}'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_are_visits_with_their_passes_or_rounds_without(tmp_path, write_growth):
    today, without_streams, before = (
        read_results([write_growth(tmp_path / f"{schema}.json", schema=schema)])
        for schema in (4, 3, 2)
    )
    pd.testing.assert_frame_equal(
        today.drop(columns="source"), without_streams.drop(columns="source")
    )
    measured = today["status"] == "measured"
    assert today["passes"].notna().equals(measured)
    assert today["passes"][measured].map(lambda passes: passes == tuple(range(9))).all()
    assert before["passes"].isna().all() and before["work"].isna().all()
    assert (today["samples_s"] == before["samples_s"])[measured].all()
    encoders = today["part"] == "encoder"
    assert today[encoders]["work"].map(lambda work: len(work.flops) == 11).all()
    assert today[~encoders]["work"].isna().all()


def test_a_scan_keeps_the_passes_of_its_cell():
    results = Path(__file__).parents[2] / "results"
    table = read_results([results / "cpu-epyc-2t" / "scan.json"])
    assert set(table["passes"]) == {"forward", "forward+backward"}
