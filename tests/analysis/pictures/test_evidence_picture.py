"""Evidence over the waveform: each share at its place, in its colour, none lost to smoothing."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, SPOOF_COLOUR
from fakemamba.analysis.pictures.evidence import COLUMNS, envelope, plot_evidence, running_mean

RATE_HZ, FIRST_S, HOP_S = 16_000, 0.0125, 0.02


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """The figures that were closed, still to be looked at; their files are small."""
    kept, close = [], plt.close
    monkeypatch.setattr(plt, "close", kept.append)
    monkeypatch.setattr("fakemamba.analysis.pictures.figures.DPI", 20)
    yield kept
    close("all")


def draw(tmp_path, waveform, evidence, headline="a.wav: score 1"):
    places = {"rate_hz": RATE_HZ, "first_s": FIRST_S, "hop_s": HOP_S}
    return plot_evidence(
        waveform, evidence, **places, headline=headline, path=tmp_path / "new" / "a.png"
    )


def test_each_share_is_drawn_at_its_time_and_in_its_colour(tmp_path, figures):
    evidence = np.where(np.arange(50) < 25, -0.02, 0.04)
    headline = "[b]$x$.wav: score 1.5"
    path = draw(tmp_path, np.sin(np.arange(16_240)), evidence, headline)
    assert path == tmp_path / "new" / "a.png" and path.is_file()
    sound, shares = figures[0].axes
    towards_real, towards_spoof, line = (patch.get_data() for patch in shares.patches)
    np.testing.assert_allclose(towards_real.values[28:], 0.04 / HOP_S)
    np.testing.assert_allclose(towards_spoof.values[:22], -0.02 / HOP_S)
    np.testing.assert_allclose(towards_real.values + towards_spoof.values, line.values)
    assert (towards_real.values >= 0).all() and (towards_spoof.values <= 0).all()
    np.testing.assert_allclose((line.edges[:-1] + line.edges[1:]) / 2, FIRST_S + HOP_S * np.r_[:50])
    colours = [to_hex(patch.get_facecolor()) for patch in shares.patches[:2]]
    assert colours == [BONA_FIDE_COLOUR, SPOOF_COLOUR]
    assert sound.get_xlim() == pytest.approx((0, 16_240 / RATE_HZ))
    for axes in (sound, shares):
        assert sum(axes.get_ylim()) == 0
    told = " ".join(text.get_text() for text in figures[0].texts)
    assert headline in told and "mean over 0.1 s" in told and "add up to +0.5," in told
    assert "logit units a second" in shares.get_ylabel()


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_silence_and_few_frames_can_be_drawn(tmp_path, figures, frames):
    draw(tmp_path, np.zeros(400 + 320 * (frames - 1)), np.zeros(frames))
    _, shares = figures[0].axes
    assert len(shares.patches[0].get_data().values) == frames
    assert np.isfinite(shares.get_ylim()).all()


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(ValueError, match="score 1: there are no frames"):
        draw(tmp_path, np.zeros(400), np.zeros(0))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=600))
def test_the_mean_keeps_the_sum(values):
    mean, mean_s = running_mean(np.array(values), HOP_S)
    assert mean.sum() == pytest.approx(sum(values), abs=1e-9)
    assert 0 < mean_s <= 0.1 + 1e-12 or len(values) > 20


@pytest.mark.parametrize(("frames", "mean_s"), [(400, 0.1), (6_000, 0.58)])
def test_a_single_frame_stays_where_it_is_and_long_recordings_are_smoothed_more(frames, mean_s):
    evidence = np.zeros(frames, np.float32)
    evidence[100] = 1.0
    mean, found_s = running_mean(evidence, HOP_S)
    assert found_s == pytest.approx(mean_s)
    (places,) = np.nonzero(mean > 1e-12)
    assert places.mean() == 100 and len(places) == round(mean_s / HOP_S)


@given(st.integers(1, 20_000), st.integers(0, 2**32 - 1))
def test_no_peak_is_missing_from_the_envelope(count, seed):
    waveform = np.random.default_rng(seed).normal(size=count).astype(np.float32)
    starts, low, high = envelope(waveform)
    assert len(starts) == min(count, COLUMNS) and starts[0] == 0
    owner = np.searchsorted(starts, np.arange(count), side="right") - 1
    assert (waveform >= low[owner]).all() and (waveform <= high[owner]).all()
    assert low.min() == waveform.min() and high.max() == waveform.max()


def test_the_picture_and_the_judgement_need_no_torch():
    modules = "fakemamba.analysis.pictures.evidence, fakemamba.evaluation.judgement"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
