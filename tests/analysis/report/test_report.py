"""The report without a browser: its answer, its tables, its commands, and foreign strings in it."""

import base64
import hashlib
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from plotly import graph_objects

from fakemamba.analysis.compare.comparison import compare
from fakemamba.analysis.drift import without_drift
from fakemamba.analysis.error_rates import read_eer
from fakemamba.analysis.report.answer import answer
from fakemamba.analysis.report.fastest import fastest_claims, fastest_section
from fakemamba.analysis.report.page import Extras, render, write_report
from fakemamba.analysis.report.reproduce import replay
from fakemamba.analysis.report.tables import Field, tabulate
from fakemamba.analysis.report.words import interval, number, plotly_label
from fakemamba.analysis.results import read_launch
from fakemamba.analysis.scaling.ranking import fastest
from fakemamba.analysis.scaling.verdicts import scale
from fakemamba.analysis.setting import groups_of
from fakemamba.names import visible

HOSTILE = "<script>window.hacked=1</script>\"'</script>\u2028\u202e%{x}&lt;"


class Page(HTMLParser):
    """What a page consists of: tags with attributes, scripts, and the text outside of them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self.text = [], [], ""
        self.inside = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.inside = tag
            self.scripts += [(dict(attributes), "")] if tag == "script" else []

    def handle_endtag(self, tag):
        self.inside = None if tag == self.inside else self.inside

    def handle_data(self, data):
        if self.inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self.inside is None:
            self.text += data


@pytest.fixture(scope="module")
def launch(write_growth, tmp_path_factory):
    return read_launch(write_growth(tmp_path_factory.mktemp("report") / "growth.json"))


@pytest.fixture(scope="module")
def html(launch):
    return render([launch])[0]


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def charts_of(page):
    return data_of(page, "chart-data")


def first_of(page):
    return data_of(page, "first-chart-data")


def data_of(page, name):
    return json.loads(next(text for tag, text in page.scripts if tag.get("id") == name))


def test_the_answer_says_how_each_encoder_grows_and_up_to_which_duration(launch):
    (setting,) = groups_of(launch.cells)
    claims = {claim.what: claim.points for claim in answer(setting, scale(launch.cells)).claims}
    linear, quadratic = claims["Latency of the encoder"]
    assert (linear.verdict, linear.told) == ("near-linear", "near-linear up to 64 s")
    assert linear.names.startswith("straight (quadratic share ")
    assert quadratic.verdict == "quadratic" and quadratic.names.startswith("bent (")


def test_what_was_not_decided_has_its_reason_once(launch):
    short = launch.cells[launch.cells["duration_s"] <= 4].assign(work=None)
    (setting,) = groups_of(short)
    (undecided,) = answer(setting, scale(short)).undecided
    assert undecided.what == "everything" and "a fit needs" in undecided.reason


def test_the_fastest_is_told_by_duration_as_the_truth_has_it(launch):
    # 2 + 0.5 T + 0.2 T² and 4 + 2 T milliseconds are equal at 8.64 s; at 8 s they are 6 % apart
    (setting,) = groups_of(launch.cells)
    (claim,) = fastest_claims(setting, fastest(launch.cells))
    assert claim.points[0].names.startswith("bent from 1 s, ")
    assert claim.points[0].names.endswith("straight from 16 s")


def test_where_nothing_was_visited_again_there_is_no_winner(launch):
    once = launch.cells.assign(passes=None)
    cells = without_drift(once)
    (setting,) = groups_of(cells)
    (claim,) = fastest_claims(setting, fastest(cells))
    assert claim.points[0].names == "no clear winner from 1 s"
    (section,) = fastest_section([setting], fastest(cells))
    assert "tie" not in str(section)


def test_the_same_results_give_the_same_bytes(launch, html, tmp_path):
    write_report([launch], tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == html.encode()


def test_the_policy_allows_exactly_the_scripts_of_the_page(page):
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none';") and "unsafe-eval" not in policy
    running = [text for attributes, text in page.scripts if "type" not in attributes]
    hashes = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in running}
    assert len(running) == 3
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes


def test_nothing_of_the_page_lies_elsewhere(page):
    for tag, attributes in page.tags:
        assert "src" not in attributes and tag not in ("link", "iframe", "img", "base")
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]


def test_every_cell_is_in_the_table_with_status_and_reason(launch, page):
    for cell_id in launch.cells["cell_id"]:
        assert cell_id in page.text
    assert page.text.count("MemoryError: <b>128</b> s is too long") == 2  # and in "What failed"
    assert "43 cells: 42 measured, 1 out-of-memory" in page.text


def test_a_cell_has_its_visits_and_their_interval(launch, page):
    row = launch.cells.iloc[0]
    assert f"[{number(row['latency_low_s'] * 1e3)}, " in page.text
    assert "visits" in page.text and "of them disturbed" in page.text


def test_headings_are_in_order_and_ids_are_unique(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert targets <= set(ids)


def test_plotly_knows_every_property_of_every_trace(page):
    (setting,) = charts_of(page)
    names = {chart["name"] for chart in setting["charts"]}
    assert {"rtf", "latency_s", "peak_bytes", "net_energy_j_per_audio_s"} <= names
    assert {"share", "roofline", "crossover-latency"} <= names
    for chart in setting["charts"]:
        graph_objects.Figure(data=chart["traces"])
        assert {trace["meta"]["line"] for trace in chart["traces"]} <= {-1, 0, 1}


def test_the_latency_chart_has_the_points_the_fits_and_their_bands(launch, page):
    (setting,) = charts_of(page)
    chart = next(chart for chart in setting["charts"] if chart["name"] == "latency_s")
    encoder = [trace for trace in chart["traces"] if trace["xaxis"] == "x"]
    assert chart["panels"][0] == "encoder"
    assert [trace["mode"] for trace in encoder] == ["lines", "lines", "markers"] * 2
    own = launch.cells[(launch.cells["detector"] == "bent") & (launch.cells["part"] == "encoder")]
    wanted_ms = own["latency_s"].dropna() * 1e3
    assert encoder[5]["y"] == pytest.approx(wanted_ms.tolist(), rel=1e-4)
    low_and_high, fit = encoder[3], encoder[4]
    assert (fit["x"][0], fit["x"][-1]) == (1, 64)  # the fit ends where the measurements end
    assert fit["y"][-1] == pytest.approx(wanted_ms.iloc[-1], rel=0.02)
    assert min(low_and_high["y"]) <= fit["y"][0] and fit["y"][-1] <= max(low_and_high["y"])


def test_the_first_screen_has_the_sentences_and_the_chart_with_both_laws(launch, page):
    (setting,) = groups_of(launch.cells)
    for sentence in render([launch])[1].sentences:
        assert sentence in page.text
    first = first_of(page)
    (chart,) = first["charts"]
    assert [line["name"] for line in first["lines"]] == ["straight", "bent"]
    laws = [trace for trace in chart["traces"] if trace["meta"]["line"] == -1]
    growth = {trace["text"][1]: trace["y"][1] / trace["y"][0] for trace in laws}
    assert growth == {
        "linear": pytest.approx(4, rel=1e-3),
        "quadratic": pytest.approx(16, rel=1e-3),
    }
    graph_objects.Figure(data=chart["traces"])
    # The same fits, bands and points as in the chart of all parts below.
    latency = next(one for one in charts_of(page)[0]["charts"] if one["name"] == "latency_s")
    encoder = [trace for trace in latency["traces"] if trace["xaxis"] == "x"]
    assert chart["panels"] == latency["panels"][:1] and setting.parts[0] == "encoder"
    assert chart["traces"][2:] == encoder


def test_the_table_of_decisions_has_every_detector_and_its_pareto_chart(launch, tmp_path):
    (tmp_path / "eer.csv").write_text("detector,eer\nstraight,2\nbent,4\n")
    memory = launch.cells["peak_bytes"] + 4e6
    known = replace(launch, cells=launch.cells.assign(peak_bytes_with_weights=memory))
    rates = read_eer(tmp_path / "eer.csv")
    html, found = render([known], Extras(rates=rates, rates_source="<b>mine</b>"))
    page = Page(html)
    assert "All 2 detectors" in page.text and "EER: <b>mine</b>." in page.text
    chart = charts_of(page)[0]["charts"][0]
    assert chart["name"] == "pareto" and "&lt;b&gt;mine" in chart["y"]["title"]
    graph_objects.Figure(data=chart["traces"])
    figures = {one["line"]: one for one in found.figures}
    places = {one["meta"]["line"]: (one["x"], one["y"]) for one in chart["traces"]}
    assert places[0] == ([float(f"{figures['straight']['rtf']:.5g}")], [2])
    assert number(figures["bent"]["latency_s"] * 1e3) in page.text


def test_shares_are_of_the_end_to_end_latency(page):
    (setting,) = charts_of(page)
    chart = next(chart for chart in setting["charts"] if chart["name"] == "share")
    front_end = next(trace for trace in chart["traces"] if trace["xaxis"] == "x")
    assert front_end["x"][0] == "1"
    assert front_end["y"][0] == pytest.approx(100 * 0.03 / 0.036, rel=0.05)


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "", "a\nb"], ids=ascii)
def test_foreign_names_are_text_everywhere(write_growth, tmp_path, name):
    path = write_growth(tmp_path / "x.json", names=(name, "bent"), environment={"cpu": name})
    html, _ = render([read_launch(path)])
    assert "window.hacked=1</script>" not in html
    assert "\u2028" not in html and "\u202e" not in html
    html.encode()
    page = Page(html)
    assert visible(name) in page.text
    assert len(page.scripts) == 5
    assert len(charts_of(page)[0]["lines"]) == 2


def test_a_kernel_that_was_not_right_is_told_beside_the_machine(write_growth, tmp_path):
    failed = {"status": "failed", "error": HOSTILE, "differences": {"fp32": 0.3}}
    passed = {"status": "passed", "error": None, "differences": {"fp32": 2e-7}}
    kernels = {"kernels": {"fused-norm": failed, "selective-scan": passed}}
    path = write_growth(tmp_path / "x.json", environment=kernels)
    html, _ = render([read_launch(path)])
    assert "window.hacked=1</script>" not in html
    told = "On CPU: Test, 2 threads, torch computes for the kernel fused-norm, which is not right"
    text = " ".join(Page(html).text.split())
    assert told in text and "the kernel selective-scan" not in text
    assert "kernels.selective-scan.differences.fp32" in text


def test_labels_of_charts_are_shown_as_they_are_by_plotly():
    assert plotly_label("<b>%{x}</b> &lt;") == "&lt;b&gt;&#37;{x}&lt;/b&gt; &amp;lt;"
    assert plotly_label("$a$") == "&#36;a&#36;"
    assert plotly_label("\u202eabc") == "\\u202eabc"
    assert visible("\ud800") == "\\ud800"
    assert len(plotly_label("x" * 10_000)) < 100


def test_numbers_keep_three_digits_and_unknown_is_no_zero():
    texts = [number(x) for x in (0.0, 12345.6, 0.001234, float("nan"), None, float("inf"))]
    assert texts == ["0", "12,346", "0.00123", "–", "–", "∞"]
    assert interval((0.0312, None)) == "" and interval((0.0312, 0.5), 100) == "[3.12, 50]"


def test_the_command_of_a_file_has_its_words_quoted(launch):
    found = replay(launch)
    assert [shlex.split(line) for line in found.commands] == [
        [
            *("pytest", "bench/", "--bench-detectors", "a b,c", "-k", "not bent"),
            "--benchmark-json=growth.json",
        ]
    ]
    assert (found.commit, found.is_dirty) == ("0123456789abcdef", True)
    node = f"bench/bench_detectors.py::bench_detector[{launch.cells['cell_id'][0]}]"
    assert shlex.split(found.one_cell) == [
        *("pytest", node, "--bench-detectors", "a b,c", "--benchmark-json=cell.json")
    ]


def test_a_file_that_several_runs_wrote_has_the_command_of_each(launch):
    runs = [["bench/", "--bench-find-limits"], ["bench/bench_scan.py", "--bench-corpus", "m.csv"]]
    found = replay(replace(launch, options={"commands": runs}))
    assert [shlex.split(line)[1:] for line in found.commands] == [
        ["bench/", "--bench-find-limits", "--benchmark-json=growth.json"],
        ["bench/bench_scan.py", "--bench-corpus", "m.csv", "--bench-resume=growth.json"],
    ]
    assert any("--bench-corpus-root" in note for note in found.notes)


def test_a_file_that_is_older_than_the_record_of_its_command_says_so(launch):
    found = replay(replace(launch, options={"profile": "smoke"}))
    assert found.commands == () and found.one_cell is None
    assert "does not record the arguments of its command" in " ".join(found.notes)


def test_what_is_the_same_in_all_rows_is_said_once():
    fields = (Field("a", "a", is_key=True), Field("b", "b"), Field("c", "c"), Field("d", "d", 1e3))
    fields += (Field("nothing to say", lambda record: ""),)
    rows = [{"a": 1, "b": "x", "c": None, "d": 0.001}, {"a": 1, "b": "x", "c": None, "d": 0.002}]
    table = tabulate("name", "caption", fields, rows)
    assert [field.title for field in table.fields] == ["a", "d"]
    assert table.common == (("b", "x"),)
    assert [row[1].order for row in table.rows] == [1, 2]


def test_results_without_a_detector_have_a_page_that_says_so(launch):
    lost = launch.cells[launch.cells["status"] == "out-of-memory"]
    html, _ = render([replace(launch, cells=lost)])
    assert "No detector was measured on whole utterances" in Page(html).text
    assert "MemoryError" in html


def test_a_comparison_is_shown_with_its_verdicts(launch):
    slower = launch.cells.assign(latency_s=launch.cells["latency_s"] * 1.5)
    base, head = [launch] * 6, [replace(launch, cells=slower)] * 6
    comparison = compare(base, head)
    text = Page(render([launch], Extras(comparison))[0]).text
    assert comparison.verdict == "regressed"
    assert "Base against head" in text and "Overall: regressed (exit code 1)." in text
    assert "above-effect" in text


def test_more_files_are_set_side_by_side(write_growth, launch, tmp_path):
    path = write_growth(tmp_path / "other.json", names=("straight", "other"), environment={"x": 1})
    page = Page(render([launch, read_launch(path)])[0])
    assert "growth.json" in page.text and "other.json" in page.text
    assert len(charts_of(page)[0]["lines"]) == 3


def test_a_result_without_cells_and_results_of_two_schemas_have_a_page(
    launch, write_growth, tmp_path
):
    page = Page(render([replace(launch, cells=launch.cells[:0])])[0])
    assert "so there is no answer" in page.text and "there is none to choose" in page.text
    older = read_launch(write_growth(tmp_path / "older.json", schema=2))
    html, found = render([launch, older])
    assert "2 files, 86 cells" in Page(html).text and "visits of a cell" in found.machine
