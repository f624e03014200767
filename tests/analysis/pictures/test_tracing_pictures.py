"""Pictures of tracing: shares of a system's own trials, and each layer with its interval."""

import numpy as np
import pytest

from fakemamba.analysis.pictures.tracing import MOST_SYSTEMS, plot_layers, plot_systems

pytestmark = pytest.mark.usefixtures("figures", "small_files")


def test_rows_are_shares_of_a_systems_trials(tmp_path, figures):
    path = plot_systems([[3, 1], [0, 0]], ("A$1", "A2"), "linear", tmp_path / "confusion.png")
    assert path == tmp_path / "confusion.png" and path.is_file()
    (axes,) = figures[0].axes
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["75", "25"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A$1", "A2"]


def test_of_many_systems_those_with_errors_are_drawn(tmp_path, figures):
    count = MOST_SYSTEMS + 5
    confusion = np.diag(np.full(count, 9))
    confusion[-1, -2] = 3
    names = [f"A{one}" for one in range(count)]
    plot_systems(confusion.tolist(), names, "linear", tmp_path / "x.png")
    (axes,) = figures[0].axes
    drawn = [text.get_text() for text in axes.get_yticklabels()]
    assert drawn[-2:] == names[-2:] and len(drawn) == MOST_SYSTEMS
    notes = " ".join(text.get_text() for text in figures[0].texts)
    assert "5 systems with fewer errors are not drawn" in notes


def test_the_detectors_own_embedding_is_a_line_over_the_layers(tmp_path, figures):
    points = [(0, 0.5, 0.4, 0.6), (1, 0.75, 0.7, 0.8), (None, 0.9, 0.85, 1.0)]
    plot_layers(points, "linear", tmp_path / "layers.png")
    (axes,) = figures[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines["the detector's own embedding"].get_ydata()) == {0.9}
    (bars,) = axes.containers
    assert bars.lines[0].get_ydata().tolist() == [0.5, 0.75]
