"""Load tests beside a sweep, in the page of a report."""

from fakemamba.analysis.load.section import load_section
from fakemamba.analysis.report.page import Extras, render
from fakemamba.analysis.results import read_launch


def test_a_row_a_level_and_the_answers_above(make_run, make_record):
    runs = [make_run(level=2.0), make_run(level=5.0, late=50), make_run("offline", None)]
    section = load_section([make_record(*runs)])
    assert "p99 within 1 s: 2 hold, 5 do not" in section.notes[0]
    (table,) = section.tables
    verdict = [one.title for one in table.fields].index("verdict")
    assert [row[verdict].text for row in table.rows] == ["holds", "fails", "–"]
    assert ("device", "CPU: a | strange one, 2 threads") in table.common


def test_the_page_has_them(make_run, make_record, write_growth, tmp_path):
    launch = read_launch(write_growth(tmp_path / "growth.json"))
    record = make_record(make_run(level=2.0))
    page, _ = render([launch], Extras(loads=(record,)))
    assert 'id="load"' in page and "Under load" in page and '<span class="mark holds">' in page
