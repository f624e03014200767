"""``fakemamba claims``: what it prints of a result, and what it writes."""

import json

import pytest
import tyro

from fakemamba.analysis.results import ResultsError
from fakemamba.cli.claims import claims


@pytest.fixture
def results(tmp_path):
    """Three launches; Fake-Mamba-L's encoder is linear and at first slower than a quadratic one."""
    curves = {
        "fake-mamba-l": lambda t: 0.02 + 0.01 * t,
        "xlsr-conformer": lambda t: 0.005 + 0.001 * t**2,
    }
    entries = []
    for detector, curve_s in curves.items():
        for duration_s in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0):
            latency_s = curve_s(duration_s)
            cell = {
                **{"detector": detector, "frontend": "xls-r-300m", "part": "encoder"},
                **{"duration_s": duration_s, "batch_size": 1, "precision": "fp32"},
                **{"backend": "cpu", "execution": "eager", "device": "cpu"},
                **{"attention": "sdpa", "clock": "latency"},
            }
            info = {
                **{"cell_id": f"{detector}-{duration_s:g}s", "cell": cell, "recording": None},
                **{"input": "speech-like", "status": "measured", "reason": None},
                "latency_s": latency_s,
            }
            stats = dict.fromkeys(("min", "max", "median"), latency_s)
            entries.append(
                {
                    "extra_info": info,
                    "stats": stats | {"iqr": 0.0, "rounds": 3, "data": [latency_s] * 3},
                }
            )
    block = {"schema": 2, "environment": {"device": "CPU: Test"}, "options": {}, "identity": {}}
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    for path in paths:
        path.write_text(json.dumps({"fakemamba": block, "benchmarks": entries}))
    return [str(path) for path in paths]


def run(*arguments):
    return tyro.cli(claims, args=arguments)


def printed_words(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_verdicts_figures_and_what_is_missing_are_printed(results, capsys):
    assert run(*results) is None
    printed = printed_words(capsys)
    assert "CPU: Test, xls-r-300m" in printed
    assert "holds the paper: the encoder's latency (PN-BiMamba) is near-linear" in printed
    assert "cannot tell: a goal for GPUs, and this is a CPU; not measured" in printed
    assert "it is higher at 1, 2, 4 s; fake-mamba-l is faster from" in printed
    assert "2 hold, 1 does not hold, 16 cannot be told" in printed


def test_everything_is_written_and_strict(results, tmp_path, capsys):
    scoring = tmp_path / "scoring.json"
    scoring.write_text('{"utterances_per_s": 7.5, "decoded_per_s": null, "bottleneck": null}')
    out, page = tmp_path / "new" / "claims.json", tmp_path / "new" / "claims.md"
    run(*results, "--scoring", str(scoring), "--json", str(out), "--out", str(page))
    content = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert (content["schema"], content["device_name"]) == (1, "CPU: Test")
    assert content["results"] == ["0.json", "1.json", "2.json"]
    held = [one for one in content["claims"] if one["verdict"] == "holds"]
    assert {one["name"] for one in held} == {"near-linear", "quadratic"}
    share = held[0]["figures"][0]
    assert share["low"] <= share["value"] <= share["high"] < 0.25
    (scored,) = (one for one in content["claims"] if one["name"] == "offline scoring")
    assert scored["figures"][0]["value"] == pytest.approx(7.5)
    assert scored["verdict"] == "cannot tell"
    text = page.read_text()
    assert text.startswith("# Claims on CPU: Test") and "| **holds** | paper |" in text
    assert text.count("| **") == len(content["claims"])


def test_no_files_the_same_twice_and_no_results_are_errors(results, tmp_path):
    with pytest.raises(ValueError, match="no results given"):
        run()
    with pytest.raises(ResultsError, match="given twice"):
        run(results[0], results[0])
    with pytest.raises(ResultsError, match=r"absent\.json: no such file"):
        run(str(tmp_path / "absent.json"))
    with pytest.raises(ResultsError, match=r"absent\.json: no such file"):
        run(*results, "--scoring", str(tmp_path / "absent.json"))


def test_nothing_is_written_where_machines_differ(results, tmp_path):
    path = tmp_path / "1.json"
    path.write_text(path.read_text().replace("CPU: Test", "CPU: Other"))
    with pytest.raises(ResultsError, match=r"device is CPU: Other in 1\.json"):
        run(*results, "--json", str(tmp_path / "claims.json"))
    assert not (tmp_path / "claims.json").exists()
