"""``fakemamba scaling`` and ``crossover``: what they print of a result and write as JSON."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tyro

from fakemamba.cli.crossover import crossover
from fakemamba.cli.scaling import scaling

DURATIONS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
CURVES = {
    "fake-mamba-l": lambda t: 0.02 + 0.001 * t,
    "xlsr-conformer": lambda t: 0.01 + 0.0005 * t + 5e-5 * t**2,
}


@pytest.fixture
def results(tmp_path):
    """A file in which one detector is linear and another quadratic, with a crossing at 20 s."""
    rng = np.random.default_rng(0)
    entries = []
    for detector, curve_s in CURVES.items():
        for duration_s in DURATIONS_S:
            samples = (curve_s(duration_s) * np.exp(rng.normal(0, 0.005, 9))).tolist()
            cell = {
                **{"detector": detector, "frontend": "xls-r-300m", "part": "encoder"},
                **{"duration_s": duration_s, "batch_size": 1, "precision": "fp32"},
                **{"backend": "cpu", "execution": "eager", "device": "cpu"},
                **{"attention": "sdpa", "clock": "latency"},
            }
            entries.append(
                {
                    "extra_info": {
                        "cell_id": f"{detector}-{duration_s:g}s",
                        "cell": cell,
                        **{"input": "speech-like", "recording": None},
                        **{"status": "measured", "reason": None},
                        "latency_s": float(np.median(samples)),
                        "visits": [
                            {"pass": number, "rounds_s": [one], "disturbed_by": []}
                            for number, one in enumerate(samples)
                        ],
                    },
                    "stats": {
                        **{"data": samples, "median": float(np.median(samples))},
                        **{"min": min(samples), "max": max(samples), "mean": np.mean(samples)},
                        **{"iqr": 0.0, "rounds": len(samples), "stddev": 0.0},
                    },
                }
            )
    block = {"schema": 3, "environment": {"device": "CPU: Test"}, "options": {}, "identity": {}}
    path = tmp_path / "out.json"
    path.write_text(json.dumps({"fakemamba": block, "benchmarks": entries}))
    return str(path)


def run(command, *arguments):
    return tyro.cli(command, args=arguments)


def test_verdicts_thresholds_range_and_setting_are_printed(results, capsys):
    assert not run(scaling, results)
    printed = capsys.readouterr().out
    assert re.search(r"near-linear +fake-mamba-l +\d+%", printed)
    assert re.search(r"quadratic +xlsr-conformer +8\d%", printed)
    assert "encoder latency, 1 to 64 s" in printed
    assert "xls-r-300m, fp32, batch 1, eager, sdpa attention · CPU: Test" in printed
    assert "share < 0.25 and exponent < 1.15" in " ".join(printed.split())


def test_long_names_leave_room_for_the_figures_and_keep_what_differs(results, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = Path(results).read_text()
    for detector, depth in zip(CURVES, (2, 3), strict=True):
        text = text.replace(detector, f"package.models.module:factory?depth={depth}&width=32")
    Path(results).write_text(text)
    scaling((results,))
    printed = capsys.readouterr().out
    assert "quadratic share" in printed and "crossover (s)" in printed
    assert re.search(r"near-linear +package.mode…=2&width=32 +\d+% \(.*%\) +\d\.\d\d \(", printed)
    assert re.search(r"quadratic +package.mode…=3&width=32 +\d+%", printed)


def test_the_json_is_a_list_of_what_was_found(results, tmp_path, capsys):
    run(scaling, results, "--json", str(tmp_path / "new" / "scaling.json"))
    found = json.loads((tmp_path / "new" / "scaling.json").read_text())
    assert [one["verdict"] for one in found] == ["near-linear", "quadratic"]
    assert found[1]["crossover_s"] == pytest.approx(10, rel=0.2)
    assert all(one["t_max_s"] == 64 and one["thresholds"] for one in found)


def test_thresholds_and_range_are_options(results, capsys):
    run(scaling, results, "--share-quadratic", "0.99", "--exponent-quadratic", "3")
    printed = " ".join(capsys.readouterr().out.split())
    assert "undecided xlsr-conformer" in printed and "quadratic above 99%" in printed
    run(scaling, results, "--up-to-s", "4")
    printed = " ".join(capsys.readouterr().out.split())
    assert "3 durations from 1 to 4 s" in printed and "encoder latency of fake-mamba-l" in printed
    with pytest.raises(ValueError, match="none of the 14 cells is from 100 to inf s"):
        run(scaling, results, "--from-s", "100")


def test_the_crossover_is_a_sentence_and_a_json(results, tmp_path, capsys):
    run(crossover, results, "--json", str(tmp_path / "crossover.json"))
    printed = capsys.readouterr().out
    assert re.search(r"fake-mamba-l beats xlsr-conformer from \d+\.?\d* s \(.*\) to 64 s", printed)
    (found,) = json.loads((tmp_path / "crossover.json").read_text())
    assert found["from_s"] == pytest.approx(20, rel=0.05)


def test_one_detector_alone_has_no_crossover(results, tmp_path):
    content = json.loads(Path(results).read_text())
    content["benchmarks"] = content["benchmarks"][:7]
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="no two detectors"):
        run(crossover, str(alone))
