"""Pictures of evaluations: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from scipy.special import ndtri

from fakemamba.analysis.palette import colour, marker
from fakemamba.analysis.pictures.calibration import ScoreSet, plot_calibration, reliability
from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, SPOOF_COLOUR
from fakemamba.analysis.pictures.det import plot_det, thinned
from fakemamba.analysis.pictures.duration_errors import plot_confusion, plot_duration_eer
from fakemamba.analysis.pictures.embeddings import plot_embeddings
from fakemamba.evaluation.metrics.detection import equal_error, error_rates

BUCKETS = ("< 3", "3-4", "> 6")


pytestmark = pytest.mark.usefixtures("figures", "small_files")


def gaussian(distance, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(distance, 1, count), rng.normal(0, 1, 2 * count)


def curve(bonafide, spoof):
    rates = error_rates(bonafide, spoof)
    return rates.miss, rates.false_accept


def texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_a_det_curve_of_each_system_has_its_equal_error_marked(tmp_path, figures):
    scores = {"fake-mamba-l": gaussian(3, 900), "xlsr-conformer": gaussian(2, 900, 1)}
    path = plot_det({name: curve(*both) for name, both in scores.items()}, tmp_path / "det.png")
    assert path == tmp_path / "det.png" and path.is_file()
    (axes,) = figures[0].axes
    for name, both in scores.items():
        (point,) = (line for line in axes.lines if line.get_marker() == marker(name))
        rates = float(point.get_xdata()[0]), float(point.get_ydata()[0])
        assert sum(rates) / 2 == equal_error(*both).eer
        assert to_hex(point.get_color()) == colour(name)
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels[0] == f"fake-mamba-l, EER {100 * equal_error(*scores['fake-mamba-l']).eer:.3g} %"
    assert axes.get_xlim() == axes.get_ylim() and axes.get_xlim()[0] > 0


def test_gaussian_scores_are_a_straight_line_on_the_axes_of_the_det(tmp_path, figures):
    plot_det({"a": curve(*gaussian(2, 40_000))}, tmp_path / "det.png")
    (axes,) = figures[0].axes
    (line,) = (line for line in axes.lines if len(line.get_xdata()) > 100)
    x, y = (np.asarray(values) for values in (line.get_xdata(), line.get_ydata()))
    inside = (x > 0.01) & (x < 0.5) & (y > 0.01) & (y < 0.5)
    places = axes.transScale.transform(np.column_stack([x[inside], y[inside]]))
    slope, height = np.polyfit(*places.T, 1)
    assert slope == pytest.approx(-1, abs=0.03) and height == pytest.approx(-2, abs=0.03)


@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
@settings(max_examples=20)
def test_a_thinned_curve_is_the_curve(seed, count):
    miss, false_accept = curve(*gaussian(1.5, count, seed))
    x, y = thinned(false_accept, miss)
    assert (x[0], y[0], x[-1], y[-1]) == (1, 0, 0, 1)
    assert set(zip(x, y, strict=True)) <= set(zip(false_accept, miss, strict=True))
    kept = np.isin(false_accept + 1j * miss, x + 1j * y)
    before = np.maximum.accumulate(np.where(kept, np.arange(len(kept)), 0))
    inside = (miss > 0) & (miss < 1) & (false_accept > 0) & (false_accept < 1)
    for rates in (miss, false_accept):  # what was left out is within a step of what was kept
        moved = ndtri(rates[inside]) - ndtri(rates[before][inside])
        assert np.all(np.abs(moved[np.isfinite(moved)]) < 5e-3)


def test_half_a_million_scores_are_some_thousand_corners():
    x, y = thinned(*curve(*gaussian(2, 200_000))[::-1])
    assert len(x) == len(y) < 10_000


def test_a_system_without_an_error_is_told_and_no_curve_is_refused(tmp_path, figures):
    plot_det({"perfect": curve(np.ones(9), np.zeros(9))}, tmp_path / "det.png")
    assert "without an error: perfect" in texts(figures[0])
    with pytest.raises(ValueError, match="no curve"):
        plot_det({}, tmp_path / "det.png")


def rates_of(system, eers):
    counts = {"bonafide": 1_000, "spoof": 20_000}
    return [
        {"system": system, "bucket": bucket, "eer": eer, "low": eer - 0.01, "high": eer + 0.02}
        | counts
        for bucket, eer in zip(BUCKETS, eers, strict=True)
    ]


def test_error_rates_stand_over_their_durations_with_intervals(tmp_path, figures):
    rows = rates_of("fake-mamba-l", (0.08, 0.05, 0.02)) + rates_of(
        "xlsr-mamba", (0.1, np.nan, 0.03)
    )
    plot_duration_eer(pd.DataFrame(rows), tmp_path / "eer.png")
    (axes,) = figures[0].axes
    drawn = {
        name: next(
            line
            for line in axes.lines
            if line.get_marker() == marker(name) and to_hex(line.get_color()) == colour(name)
        )
        for name in ("fake-mamba-l", "xlsr-mamba")
    }
    assert drawn["fake-mamba-l"].get_ydata().tolist() == [0.08, 0.05, 0.02]
    assert drawn["xlsr-mamba"].get_ydata().tolist() == [0.1, 0.03]
    assert np.round(drawn["xlsr-mamba"].get_xdata()).tolist() == [0, 2]
    bars = np.concatenate([bar.get_segments() for bar in axes.collections])[..., 1]
    np.testing.assert_allclose(
        bars, [[0.07, 0.1], [0.04, 0.07], [0.01, 0.04], [0.09, 0.12], [0.02, 0.05]]
    )
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks[0] == "< 3 s\n1,000 + 20,000"
    assert "Without a rate, as one class has no trials: 3-4 s." in texts(figures[0])


def confusion(attacks):
    rows = [("< 3", "bonafide", "bonafide", 90, 10), ("> 6", "bonafide", "bonafide", 50, 0)]
    rows += [("< 3", attack, "spoof", place, 100 - place) for place, attack in enumerate(attacks)]
    return pd.DataFrame(rows, columns=["bucket", "attack", "label", "accepted", "rejected"])


def test_the_confusion_has_rejected_bona_fide_and_accepted_attacks(tmp_path, figures):
    plot_confusion(confusion(["A07", "A08"]), "fake-mamba-l", -1.5, tmp_path / "confusion.png")
    (axes,) = figures[0].axes
    np.testing.assert_allclose(
        axes.images[0].get_array().filled(np.nan), [[0.1, 0], [0, np.nan], [0.01, np.nan]]
    )
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["bona fide rejected", "A07", "A08"]
    assert [text.get_text() for text in axes.texts][:4] == [
        "10.0 % of 100",
        "0.0 % of 50",
        "0.0 % of 100",
        "–",
    ]
    assert "accepted from a score of -1.5 on" in texts(figures[0])


def test_of_many_attacks_the_worst_are_drawn(tmp_path, figures):
    attacks = [f"A{place:02d}" for place in range(60)]
    plot_confusion(confusion(attacks), "a", 0.0, tmp_path / "confusion.png")
    rows = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert rows == ["bona fide rejected", *attacks[20:]]
    assert "20 attacks with fewer errors" in texts(figures[0])


def test_log_likelihood_ratios_are_reliable_and_stretched_ones_are_not():
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(1, 2**0.5, 40_000), rng.normal(-1, 2**0.5, 200_000)
    promise, share, counts = reliability(bonafide, spoof)
    assert counts.sum() == 240_000 and len(counts) == 10
    np.testing.assert_allclose(promise, share, atol=0.02)
    promise, share, _ = reliability(4 * bonafide, 4 * spoof)
    assert promise[0] < 0.03 and share[0] > 0.1 and share[-1] < 0.9


def test_states_are_drawn_with_their_thresholds(tmp_path, figures):
    bonafide, spoof = gaussian(2, 500)
    states = [
        ScoreSet("as scored", 3 * bonafide, 3 * spoof, 0.9, {"EER": 3.0, "Bayes": -0.64}),
        ScoreSet("calibrated", bonafide, spoof, 0.5, {"EER": 1.0}),
    ]
    plot_calibration(states, "fake-mamba-l", tmp_path / "calibration.png")
    scores, _, after, _ = figures[0].axes
    assert scores.get_title() == "as scored: Cllr 0.9 bits"
    assert [line.get_xdata()[0] for line in scores.lines] == [3.0, -0.64]
    assert after.lines[0].get_linestyle() == scores.lines[0].get_linestyle()
    shares = scores.patches[0].get_data().values
    assert shares.sum() == pytest.approx(1, abs=0.01)
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["bona fide", "spoof", "EER", "Bayes"]
    with pytest.raises(ValueError, match="no scores"):
        plot_calibration([], "a", tmp_path / "calibration.png")


def test_a_map_has_a_colour_a_class_and_a_marker_an_attack(tmp_path, figures):
    attacks = [None] * 30 + [f"A{place % 12:02d}" for place in range(40)]
    points = pd.DataFrame({"x": np.arange(70.0), "y": 0.0, "attack": attacks})
    points["label"] = np.where(points["attack"].isna(), "bonafide", "spoof")
    plot_embeddings(points, "fake-mamba-l, t-SNE", ["silhouette 0.4"], tmp_path / "map.png")
    lines = figures[0].axes[0].lines
    colours = [to_hex(line.get_color()) for line in lines]
    assert colours[0] == BONA_FIDE_COLOUR and set(colours[1:]) == {SPOOF_COLOUR}
    assert lines[0].get_xdata().tolist() == list(range(30))
    assert len({line.get_marker() for line in lines}) == len(lines) == 12
    assert sum(len(line.get_xdata()) for line in lines) == 70
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels[0] == "bona fide (30)" and labels[-1] == "2 other attacks (6)"
    assert "silhouette 0.4" in texts(figures[0])
