"""Picture and page show the same numbers, of one function."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fakemamba.analysis.charts.lines import lines_of
from fakemamba.analysis.charts.quantities import QUANTITIES
from fakemamba.analysis.palette import colour, looks_of
from fakemamba.analysis.pictures.durations import plot_durations
from fakemamba.analysis.pictures.roofline import plot_roofline
from fakemamba.analysis.published import read_published
from fakemamba.analysis.report.curves import duration_charts
from fakemamba.analysis.report.rooflines import roofline_charts
from fakemamba.analysis.report.traces import Style
from fakemamba.analysis.results import read_launch
from fakemamba.analysis.scaling.verdicts import scale
from fakemamba.analysis.setting import groups_of


@pytest.fixture(scope="module")
def cells(write_growth, tmp_path_factory):
    """With memory that holds the weights, beyond what is fitted of it."""
    cells = read_launch(write_growth(tmp_path_factory.mktemp("charts") / "growth.json")).cells
    return cells.assign(peak_bytes_with_weights=cells["peak_bytes"] + 4e6)


@pytest.fixture
def figures(monkeypatch):
    """The figures that were closed, still to be looked at; their files are small."""
    kept, close = [], plt.close
    monkeypatch.setattr(plt, "close", kept.append)
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)
    yield kept
    close("all")


def traces_of(chart, part, line):
    """The band, the curve and the points of a line in a panel."""
    panel = chart.panels.index(part)
    axis = f"x{panel + 1}" if panel else "x"
    return [one for one in chart.traces if (one["xaxis"], one["meta"]["line"]) == (axis, line)]


@pytest.mark.parametrize(
    ("place", "kind", "scale_of_page"),
    [(1, "latency", 1e3), pytest.param(2, "memory", 1e-6, marks=pytest.mark.at_length)],
)
def test_points_and_fits_over_duration(cells, tmp_path, figures, place, kind, scale_of_page):
    scalings = scale(cells)
    (group,) = groups_of(cells)
    charts = list(
        duration_charts(group, lines_of(group.cells, looks_of(group.cells["detector"])), scalings)
    )
    list(plot_durations(cells, tmp_path, scalings, read_published()))
    assert [one.kind for one in QUANTITIES][place] == kind
    chart = charts[place]
    for axes in figures[place].axes:
        for line, name in enumerate(group.lines):
            drawn = [one for one in axes.lines if to_hex(one.get_color()) == colour(name)]
            points, curve = (
                np.array(one.get_xydata(), float) * [1, scale_of_page] for one in drawn
            )
            band, fitted, measured = traces_of(chart, axes.get_title(), line)
            assert len(band["x"]) == 2 * len(fitted["x"]) > 60
            np.testing.assert_allclose(
                np.column_stack([measured["x"], measured["y"]]), points, 1e-4
            )
            np.testing.assert_allclose(
                np.column_stack([fitted["x"], fitted["y"]]), curve[::5], 1e-4
            )


def test_ceilings_of_all_cells_though_parts_found_different_ones(cells, tmp_path, figures):
    rates = {"front-end": 1e11, "encoder": 2e11, "end-to-end": 3e11}
    cells = cells.assign(copy_bytes_per_s=cells["part"].map(rates), flop_coverage=1.0)
    cells = cells.assign(bytes_moved=cells["flops"] / 3)
    (group,) = groups_of(cells)
    styles = [
        Style.of(line) for line, _ in lines_of(group.cells, looks_of(group.cells["detector"]))
    ]
    (chart,) = roofline_charts(group, styles)
    list(plot_roofline(cells, tmp_path))
    slopes = [one for one in chart.traces if "a large copy" in one.get("hovertemplate", "")]
    assert len(slopes) == len(figures[0].axes) == 3
    for slope, axes in zip(slopes, figures[0].axes, strict=True):
        np.testing.assert_allclose(np.divide(slope["y"], slope["x"]), 2e11, 1e-4)
        memory = axes.lines[-2]
        np.testing.assert_allclose(memory.get_ydata() / memory.get_xdata(), 2e11)
    assert figures[0].texts[-1].get_text().replace("\n", " ") in chart.note


def test_a_detector_s_backends_have_one_look_but_for_their_markers():
    lines = lines_of(
        pd.DataFrame(
            [("b", "b (cpu)"), ("a", "a"), ("b", "b (torch)")], columns=["detector", "line"]
        ),
        looks_of("ab"),
    )
    assert [(line.name, line.variant) for line, _ in lines] == [
        ("b (cpu)", 0),
        ("b (torch)", 1),
        ("a", 0),
    ]
    assert lines[0][0].look == lines[1][0].look != lines[2][0].look
