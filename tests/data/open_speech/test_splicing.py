"""Partly spoofed speech: where the foreign stretches are, and that their labels say so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.open_speech.channel import frame_power
from fakemamba.data.open_speech.splicing import FADE, SHORTEST, segments, splice
from fakemamba.data.recordings import real_speech


@settings(max_examples=30)
@given(
    samples=st.integers(SHORTEST, 160_000),
    share=st.floats(0.3, 1.2),
    seed=st.integers(0, 10_000),
)
def test_the_host_is_left_outside_the_stretches_and_gone_inside(samples, share, seed):
    host = real_speech(samples, 0)
    donor = real_speech(int(samples * share), 2)
    made, spans = splice(host, donor, np.random.default_rng(seed))
    assert made.shape == host.shape and made.dtype == host.dtype and 1 <= len(spans) <= 2
    foreign = np.zeros(samples, bool)
    reach = FADE // 2
    near = np.zeros(samples, bool)
    for start, stop in spans:
        assert reach <= start < stop <= samples - reach
        foreign[start + reach : stop - reach] = True
        near[start - reach : stop + reach] = True
    assert 0.07 < foreign.mean() < 0.65
    assert np.array_equal(made[~near], host[~near])
    assert np.mean(made[foreign] == host[foreign]) < 0.1


def test_a_stretch_has_the_level_of_what_it_replaces_and_no_click():
    host = real_speech(48_000, 0)
    made, spans = splice(host, 0.05 * real_speech(48_000, 2), np.random.default_rng(4))
    for start, stop in spans:
        before, after = frame_power(host[start:stop]), frame_power(made[start:stop])
        assert np.sqrt(after.mean()) == pytest.approx(np.sqrt(before.mean()), rel=0.4)
        for seam in (start, stop):
            steps = np.abs(np.diff(made[seam - FADE : seam + FADE]))
            assert steps.max() < 0.5 * np.abs(np.diff(host)).max()


def test_seams_are_at_quiet_places():
    rng = np.random.default_rng(0)
    host = 0.1 * rng.standard_normal(64_000).astype(np.float32)
    quiet = (np.arange(64_000) // 160) % 10 == 0  # a quiet frame each 0.1 s
    host[quiet] *= 0.01
    for seed in range(10):
        _, spans = splice(host, real_speech(64_000, 1), np.random.default_rng(seed))
        assert all(quiet[edge] for span in spans for edge in span)


def test_labels_cover_the_recording_and_follow_its_silence():
    labelled = segments([(1_600, 4_800), (8_000, 9_600)], lead=3_200, samples=20_000)
    starts, lengths, foreign = zip(*labelled, strict=True)
    assert starts == (0.0, 0.3, 0.5, 0.7, 0.8)
    assert lengths == pytest.approx((0.3, 0.2, 0.2, 0.1, 0.45))
    assert foreign == (False, True, False, True, False)
    assert sum(lengths) == pytest.approx(20_000 / 16_000)
    assert segments([], 100, 16_000) == [(0.0, 1.0, False)]
