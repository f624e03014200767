"""Results: a table of what was measured, figures, and files that are no results."""

import copy
import json
import subprocess
import sys

import pandas as pd
import pytest

from fakemamba.analysis.plots import plot_results
from fakemamba.analysis.results import ResultsError, read_results


def entry(detector, part, duration_s, latency_s=None):
    """One record as ``pytest bench/`` writes it; without a latency it ran out of memory."""
    info = {
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
        },
        "status": "out-of-memory" if latency_s is None else "measured",
        "reason": "MemoryError" if latency_s is None else None,
        "input": "speech-like",
        "recording": None,
    }
    if latency_s is None:
        return {"extra_info": info, "stats": {}}
    info |= {"latency_s": latency_s, "rtf": latency_s / duration_s, "peak_bytes": 10**6}
    stats = {"min": latency_s * 0.9, "max": latency_s * 1.5, "iqr": latency_s / 10, "rounds": 5}
    return {"extra_info": info, "stats": stats}


CONTENT = {
    "fakemamba": {"schema": 1, "environment": {"device": "CPU: Test, 2 threads"}},
    "benchmarks": [
        entry(detector, part, duration_s, factor * duration_s**power)
        for detector, power in (("fake-mamba-l", 1.0), ("xlsr-conformer", 1.5))
        for part, factor in (("front-end", 0.1), ("encoder", 0.02), ("end-to-end", 0.12))
        for duration_s in (1.0, 2.0, 4.0)
    ]
    + [entry("xlsr-conformer", "encoder", 4096.0)],
}


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "out.json"
    path.write_text(json.dumps(CONTENT))
    return read_results([path])


def test_every_cell_is_a_row(results):
    assert len(results) == 19
    assert results["status"].value_counts().to_dict() == {"measured": 18, "out-of-memory": 1}
    lost = results[results["status"] == "out-of-memory"].iloc[0]
    assert lost["reason"] == "MemoryError" and pd.isna(lost["latency_s"])
    assert set(results["device_name"]) == {"CPU: Test, 2 threads"}


def test_plot_draws_rtf_and_latency_and_writes_the_table(results, tmp_path):
    written = list(plot_results(results, tmp_path / "plots"))
    assert [path.name for path in written] == [
        "cells.csv",
        "rtf-xls-r-tiny-cpu-fp32-b1-sdpa.png",
        "latency-xls-r-tiny-cpu-fp32-b1-sdpa.png",
    ]
    assert all(path.stat().st_size > 1_000 for path in written)
    assert len(pd.read_csv(written[0])) == 19


def test_results_without_any_time_are_a_table_but_no_figure(results, tmp_path):
    lost = results[results["status"] != "measured"]
    with pytest.raises(ValueError, match="none of the 1 cells is a detector's and has a time"):
        list(plot_results(lost, tmp_path))
    assert (tmp_path / "cells.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fakemamba": None}, "has no block 'fakemamba'"),
        ({"fakemamba": {"schema": 99}}, "has schema 99, but this version reads 1 and 2"),
    ],
    ids=str,
)
def test_other_files_are_refused(tmp_path, change, message):
    content = copy.deepcopy(CONTENT) | change
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=message):
        read_results([tmp_path / "x.json"])


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ResultsError, match=r"x\.json is not JSON"):
        read_results([tmp_path / "x.json"])
    with pytest.raises(ResultsError, match=r"y\.json: no such file"):
        read_results([tmp_path / "y.json"])


def test_reading_results_needs_no_torch():
    code = (
        "import sys, fakemamba.analysis.results, fakemamba.analysis.plots;"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
