"""Pictures over duration: what is drawn is what was measured, and what is not is told."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fakemamba.analysis.charts.quantities import shown_memory
from fakemamba.analysis.palette import colour, marker
from fakemamba.analysis.pictures.durations import plot_durations
from fakemamba.analysis.pictures.figures import NotDrawn, part_cells
from fakemamba.analysis.pictures.plots import plot_results
from fakemamba.analysis.published import read_published
from fakemamba.analysis.results import STATS, read_results
from fakemamba.analysis.scaling.curves import curves
from fakemamba.analysis.scaling.verdicts import judge_growth
from fakemamba.analysis.validation import FIGURES

PARTS = {"front-end": 0.1, "encoder": 0.02, "end-to-end": 0.125}
DETECTORS = {"fake-mamba-l": 1.0, "xlsr-conformer": 1.5}  # and how their latencies grow


def cell(detector, part, duration_s, **changes):
    """One row of the tidy table, with a latency of a hundredth of a second at 1 s, and growing."""
    latency_s = PARTS[part] * duration_s ** DETECTORS.get(detector, 1.0)
    row = dict.fromkeys((*FIGURES, *STATS.values(), "net_energy_j"), np.nan) | {
        "cell_id": f"{detector}-{part}-{duration_s:g}",
        "detector": detector,
        "part": part,
        "duration_s": duration_s,
        "status": "measured",
        "reason": None,
        "frontend": "xls-r-tiny",
        "backend": "none",
        "batch_size": 1,
        "precision": "fp32",
        "execution": "eager",
        "attention": "sdpa",
        "clock": "latency",
        "device": "cpu",
        "device_name": "CPU: Test, 2 threads",
        "input": "speech-like",
        "recording": None,
        "source": "out.json",
        "launch": 0,
        "latency_s": latency_s,
        "rtf": latency_s / duration_s,
        "peak_bytes": 1e6 * duration_s,
        "peak_bytes_with_weights": np.nan,
        "samples_s": tuple(latency_s * np.array([0.99, 1.0, 1.01])),
        "passes": (0, 1, 2),
        "disturbed": False,
        "disturbed_by": (),
    }
    return row | changes


def sweep(durations_s=(1.0, 2.0, 4.0), detectors=DETECTORS, parts=PARTS, **changes):
    return [cell(d, part, s, **changes) for d in detectors for part in parts for s in durations_s]


def over_duration(rows, folder, fits=()):
    return list(plot_durations(pd.DataFrame(rows), folder, fits, read_published()))


def panels_of(figure):
    return {axes.get_title(): axes for axes in figure.axes}


def line_of(axes, detector):
    """The markers of a detector: x and y."""
    (line,) = (
        line
        for line in axes.lines
        if line.get_marker() == marker(detector) and to_hex(line.get_color()) == colour(detector)
    )
    return line.get_xdata(), line.get_ydata()


def legible(figure):
    """Nothing is cut off, and title, legend, panels and notes do not lie on each other."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    notes = [text for text in figure.texts[1:] if text.get_text()]
    blocks = [figure.texts[0], *figure.legends, *notes]
    boxes = [block.get_window_extent(renderer) for block in blocks]
    axes_boxes = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.axison]
    for box in [*boxes, *axes_boxes]:
        assert box.x0 > -2 and box.x1 < figure.bbox.x1 + 2, "cut off at a side"
        assert box.y0 > -2 and box.y1 < figure.bbox.y1 + 2, "cut off above or below"
    for place, box in enumerate(boxes):
        for other in [*boxes[place + 1 :], *axes_boxes]:
            assert min(box.y1, other.y1) - max(box.y0, other.y0) < 1, "one lies on the other"
    return True


pytestmark = pytest.mark.usefixtures("small_files")


def test_all_that_can_be_drawn_is_written_and_the_rest_has_its_reason(tmp_path, figures):
    rows = sweep((1.0, 2.0, 4.0, 8.0, 16.0))
    outcomes = list(plot_results(pd.DataFrame(rows), tmp_path))
    setting = "xls-r-tiny-cpu-fp32-b1-sdpa.png"
    kinds = ("rtf", "latency", "memory", "shares", "crossover")
    written = [outcome.name for outcome in outcomes if not isinstance(outcome, NotDrawn)]
    assert written == ["cells.csv", *(f"{kind}-{setting}" for kind in kinds)]
    assert sorted(written) == sorted(path.name for path in tmp_path.iterdir())
    missing = {one.picture: one.reason for one in outcomes if isinstance(one, NotDrawn)}
    wanted = {
        "energy over duration, without idle power": "no cell has a reading",
        "roofline": "no cell of a detector has a time and a count",
        "equal error rate, real-time factor and memory": "no error rate is given",
        "slowdown by the scan's backend": "no detector was measured with several backends",
        "latency of a scan": "no cell of a scan has a time",
        "lengths of the recordings": "the results are not of recordings",
    }
    assert missing.keys() == wanted.keys()
    assert all(missing[picture].startswith(reason) for picture, reason in wanted.items())
    assert all("\n" not in str(outcome) for outcome in outcomes)
    assert all(legible(figure) for figure in figures)


def test_a_detector_has_one_look_in_all_pictures(tmp_path, figures):
    list(plot_results(pd.DataFrame(sweep()), tmp_path))
    lines = [line for figure in figures for axes in figure.axes for line in axes.lines]
    of_detectors = {
        name: [line for line in lines if line.get_marker() == marker(name)] for name in DETECTORS
    }
    for name, its in of_detectors.items():
        assert len(its) > 8 and {to_hex(line.get_color()) for line in its} == {colour(name)}


def test_the_table_has_every_cell_but_not_the_single_rounds(tmp_path):
    lost = cell("xlsr-conformer", "encoder", 64.0, status="out-of-memory", samples_s=None)
    rows = [*sweep(), lost]
    rows[0] |= {"disturbed_by": ("clock", "temperature")}
    path = next(plot_results(pd.DataFrame(rows), tmp_path))
    table = pd.read_csv(path)
    assert path.name == "cells.csv" and len(table) == 19
    assert "samples_s" not in table and table["disturbed_by"][0] == "clock; temperature"


def test_points_are_where_they_were_measured(tmp_path, figures):
    rows = sweep()
    over_duration(rows, tmp_path)
    for figure, column in zip(figures, ("rtf", "latency_s", "peak_bytes"), strict=True):
        panels = panels_of(figure)
        assert list(panels) == list(PARTS)
        for part, axes in panels.items():
            for detector in DETECTORS:
                values = [row for row in rows if (row["detector"], row["part"]) == (detector, part)]
                x, y = line_of(axes, detector)
                np.testing.assert_allclose(x, [1, 2, 4])
                np.testing.assert_allclose(y, [row[column] for row in values])
            assert axes.get_xscale() == axes.get_yscale() == "log"
            assert axes.get_xlabel() == "audio duration (s)"
        assert "xls-r-tiny, fp32, batch 1, eager" in figure.texts[0].get_text()
        assert "CPU" in figure.texts[0].get_text()


def test_latency_is_drawn_with_its_fit_and_band_within_the_measured_range(tmp_path, figures):
    durations_s = 2.0 ** np.arange(7)
    results = pd.DataFrame(sweep(durations_s, parts=["encoder"]))
    fits = [judge_growth(curve) for curve in curves(results, ("latency",))]
    list(plot_durations(results, tmp_path, fits, read_published()))
    (axes,) = figures[1].axes
    (curve,) = (
        one
        for one in axes.lines
        if len(one.get_xdata()) > 100 and to_hex(one.get_color()) == colour("fake-mamba-l")
    )
    np.testing.assert_allclose(curve.get_xdata()[[0, -1]], [1, 64])
    np.testing.assert_allclose(curve.get_ydata(), 0.02 * curve.get_xdata(), rtol=0.05)
    bands = [band.get_paths()[0].get_extents() for band in axes.collections]
    assert len(bands) == 2 and all(band.x0 == 1 and band.x1 == 64 for band in bands)
    assert "95 % bands" in figures[1].texts[-1].get_text()
    assert not figures[0].axes[0].collections  # a real-time factor has no fit


def test_many_durations_are_dots_and_medians_of_steps(tmp_path, figures):
    rows = [cell("fake-mamba-l", "encoder", float(s)) for s in np.geomspace(1, 16, 50)]
    over_duration(rows, tmp_path)
    dots, medians, joined = figures[0].axes[0].lines
    assert len(dots.get_xdata()) == 50 and len(medians.get_xdata()) == 10
    np.testing.assert_allclose(medians.get_ydata(), 0.02)
    np.testing.assert_allclose(joined.get_xydata(), medians.get_xydata())


def test_backends_of_one_detector_share_its_colour_and_differ_in_their_markers(tmp_path, figures):
    rows = sweep(backend="cpu") + sweep(backend="torch", detectors=["fake-mamba-l"])
    over_duration(rows, tmp_path)
    one, other, rival = figures[0].legends[0].legend_handles
    assert [each.get_label() for each in (one, other, rival)] == [
        "fake-mamba-l (cpu)",
        "fake-mamba-l (torch)",
        "xlsr-conformer",
    ]
    assert to_hex(one.get_color()) == to_hex(other.get_color()) == colour("fake-mamba-l")
    assert (one.get_fillstyle(), other.get_fillstyle()) == ("full", "none")


def test_cells_without_a_time_and_disturbed_ones_are_told_below(tmp_path, figures):
    lost = [cell("xlsr-conformer", "encoder", s, status="out-of-memory") for s in (64.0, 128.0)]
    over_duration([*sweep(disturbed=True), *lost], tmp_path)
    notes = figures[0].texts[-1].get_text()
    assert "2 cells have no time, out-of-memory: xlsr-conformer from 64 s." in notes
    assert "18 of 18 cells were disturbed" in notes


def test_memory_says_what_it_is_on_each_device(tmp_path, figures):
    on_gpu = {"device": "cuda:0", "device_name": "Test GPU"}
    over_duration(sweep(parts=["encoder"]) + sweep(parts=["encoder"], **on_gpu), tmp_path)
    on_cpu, on_gpu = (figure.texts[-1].get_text() for figure in figures[4:6])
    assert "beside the weights" in on_cpu and "with the weights" in on_gpu
    assert "CPU" not in figures[5].texts[0].get_text()


def test_memory_is_drawn_with_the_weights_where_they_are_known(tmp_path, figures):
    weights_bytes = 1_263_000_000
    rows = [
        row | {"peak_bytes_with_weights": row["peak_bytes"] + weights_bytes}
        for row in sweep(parts=["end-to-end"])
    ]
    over_duration(rows, tmp_path)
    (axes,) = figures[2].axes
    assert axes.get_ylabel() == "peak memory with weights"
    np.testing.assert_allclose(
        line_of(axes, "fake-mamba-l")[1], weights_bytes + 1e6 * np.array([1, 2, 4])
    )
    assert "is the weights and the growth" in figures[2].texts[-1].get_text()
    assert legible(figures[2])


def test_memory_of_a_training_step_says_what_is_not_in_it():
    steps = pd.DataFrame(sweep(parts=["encoder"])).assign(part="training-step")
    assert "optimizer state are not in it" in shown_memory(steps).note
    assert "not in it" not in shown_memory(steps.assign(device="cuda:0")).note


def test_a_peak_of_nothing_is_told_as_a_logarithm_has_no_place_for_it(tmp_path, figures):
    rows = sweep(parts=["encoder"])
    rows[0] |= {"peak_bytes": 0}
    over_duration(rows, tmp_path)
    assert len(line_of(figures[2].axes[0], "fake-mamba-l")[0]) == 2
    assert "1 of 6 cells are 0 and not drawn" in figures[2].texts[-1].get_text()


def test_energy_is_drawn_where_it_was_measured(tmp_path, figures):
    rows = [row | {"net_energy_j_per_audio_s": 3 * row["latency_s"]} for row in sweep()]
    *_, path = over_duration(rows, tmp_path)
    assert path.name == "energy-xls-r-tiny-cpu-fp32-b1-sdpa.png"
    axes = panels_of(figures[-1])["encoder"]
    np.testing.assert_allclose(line_of(axes, "fake-mamba-l")[1], [0.06, 0.12, 0.24])
    assert figures[-1].axes[0].get_ylabel() == "energy (J per second of audio)"
    assert legible(figures[-1])


def test_a_single_point_is_no_picture(tmp_path):
    outcomes = over_duration([cell("fake-mamba-l", "encoder", 1.0)], tmp_path)
    assert all(isinstance(outcome, NotDrawn) for outcome in outcomes)
    assert outcomes[0].reason.startswith(
        "one detector at one duration is no picture: xls-r-tiny, fp32"
    )


def test_machines_and_settings_have_files_of_their_own(tmp_path):
    others = [{"device_name": "CPU: Another"}, {"precision": "bf16"}]
    others += [{"frontend": "a/b"}, {"frontend": "a-b"}]
    rows = [row for changes in ({}, *others) for row in sweep(parts=["encoder"], **changes)]
    paths = [one for one in over_duration(rows, tmp_path) if not isinstance(one, NotDrawn)]
    assert len(set(paths)) == len(paths) == 15


def test_hostile_names_are_text_and_files_stay_in_their_folder(tmp_path, figures):
    names = ["$\\frac{", "x" * 10_000, "a\nb <script>"]
    rows = sweep(detectors=names, frontend="../../etc/" + "y" * 10_000 + ".pt")
    paths = over_duration(rows, tmp_path)[:3]
    assert all(path.parent == tmp_path and len(path.name) < 255 for path in paths)
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["$\\frac{", "x" * 20 + "…" + "x" * 19, "a b <script>"]
    assert all(legible(figure) for figure in figures)


def test_what_was_published_stands_beside_the_same_detector_with_its_doubts(tmp_path, figures):
    over_duration(sweep(frontend="xls-r-300m"), tmp_path)
    panels = panels_of(figures[0])
    (field,) = panels["end-to-end"].collections
    extent = field.get_paths()[0].get_extents()
    np.testing.assert_allclose([extent.x0, extent.x1, extent.y0, extent.y1], [1, 6, 0.37, 0.47])
    assert not panels["encoder"].collections and not panels["front-end"].collections
    label = figures[0].legends[0].get_texts()[-1].get_text()
    assert "V100" in label and "unverified" in label
    assert "of the device named with it" in figures[0].texts[-1].get_text()
    assert legible(figures[0])


@pytest.mark.parametrize(
    "changes", [{"frontend": "xls-r-tiny"}, {"frontend": "xls-r-300m", "batch_size": 8}], ids=str
)
def test_nothing_published_stands_beside_something_else(tmp_path, figures, changes):
    over_duration(sweep(**changes), tmp_path)
    assert not panels_of(figures[0])["end-to-end"].collections


@pytest.mark.at_length
def test_results_of_this_project_are_drawn_legibly(tmp_path, figures):
    root = read_published.__globals__["PUBLISHED"].parent / "cpu-epyc-2t"
    results = read_results([root / "smoke.json"])
    list(plot_durations(part_cells(results), tmp_path, [], read_published()))
    assert len(figures) == 6 and all(legible(figure) for figure in figures)
