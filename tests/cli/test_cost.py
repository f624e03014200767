"""``fakemamba cost``: a corpus's lengths and a latency curve to figures."""

import json

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.length_cost import HOUR
from fakemamba.analysis.report.words import number
from fakemamba.cli.main import main
from fakemamba.data.lengths import draw_durations, read_lengths

TABLE = read_lengths("asterisk-prompts")


@pytest.fixture
def results(tmp_path):
    """A result whose latency is 10 ms and 20 ms for each second, over the table's lengths."""

    def write(durations_s):
        cell = {
            **{"detector": "fake-mamba-l", "frontend": "xls-r-300m", "part": "end-to-end"},
            **{"batch_size": 1, "precision": "fp32", "backend": "cpu", "execution": "eager"},
            **{"device": "cpu", "attention": "sdpa", "clock": "latency"},
        }
        entries = [
            {
                "extra_info": {
                    "cell_id": f"{duration_s}s",
                    "cell": cell | {"duration_s": duration_s},
                    **{"input": "speech-like", "recording": None},
                    **{"status": "measured", "reason": None},
                    "latency_s": latency_s,
                },
                "stats": dict.fromkeys(("min", "max", "median"), latency_s)
                | {"iqr": 0.0, "rounds": 1, "data": [latency_s]},
            }
            for duration_s in durations_s
            for latency_s in [0.01 + 0.02 * duration_s]
        ]
        environment = {"device": "CPU: Test"}
        block = {"schema": 2, "environment": environment, "options": {}, "identity": {}}
        path = tmp_path / "out.json"
        path.write_text(json.dumps({"fakemamba": block, "benchmarks": entries}))
        return str(path)

    return write


def test_the_cost_of_a_linear_curve_is_its_closed_form(results, tmp_path, capsys):
    drawn_s = [*draw_durations(TABLE, 200).tolist(), TABLE.min_s, TABLE.max_s]
    arguments = ["cost", results(drawn_s), "--lengths", "asterisk-prompts"]
    assert main([*arguments, "--csv", str(tmp_path / "cost.csv")]) == 0
    (row,) = pd.read_csv(tmp_path / "cost.csv").to_dict("records")
    assert row["latency_p95_s"] == pytest.approx(0.01 + 0.02 * TABLE.quantile_s(0.95), rel=0.01)
    wanted = 3600 * (0.01 + 0.02 * np.mean(TABLE.durations_s)) / np.mean(TABLE.durations_s)
    assert row["device_s_per_audio_hour"] == pytest.approx(wanted, rel=0.01)
    printed = capsys.readouterr().out
    assert "2,760 recordings" in printed and "padding in batches of 8: 3.9% if sorted" in printed


def test_the_report_has_the_same_figures_to_the_digit(results, tmp_path, capsys):
    path = results(draw_durations(TABLE, 50).tolist())
    csv, page = tmp_path / "cost.csv", tmp_path / "report.html"
    main(["cost", path, "--lengths", "asterisk-prompts", "--csv", str(csv)])
    printed = capsys.readouterr().out
    assert main(["report", path, "--lengths", "asterisk-prompts", "--out", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    (row,) = pd.read_csv(csv).to_dict("records")
    for name, scale in (("latency_p50_s", 1e3), ("latency_p95_s", 1e3), (HOUR, 1)):
        shown = number(row[name] * scale)
        assert shown in printed and f">{shown}</td>" in html


def test_what_was_not_measured_is_left_out_and_named(results, capsys):
    assert main(["cost", results([1.0, 2.0]), "--lengths", "asterisk-prompts"]) == 0
    printed = capsys.readouterr().out
    assert "left out:" in printed and "measured were 1 to 2 s" in printed


def test_an_unknown_table_is_named(results, capsys):
    assert main(["cost", results([1.0, 2.0]), "--lengths", "absent"]) == 1
    assert "none of the tables" in capsys.readouterr().err
