"""Pictures of shares, crossovers, error rates, backends, the scan and lengths."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fakemamba.analysis.decision import decision_table
from fakemamba.analysis.error_rates import published_eer, read_eer
from fakemamba.analysis.palette import BACKEND_LOOKS, LOOKS, colour
from fakemamba.analysis.pictures.crossover import plot_crossover, segments
from fakemamba.analysis.pictures.figures import NotDrawn
from fakemamba.analysis.pictures.kernels import plot_degradation, plot_kernels, slowdown
from fakemamba.analysis.pictures.lengths import distinct_recordings, plot_lengths
from fakemamba.analysis.pictures.pareto import plot_pareto
from fakemamba.analysis.pictures.scan import plot_scan
from fakemamba.analysis.pictures.shares import plot_shares
from fakemamba.analysis.published import read_published
from fakemamba.analysis.report.shares import share_charts
from fakemamba.analysis.results import ResultsError
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.setting import groups_of
from fakemamba.analysis.shares import part_shares

SETTING = {
    "frontend": "xls-r-300m",
    "batch_size": 1,
    "precision": "fp32",
    "execution": "eager",
    "attention": "sdpa",
    "clock": "latency",
    "device": "cpu",
    "device_name": "CPU: Test, 2 threads",
}


def cell(detector, part, duration_s, latency_s, **changes):
    row = {"detector": detector, "part": part, "duration_s": duration_s, "latency_s": latency_s}
    row |= {"rtf": latency_s / duration_s, "peak_bytes": 1e8, "backend": "none"}
    row |= {"status": "measured", "input": "speech-like", "recording": None, "launch": 0}
    row |= {"disturbed": False, "peak_bytes_with_weights": row["peak_bytes"]}
    unknown = ("samples_s", "reason", "latency_low_s", "latency_high_s", "flops", "flop_coverage")
    row |= dict.fromkeys((*unknown, "n_parameters"))
    return row | SETTING | changes


pytestmark = pytest.mark.usefixtures("figures", "small_files")


def parts(detector, duration_s, front_end_s, encoder_s, whole_s):
    values = {"front-end": front_end_s, "encoder": encoder_s, "end-to-end": whole_s}
    return [cell(detector, part, duration_s, value) for part, value in values.items()]


def test_shares_are_of_the_whole_at_the_same_duration():
    rows = parts("a", 1.0, 0.6, 0.3, 1.0) + parts("a", 2.0, 1.5, 0.9, 2.0)
    rows += [cell("a", "encoder", 4.0, 3.0)]
    shares = part_shares(pd.DataFrame(rows))
    assert shares["duration_s"].tolist() == [1, 2]
    np.testing.assert_allclose(shares["front-end"], [0.6, 0.75])
    np.testing.assert_allclose(shares["encoder"], [0.3, 0.45])
    np.testing.assert_allclose(shares["rest"], [0.1, -0.2])


def test_no_negative_rest_is_drawn_but_it_is_told(tmp_path, figures):
    rows = parts("fake-mamba-l", 1.0, 0.6, 0.3, 1.0) + parts("fake-mamba-l", 2.0, 1.5, 0.9, 2.0)
    (path,) = plot_shares(pd.DataFrame(rows), tmp_path)
    assert path.name == "shares-xls-r-300m-cpu-fp32-b1-sdpa.png"
    (axes,) = figures[0].axes
    heights = np.array([bar.get_height() for bar in axes.patches]).reshape(3, 2)
    np.testing.assert_allclose(heights, [[0.6, 0.75], [0.3, 0.45], [0.1, 0]], atol=1e-12)
    assert to_hex(axes.patches[2].get_facecolor()) == colour("fake-mamba-l")
    assert axes.get_ylim()[1] > 1.2
    note = figures[0].texts[-1].get_text()
    assert "At 1 of 2 durations" in note and "by up to 20%" in note


def test_shares_are_the_same_in_the_page_and_in_the_picture(tmp_path, figures):
    """Of many durations, which both join in steps."""
    rng = np.random.default_rng(0)
    rows = [
        row
        for duration_s in np.geomspace(0.5, 20, 40)
        for row in parts("a", duration_s, *(np.array([0.2, 0.01, 0.22]) * rng.uniform(0.8, 1.2, 3)))
    ]
    cells = pd.DataFrame(rows)
    (chart,) = share_charts(groups_of(cells)[0])
    list(plot_shares(cells, tmp_path))
    heights = [bar.get_height() for bar in figures[0].axes[0].patches]
    page = [value / 100 for trace in chart.traces for value in trace["y"]]
    assert len(page) == 30 and page == pytest.approx(heights, rel=1e-4, abs=1e-9)


def test_the_picture_of_error_rates_has_the_table_s_figures(tmp_path, figures):
    path = tmp_path / "eer.csv"
    path.write_text("detector,eer\nfake-mamba-l,2\nxlsr-conformer,4\n")
    cells = pd.DataFrame(end_to_end(fake_mamba_l=0.2, xlsr_conformer=0.4))
    cells = cells.assign(latency_s=cells["latency_s"] * np.linspace(1, 1.1, len(cells)))
    list(plot_pareto(cells, read_eer(path), "mine", tmp_path))
    drawn = {float(line.get_xdata()[0]) for line in figures[0].axes[0].lines}
    assert drawn == set(decision_table(cells)["rtf"])


def test_labels_of_detectors_that_are_alike_do_not_cover_each_other(tmp_path, figures):
    names = ("fake-mamba-l", "xlsr-conformer", "xlsr-mamba")
    path = tmp_path / "eer.csv"
    path.write_text("detector,eer\n" + "".join(f"{name},4\n" for name in names))
    cells = pd.DataFrame(end_to_end(fake_mamba_l=0.2, xlsr_conformer=0.201, xlsr_mamba=0.202))
    list(plot_pareto(cells, read_eer(path), "mine", tmp_path))
    boxes = [text.get_window_extent() for text in figures[0].axes[0].texts]
    assert len(boxes) == 3
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_without_all_three_parts_there_are_no_shares(tmp_path):
    (outcome,) = plot_shares(pd.DataFrame(parts("a", 1.0, 1, 1, 2)[:2]), tmp_path)
    assert "no detector has front-end, encoder and end-to-end at one" in outcome.reason


def crossover(verdict="from a duration on", **changes):
    labels = SETTING | {"detector": "fake-mamba-l", "part": "encoder", "backend": "cpu"}
    figures = {"quantity": "latency", "rival": "xlsr-conformer", "rival_backend": "none"}
    figures |= {"start_s": 1.0, "to_s": 16.0, "from_s": 4.0, "from_s_ci": (3.0, 5.0)}
    figures |= {"crossings_s": (4.0,), "ratio": 2.0, "ratio_ci": (1.8, 2.2), "reason": "why"}
    return Crossover(**labels | figures | changes | {"verdict": verdict})


def test_a_bar_is_the_better_one_s_as_far_as_that_is_known():
    winner, loser = "fake-mamba-l", "xlsr-conformer"
    assert segments(crossover()) == [(1, 3, loser), (3, 5, None), (5, 16, winner)]
    tie = crossover(crossings_s=())
    assert segments(tie) == [(1, 3, None), (3, 5, None), (5, 16, winner)]
    several = crossover("several crossings", crossings_s=(2.0, 4.0))
    assert segments(several) == [(1, 3, None), (3, 5, None), (5, 16, winner)]
    assert segments(crossover("throughout", from_s_ci=None)) == [(1, 16, winner)]
    assert segments(crossover("undecided", from_s=None, from_s_ci=None)) == [(1, 16, None)]
    assert segments(crossover("undecided", start_s=None, to_s=None)) == []


def test_the_crossover_chart_has_a_bar_a_rival(tmp_path, figures):
    pairs = [crossover(), crossover("throughout", rival="xlsr-mamba", rival_backend="cpu")]
    pairs += [crossover(rival="xlsr-mamba", rival_backend="torch")]  # unfair: another scan
    pairs += [crossover("undecided", quantity="peak-memory", start_s=None, to_s=None)]
    pairs += [crossover(detector="xlsr-mamba", backend="cpu")]  # not about fake-mamba-l
    (path,) = plot_crossover(pairs, ["fake-mamba-l", "xlsr-mamba"], LOOKS, tmp_path)
    assert path.name == "crossover-xls-r-300m-cpu-fp32-b1-sdpa.png"
    (axes,) = figures[0].axes
    assert axes.get_title() == "encoder, latency"
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["xlsr-conformer (cpu)", "xlsr-mamba (cpu)"]
    bars = [(bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor())) for bar in axes.patches]
    ours = colour("fake-mamba-l")
    assert bars[0] == (1, 2, colour("xlsr-conformer")) and bars[2:] == [
        (5, 11, ours),
        (1, 15, ours),
    ]
    assert [text.get_text() for text in axes.texts] == ["2 × (1.8–2.2)"] * 2
    assert "No peak-memory: why." in figures[0].texts[-1].get_text()


def test_a_chart_against_a_detector_that_is_not_there_is_refused_with_the_reason(tmp_path):
    (outcome,) = plot_crossover([crossover()], ["typo"], LOOKS, tmp_path)
    assert outcome.reason.startswith("no other detector than typo")
    (outcome,) = plot_crossover([], ["a", "b"], LOOKS, tmp_path)
    assert outcome.reason.startswith("no two detectors were measured")


def end_to_end(**latencies_s):
    return [
        cell(name.replace("_", "-"), "end-to-end", duration_s, latency_s * duration_s)
        for name, latency_s in latencies_s.items()
        for duration_s in (1.0, 2.0)
    ]


def test_error_rates_stand_against_speed_with_their_intervals(tmp_path, figures):
    path = tmp_path / "eer.csv"
    path.write_text(
        "detector,eer,low,high\nfake-mamba-l,2,1.5,2.5\nxlsr-conformer,4,,\nother,1,,\n"
    )
    rows = pd.DataFrame(end_to_end(fake_mamba_l=0.2, xlsr_conformer=0.4))
    (picture,) = plot_pareto(rows, read_eer(path), "mine", tmp_path)
    assert picture.name == "pareto-xls-r-300m-cpu-fp32-b1-sdpa.png"
    (axes,) = figures[0].axes
    places = {
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if line.get_marker() in "os"
    }
    assert places == {(0.2, 2), (0.4, 4)}
    rings = [line for line in axes.lines if line.get_fillstyle() == "none"]
    assert [line.get_xdata()[0] for line in rings] == [0.2]
    assert [text.get_text() for text in axes.texts] == ["100 MB", "100 MB"]
    assert "real-time factor at 2 s" in axes.get_xlabel() and axes.get_ylabel().endswith("mine")


def test_without_error_rates_or_a_common_duration_nothing_is_drawn(tmp_path):
    rows = pd.DataFrame(end_to_end(fake_mamba_l=0.2))
    (outcome,) = plot_pareto(rows, None, "", tmp_path)
    assert "no error rate is given" in outcome.reason
    eer = published_eer(read_published(), "In-the-Wild")
    (outcome,) = plot_pareto(rows, eer, "", tmp_path)
    assert outcome.reason.startswith("only fake-mamba-l has all three in this setting")
    (outcome,) = plot_pareto(rows.assign(frontend="xls-r-tiny"), eer, "", tmp_path)
    assert "with the front-end that it is of" in outcome.reason


def test_published_error_rates_prefer_verified_ones_and_span_the_others():
    rates = published_eer(read_published(), "ASVspoof 2021 LA").set_index("detector")
    assert rates.loc["xlsr-mamba", ["eer", "verified"]].tolist() == [0.93, True]
    assert np.isnan(rates.loc["xlsr-mamba", "low"])
    conformer = rates.loc["xlsr-conformer"]
    assert not conformer["verified"] and conformer["low"] < conformer["eer"] < conformer["high"]
    with pytest.raises(ResultsError, match=r"on 'Nowhere'; on these there are: .*In-the"):
        published_eer(read_published(), "Nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "is not a CSV"),
        ("name,eer\na,1\n", "has no column detector"),
        ("detector,eer\na,high\n", "eer of a is high"),
        ("detector,eer\na,101\n", "eer of a is 101"),
        ("detector,eer\na,\n", "eer of a is nan"),
        ("detector,eer,low\na,1,-2\n", "low of a is -2"),
        ("detector,eer,low,high\na,1,2,3\n", "eer of a is not between its low and high"),
        ("detector,eer\na,1\na,2\n", "has a twice"),
    ],
)
def test_error_rates_that_cannot_be_are_refused(tmp_path, content, message):
    path = tmp_path / "eer.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResultsError, match=message):
        read_eer(path)


def test_slowdown_is_against_the_fastest_backend_of_the_same_cell(tmp_path, figures):
    rows = [
        cell("fake-mamba-l", "encoder", s, factor * s, backend=backend)
        for s in (1.0, 2.0)
        for backend, factor in (("cpu", 1.0), ("torch", 3.0))
    ]
    rows += [cell("fake-mamba-l", "encoder", 4.0, 9.0, backend="cpu")]  # alone at its duration
    rows += [cell("xlsr-conformer", "encoder", 1.0, 0.5)]
    table = slowdown(pd.DataFrame(rows))
    assert table.set_index(["duration_s", "backend"])["slowdown"].to_dict() == {
        (1.0, "cpu"): 1.0,
        (1.0, "torch"): 3.0,
        (2.0, "cpu"): 1.0,
        (2.0, "torch"): 3.0,
    }
    (path,) = plot_degradation(pd.DataFrame(rows), tmp_path)
    assert path.name == "degradation-xls-r-300m-cpu-fp32-b1-sdpa.png"
    assert [line.get_ydata().tolist() for line in figures[0].axes[0].lines] == [[1, 1], [3, 3]]
    (outcome,) = plot_degradation(pd.DataFrame(rows[-1:]), tmp_path)
    assert isinstance(outcome, NotDrawn)


KERNELS = {
    "environment": {"device": "CPU: Test"},
    "degradation": {
        "detector": "fake-mamba-l",
        "frontend": "xls-r-300m",
        "duration_s": 4.0,
        "precision": "fp32",
        "batch_size": 1,
        "device": "cpu",
        "backends": [
            {"part": "encoder", "backend": "cpu", "slowdown": 1.0},
            {"part": "encoder", "backend": "torch", "slowdown": 3.2},
        ],
    },
    "encoder": [
        {"path": path, "num_frames": frames, "latency_s": latency_s * frames}
        for path, latency_s in (("fakemamba, cpu", 0.001), ("another package", 0.01))
        for frames in (200, 800)
    ],
}


def test_what_the_kernels_command_measured_is_drawn(tmp_path, figures):
    path = tmp_path / "kernels.json"
    path.write_text(json.dumps(KERNELS))
    assert plot_kernels(path, tmp_path).name == "kernels-fake-mamba-l-cpu.png"
    bars, ways = figures[0].axes
    assert sorted(bar.get_width() for bar in bars.patches) == [1.0, 3.2]
    own, other = ways.lines
    assert to_hex(own.get_color()) == BACKEND_LOOKS["cpu"].colour
    assert other.get_ydata().tolist() == [2, 8] and other.get_label() != own.get_label()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"degradation": {}, "encoder": []}'])
def test_other_files_are_no_kernels(tmp_path, content):
    path = tmp_path / "kernels.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResultsError, match=r"kernels\.json.* it is not what `fakemamba kernels"):
        plot_kernels(path, tmp_path)


def test_the_scan_is_drawn_over_frames_with_a_panel_a_pass_and_direction(tmp_path, figures):
    rows = [
        cell("selective-scan", "scan", frames / 50, frames * factor, backend=backend)
        | {"num_frames": frames, "passes": passes, "directions": "one", "channels": 8, "states": 4}
        for passes in ("forward", "forward+backward")
        for backend, factor in (("cpu", 1e-5), ("torch", 1e-4))
        for frames in (50, 200)
    ]
    other = rows[0] | {"detector": "ssd-scan"}
    path, other_path = plot_scan(pd.DataFrame([*rows, other]), tmp_path)
    assert path.name == "scan-cpu-fp32-b1-eager.png"
    assert other_path.name == "ssd-scan-cpu-fp32-b1-eager.png"
    titles = [axes.get_title() for axes in figures[0].axes]
    assert titles == ["forward · one", "forward+backward · one"]
    fused, plain = figures[0].axes[0].lines
    np.testing.assert_allclose(fused.get_ydata(), [5e-4, 2e-3])
    assert fused.get_xdata().tolist() == [50, 200]
    assert (fused.get_marker(), plain.get_marker()) == ("o", "s")


def recordings(launch=0, names=("a.wav", "b.wav", "b.wav"), durations_s=(1.0, 4.0, 4.0)):
    """A sweep over three recordings, two of which share name and length, with two parts."""
    return [
        cell("fake-mamba-l", part, s, s, input="recording", recording=name, launch=launch)
        for part in ("front-end", "encoder")
        for name, s in zip(names, durations_s, strict=True)
    ]


def test_each_recording_counts_once_whatever_was_measured_with_it():
    table = pd.DataFrame(recordings() + recordings(launch=1))
    assert sorted(distinct_recordings(table)["duration_s"]) == [1, 4, 4]


def test_lengths_are_drawn_as_shares_and_as_their_sum(tmp_path, figures):
    table = pd.DataFrame(recordings())
    (path,) = plot_lengths(table, {"corpus": [2.0, 8.0]}, tmp_path)
    assert path.name == "lengths.png"
    histogram, sums = figures[0].axes
    shares = [steps.get_data().values for steps in histogram.patches]
    assert [float(each.sum()) for each in shares] == pytest.approx([1, 1])
    ours = sums.lines[0]
    assert ours.get_xdata().tolist() == [1, 4, 4, 4]
    np.testing.assert_allclose(ours.get_ydata(), [0, 1 / 3, 2 / 3, 1])
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["3 recordings of these results", "corpus"]


def test_results_without_recordings_have_no_lengths(tmp_path):
    (outcome,) = plot_lengths(pd.DataFrame(end_to_end(a=1.0)), {}, tmp_path)
    assert "not of recordings" in outcome.reason
