"""Rooflines: points and ceilings are where the table says, and doubtful counts stay away."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.palette import colour
from fakemamba.analysis.pictures.figures import NotDrawn
from fakemamba.analysis.pictures.roofline import plot_roofline

PARTS = {"front-end": 40e9, "encoder": 4e9, "end-to-end": 44e9}


def cell(detector, part, duration_s, **changes):
    """One row of the tidy table: 10 flops a byte, half of the matrix product's speed."""
    flops = PARTS[part] * duration_s
    return {
        "detector": detector,
        "part": part,
        "duration_s": duration_s,
        "status": "measured",
        "frontend": "xls-r-tiny",
        "backend": "none",
        "batch_size": 1,
        "precision": "fp32",
        "execution": "eager",
        "attention": "sdpa",
        "clock": "latency",
        "device": "cuda:0",
        "device_name": "Test GPU",
        "flops": flops,
        "bytes_moved": flops / 10,
        "flop_coverage": 0.95,
        "latency_s": flops / 50e12,
        "copy_bytes_per_s": 4e12,
        "matmul_flops_per_s": 100e12,
    } | changes


@pytest.fixture
def rows():
    return [
        cell(detector, part, duration_s)
        for detector in ("fake-mamba-l", "xlsr-conformer")
        for part in PARTS
        for duration_s in (1.0, 4.0)
    ]


def draw(rows, tmp_path):
    return list(plot_roofline(pd.DataFrame(rows), tmp_path))


def dots_of(axes):
    return np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])


def test_points_and_ceilings_are_where_they_were_measured(rows, tmp_path, figures):
    (path,) = draw(rows, tmp_path)
    assert path.name == "roofline-xls-r-tiny-cuda0-fp32-b1-sdpa.png"
    assert path.stat().st_size > 10_000
    assert [axes.get_title() for axes in figures[0].axes] == list(PARTS)
    for axes in figures[0].axes:
        np.testing.assert_allclose(dots_of(axes), [[10, 50e12]] * 4)
        memory, products = axes.lines[-2:]
        np.testing.assert_allclose(memory.get_ydata() / memory.get_xdata(), 4e12)
        np.testing.assert_allclose(products.get_ydata(), 100e12)
        assert memory.get_xdata()[1] == products.get_xdata()[0] == 25
        labels = [text.get_text().strip() for text in axes.texts]
        assert labels == ["copy 4 TB/s", "matrix product 100 Tflop/s"]
        left, right = axes.get_xlim()
        bottom, top = axes.get_ylim()
        assert left < 10 and right > 25 and bottom < 50e12 and top > 100e12
    legend = {text.get_text() for text in figures[0].legends[0].get_texts()}
    assert legend == {"fake-mamba-l", "xlsr-conformer", "1 s", "4 s"}
    assert "not drawn" not in figures[0].texts[-1].get_text()


def test_colours_are_the_detectors_and_sizes_grow_with_duration(rows, tmp_path, figures):
    draw(rows, tmp_path)
    first, second = figures[0].axes[0].collections
    assert plt.matplotlib.colors.to_hex(first.get_facecolor()[0]) == colour("fake-mamba-l")
    assert plt.matplotlib.colors.to_hex(second.get_facecolor()[0]) == colour("xlsr-conformer")
    assert first.get_sizes()[0] < first.get_sizes()[1]


def test_doubtful_and_unknown_counts_are_hidden_and_said(rows, tmp_path, figures):
    rows[0] |= {"flop_coverage": 0.89}
    rows[1] |= {"flops": None, "flop_coverage": None}
    draw(rows, tmp_path)
    assert sum(len(dots_of(axes)) for axes in figures[0].axes) == len(rows) - 2
    assert figures[0].texts[-1].get_text().startswith("2 of 12 cells not drawn")


def test_every_setting_has_a_figure_of_its_own(rows, tmp_path):
    rows += [row | {"precision": "bf16", "batch_size": 8} for row in rows]
    rows += [cell("xlsr-conformer", "encoder", 64.0, status="out-of-memory", precision="fp16")]
    names = [path.name for path in draw(rows, tmp_path)]
    assert sorted(names) == [
        "roofline-xls-r-tiny-cuda0-bf16-b8-sdpa.png",
        "roofline-xls-r-tiny-cuda0-fp32-b1-sdpa.png",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("unknown", ["copy_bytes_per_s", "matmul_flops_per_s"])
def test_a_ceiling_that_was_not_measured_is_not_drawn(rows, tmp_path, figures, unknown):
    draw([row | {unknown: None} for row in rows], tmp_path)
    (label,) = figures[0].axes[0].texts
    assert ("copy" in label.get_text()) == (unknown != "copy_bytes_per_s")


def test_without_any_trusted_count_the_reason_is_told(rows, tmp_path):
    (outcome,) = draw([row | {"flop_coverage": 0.5} for row in rows], tmp_path)
    assert isinstance(outcome, NotDrawn)
    assert str(outcome).startswith("not drawn: roofline: no cell of a detector has a time and a")
    assert not list(tmp_path.iterdir())
