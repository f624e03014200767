"""``fakemamba report``: files to a page, and files that are none."""

import json
from pathlib import Path

import pytest

from fakemamba.analysis.compare.comparison import compare
from fakemamba.analysis.compare.from_json import ComparisonError
from fakemamba.analysis.results import ResultsError, read_launch
from fakemamba.cli.report import report

LOW_PRECISION = Path(__file__).parents[2] / "results" / "cpu-epyc-2t" / "low-precision.json"


def test_a_reference_result_becomes_a_page(tmp_path, capsys):
    out = tmp_path / "new" / "report.html"
    report((LOW_PRECISION,), out=out)
    html = out.read_text(encoding="utf-8")
    assert (
        html.startswith("<!doctype html>") and "fake-mamba-l" in html and "Base against" not in html
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Does the cost of ") and printed[-1].startswith(f"{out}: ")
    assert any(line.startswith("At 2 s behind xls-r-300m, end to end: ") for line in printed)


def test_a_corpus_and_error_rates_stand_in_the_table(tmp_path):
    out = tmp_path / "report.html"
    report((LOW_PRECISION,), out=out, lengths="asterisk-prompts", published_eer="In-the-Wild")
    html = out.read_text(encoding="utf-8")
    assert "EER: published, In-the-Wild." in html and "2,760 recordings" in html
    assert "a curve needs 2" in html  # why its percentiles are missing


def test_a_comparison_is_shown_beside(tmp_path):
    launches = [read_launch(LOW_PRECISION)] * 2
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(compare(launches, launches).to_json()))
    report((LOW_PRECISION,), out=tmp_path / "report.html", comparison=path)
    assert "Base against head" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_no_comparison_leaves_no_page(tmp_path):
    with pytest.raises(ComparisonError, match=r"low-precision\.json: it is no comparison"):
        report((LOW_PRECISION,), out=tmp_path / "report.html", comparison=LOW_PRECISION)
    assert not list(tmp_path.iterdir())


def test_files_are_needed_once_each(tmp_path):
    with pytest.raises(ValueError, match="no results given"):
        report((), out=tmp_path / "report.html")
    with pytest.raises(ResultsError, match="given twice"):
        report((LOW_PRECISION, LOW_PRECISION), out=tmp_path / "report.html")
    with pytest.raises(ResultsError, match="no such file"):
        report((tmp_path / "absent.json",), out=tmp_path / "report.html")
    with pytest.raises(ValueError, match="none of the tables"):
        report((LOW_PRECISION,), out=tmp_path / "report.html", lengths="absent")
    with pytest.raises(ValueError, match="both name error rates"):
        report(
            (LOW_PRECISION,),
            out=tmp_path / "report.html",
            eer=tmp_path / "eer.csv",
            published_eer="In-the-Wild",
        )
