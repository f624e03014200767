"""The form that is named is the most accurate of those that fit in time and memory."""

import pandas as pd
import pytest

from fakemamba.analysis.edge.answers import MIB, best_forms
from fakemamba.analysis.edge.page import markdown
from fakemamba.analysis.edge.units import EdgeJournal, EdgeUnit, unit_table

FACTS = {
    "detector": "fake-mamba",
    "parameters": 7,
    "frontend": "xls-r-tiny",
    "duration_s": 4.0,
    "cpu": "a CPU",
    "trials": None,
}


def unit(layers, precision="fp32", *, p95_s=1.0, peak_mib=400, threads=2, rise=None, **more):
    """A unit of 4 s of audio."""
    given = {
        "engine": "onnxruntime",
        "status": "done",
        "is_fitted": True,
        "files_bytes": 1 << 20,
        "score_error": 0.0,
        "loaded_s": 1.0,
        "first_call_s": 1.0,
        "latency_p50_s": p95_s * 0.9,
        "latency_p95_s": p95_s,
        "rtf": p95_s * 0.9 / 4,
        "calls": 5,
        "peak_bytes": peak_mib * MIB,
        "eer_rise": rise,
        "eer_rise_low": None if rise is None else rise - 0.01,
        "eer_rise_high": None if rise is None else rise + 0.01,
    }
    return EdgeUnit(layers=layers, precision=precision, threads=threads, **{**given, **more})


def named(units, limit_mib=512, threads=2):
    table = unit_table(units)
    found = {(cores, limit): best for cores, limit, best in best_forms(table)}
    best = found[threads, limit_mib * MIB]
    return best and (best["layers"], best["precision"])


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([unit(24), unit(12)], (24, "fp32")),
        ([unit(24, p95_s=4.1), unit(12)], (12, "fp32")),  # too slow
        ([unit(24, peak_mib=513), unit(12, "int8")], (12, "int8")),  # too large
        ([unit(12, "int8"), unit(12, "fp32", p95_s=2.0)], (12, "fp32")),
        ([unit(24, rise=0.02), unit(12, rise=0.01)], (12, "fp32")),
        ([unit(24), unit(12, rise=0.05)], (12, "fp32")),  # what is known comes first
        ([unit(24, p95_s=5.0)], None),
        ([EdgeUnit(24, "torch", "bf16", 2, "failed", "slow"), unit(3)], (3, "fp32")),
    ],
)
def test_the_best_form_that_fits_is_named(units, expected):
    assert named(units) == expected


def test_each_number_of_cores_has_its_own_answer():
    units = [unit(24, p95_s=3.0), unit(24, p95_s=6.0, threads=1), unit(6, threads=1)]
    assert named(units, threads=2) == (24, "fp32")
    assert named(units, threads=1) == (6, "fp32")


def test_the_page_tells_what_is_known_and_what_failed():
    units = [unit(24, rise=0.004), unit(12, "int8", is_fitted=False)]
    page = markdown(unit_table(units), FACTS | {"trials": 1_616}, ["6 layers: failed: no memory"])
    assert "+0.40 (-0.60 to +1.40)" in page
    assert "| 12 * | onnxruntime | int8 |" in page
    assert "* 6 layers: failed: no memory" in page
    assert "over 1,616 trials" in page
    assert "weights may be random" in markdown(unit_table(units), FACTS, [])


def test_nothing_measured_is_a_page_too():
    table = unit_table([EdgeUnit(3, "torch", "bf16", 2, "failed", "slow")])
    assert "| 2 | 512 MiB | none |" in markdown(table, FACTS, ["slow"])


def test_the_last_word_on_a_form_counts(tmp_path):
    journal = EdgeJournal(tmp_path / "journal", {"weights": "a"})
    journal.add(EdgeUnit(3, "torch", "fp32", 1, "failed", "no memory"))
    journal.add(unit(3, threads=1, engine="torch"))
    (found,) = journal.units().values()
    assert found.status == "done"


def test_a_picture_is_drawn_with_errors_and_without(tmp_path):
    pytest.importorskip("seaborn", reason="seaborn is not installed")
    from fakemamba.analysis.edge.picture import draw

    for units in ([unit(24), unit(12, threads=1)], [unit(24, rise=0.1), unit(12, rise=0.2)]):
        assert draw(unit_table(units), tmp_path).stat().st_size > 10_000
    assert draw(unit_table([]), tmp_path) is None
    assert isinstance(unit_table([]), pd.DataFrame)
