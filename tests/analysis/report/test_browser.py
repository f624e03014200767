"""The report in a browser: what it draws, how it is used without a mouse, and what cannot run."""

import shutil

import pytest

from fakemamba.analysis.report.page import write_report
from fakemamba.analysis.results import read_launch

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "<b><img src=x onerror=window.hacked=1><script>window.hacked=1</script>\"'\u202e%{x}"
SHOWN = HOSTILE.replace("\u202e", "\\u202e")
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 400, "height": 800}
CELLS = "#detector-cells"


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no Chromium or Chrome to look at the page with")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(write_growth, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    launch = read_launch(write_growth(folder / "growth.json", names=("straight", HOSTILE)))
    write_report([launch], folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def visit(browser, report):
    """Open the report; its errors and requests are kept in ``page.errors``, ``page.requests``."""
    opened = []

    def visit(viewport, **options):
        page = browser.new_page(viewport=viewport, **options)
        page.errors, page.requests = [], []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console",
            lambda said: (
                page.errors.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(report)
        opened.append(page)
        return page

    yield visit
    for page in opened:
        page.close()


@pytest.fixture(scope="module")
def wide(visit):
    return visit(WIDE)


@pytest.fixture(scope="module")
def narrow(visit):
    return visit(NARROW)


def widths(page):
    return page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")


def column(page, number):
    """The texts of a column of the visible cells."""
    rows = page.locator(f"{CELLS} tbody tr:visible > :nth-child({number})")
    return [text.strip() for text in rows.all_text_contents()]  # also of rows not scrolled to


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_it_draws_without_an_error_a_request_or_sideways_scrolling(size, report, request):
    page = request.getfixturevalue(size)
    drawn = page.locator(".plot .main-svg").first
    drawn.wait_for()
    assert page.locator("figure").count() == page.locator(".plot:has(.main-svg)").count() >= 7
    assert page.locator("#chart-latency_s .scatterlayer .point").count() == 42
    assert page.errors == [] and page.requests == [report]
    scrolled, window = widths(page)
    assert scrolled <= window


def test_the_first_screen_is_the_answer_its_chart_and_what_is_open(wide, narrow):
    box = wide.locator("#answer").bounding_box()
    assert box["y"] + box["height"] <= wide.viewport_size["height"]
    assert wide.locator("#first-root .scatterlayer .point").count() == 14
    named = wide.locator("#first-root .textpoint").all_text_contents()
    assert [*filter(None, named)] == ["linear", "quadratic"]
    box = narrow.get_by_text("near-linear up to 64 s").first.bounding_box()
    assert box["y"] + box["height"] < narrow.viewport_size["height"]


def test_nothing_of_the_first_screen_is_cut_where_it_is_narrow(narrow):
    beyond = """[...document.querySelectorAll('#answer *')].filter(
        (one) => !one.closest('svg') && one.getBoundingClientRect().right > window.innerWidth
    ).map((one) => one.outerHTML)"""
    assert narrow.evaluate(beyond) == []


def test_the_legend_of_the_first_chart_hides_in_it_alone(wide):
    points = wide.locator("#first-root .scatterlayer .point")
    button = wide.get_by_role("group", name="Detectors in this chart").get_by_role("button").first
    button.click()
    assert points.count() == 7
    assert wide.locator("#chart-latency_s .scatterlayer .point").count() == 42
    button.click()
    assert points.count() == 14


def test_panels_stand_below_each_other_where_it_is_narrow(wide, narrow):
    tops = "[...document.querySelectorAll('#chart-latency_s .annotation')]"
    tops += ".map(one => Math.round(one.getBoundingClientRect().top))"
    assert len(set(wide.evaluate(tops))) == 1
    assert len(set(narrow.evaluate(tops))) == 3


def test_hostile_names_are_shown_and_do_not_run(wide):
    assert wide.evaluate("window.hacked") is None
    assert SHOWN in column(wide, 1)
    button = wide.get_by_role("group", name="Detectors in the charts").get_by_role("button").nth(1)
    assert button.inner_text().startswith("<b><img src=x onerror=wi")
    titles = wide.locator("#chart-share .annotation-text").all_text_contents()
    assert any(title.startswith("<b><img src=x") for title in titles)
    wide.locator("#chart-rtf .plot").scroll_into_view_if_needed()
    wide.evaluate(
        "Plotly.Fx.hover(document.querySelector('#chart-rtf .plot'),"
        "[{curveNumber: 3, pointNumber: 0}])"
    )
    label = wide.locator("#chart-rtf .hovertext").first
    label.wait_for()
    assert "<b><img src=x" in label.text_content() and wide.evaluate("window.hacked") is None


def test_a_table_is_sorted_by_the_keyboard_alone(wide):
    page = wide
    head = page.locator(f"{CELLS} thead th", has_text="latency (ms)")
    place = 1 + head.evaluate("one => one.cellIndex")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    *texts, last = column(page, place)
    numbers = [float(text.replace(",", "")) for text in texts]
    assert numbers == sorted(numbers) and last == "–"
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    *texts, last = column(page, place)
    numbers = [float(text.replace(",", "")) for text in texts]
    assert numbers == sorted(numbers, reverse=True) and last == "–"
    page.keyboard.press("Tab")
    focused = "document.activeElement.closest('th').cellIndex"
    assert page.evaluate(focused) == place


def test_the_table_to_choose_by_is_sorted_by_a_figure(wide):
    table = wide.locator("#decisions")
    head = table.locator("thead th", has_text="latency (ms)").first
    place = 1 + head.evaluate("one => one.cellIndex")
    figures = table.locator(f"tbody tr > :nth-child({place})")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        numbers = [float(text.replace(",", "")) for text in figures.all_text_contents()]
        assert len(numbers) == 2 and numbers == sorted(numbers, reverse=order == "descending")


def test_a_table_is_searched_by_the_keyboard_alone(narrow):
    page = narrow
    search = page.get_by_role("search", name="Detectors", exact=True)
    search.get_by_role("searchbox").focus()
    page.keyboard.type("straight ENCODER measured")
    assert column(page, 1) == ["straight"] * 7
    assert search.get_by_role("status").text_content() == "7 of 43 rows"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert len(column(page, 1)) == 43


def test_axes_change_between_logarithmic_and_linear(wide):
    page = wide
    types = "(() => { const {xaxis, yaxis, yaxis2} = document.querySelector("
    types += (
        "'#chart-latency_s .plot')._fullLayout; return [xaxis.type, yaxis.type, yaxis2.type] })()"
    )
    assert page.evaluate(types) == ["log", "log", "log"]
    box = page.locator("#chart-latency_s").get_by_label("logarithmic vertical axis")
    box.focus()
    page.keyboard.press("Space")
    assert page.evaluate(types) == ["log", "linear", "linear"]
    page.locator("#chart-latency_s").get_by_label("logarithmic horizontal axis").uncheck()
    assert page.evaluate(types) == ["linear", "linear", "linear"]


def test_the_legend_hides_a_detector_in_all_charts(wide):
    page = wide
    points = page.locator("#chart-latency_s .scatterlayer .point")
    button = page.get_by_role("group", name="Detectors in the charts").get_by_role("button").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert points.count() == 21
    assert page.locator("#chart-rtf .scatterlayer .point").count() == 21
    page.keyboard.press("Enter")
    assert points.count() == 42


def test_the_first_tab_leads_past_the_links_to_the_answer(visit):
    page = visit(WIDE, java_script_enabled=False)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_on_paper_there_are_the_charts_and_no_controls(wide):
    page = wide
    page.emulate_media(media="print")
    assert page.locator("#chart-latency_s .main-svg").first.is_visible()
    assert not page.get_by_role("searchbox").first.is_visible()
    assert not page.get_by_role("checkbox").first.is_visible()
    page.wait_for_function("document.querySelector('.main-svg').clientWidth < 1047")
    scrolled, window = widths(page)
    assert scrolled <= window
    assert page.locator(f"{CELLS} tbody tr").last.is_visible()
    page.emulate_media(media="screen")


def test_without_scripts_there_are_the_answer_and_all_tables(visit):
    page = visit(NARROW, java_script_enabled=False)
    assert page.get_by_text("near-linear up to 64 s").first.is_visible()
    page.locator("#charts").scroll_into_view_if_needed()
    note = page.locator("#charts noscript p").bounding_box()
    assert note["height"] > 0 and note["width"] <= NARROW["width"]
    assert page.locator(f"{CELLS} tbody tr").count() == 43
