"""Partly spoofed speech: where the foreign stretches are, and that their labels say so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.open_speech.channel import Conditions, frame_power, transmit
from fakemamba.data.open_speech.splicing import FADE, SHORTEST, segments, splice
from fakemamba.data.recordings import real_speech


@settings(max_examples=30)
@given(
    samples=st.integers(SHORTEST, 160_000),
    share=st.floats(0.3, 1.2),
    seed=st.integers(0, 10_000),
    is_shifted=st.booleans(),
)
def test_the_host_is_left_outside_the_stretches_and_gone_inside(samples, share, seed, is_shifted):
    host = real_speech(samples, 0)
    donor = real_speech(int(samples * share), 2)
    made, spans = splice(host, donor, np.random.default_rng(seed), is_shifted=is_shifted)
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
    donor = 0.05 * real_speech(48_000, 2)
    made, spans = splice(host, donor, np.random.default_rng(4), is_shifted=False)
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
        _, spans = splice(
            host, real_speech(64_000, 1), np.random.default_rng(seed), is_shifted=False
        )
        assert all(quiet[edge] for span in spans for edge in span)


def test_a_shifted_stretch_begins_and_ends_where_the_donor_is_quiet():
    rng = np.random.default_rng(0)
    host = 0.1 * rng.standard_normal(64_000).astype(np.float32)
    donor = 0.1 * rng.standard_normal(64_000).astype(np.float32)
    quiet = (np.arange(64_000) // 160) % 20 < 10  # a half of each 0.2 s
    donor[quiet] *= 0.001
    loud = {}
    for is_shifted in (True, False):
        levels = []
        for seed in range(12):
            made, spans = splice(host, donor, np.random.default_rng(seed), is_shifted=is_shifted)
            for start, stop in spans:
                inside = made[start:stop][FADE:-FADE]
                levels += [np.abs(end).max() for end in (inside[:FADE], inside[-FADE:])]
        loud[is_shifted] = np.mean(np.array(levels) > 0.05)
    assert loud[True] < 0.2 < loud[False]


def test_the_noise_floor_of_a_stretch_is_that_of_the_recording():
    """Neither host nor donor has noise in its pauses: all there is comes after the splicing."""
    rng = np.random.default_rng(1)
    gate = (np.arange(64_000) // 1_600) % 2 == 0  # 0.1 s of speech, 0.1 s of digital silence
    host, donor = (gate * real_speech(64_000, one) for one in (0, 2))
    made, spans = splice(host, donor + 1e-4 * gate, rng, is_shifted=False)
    sent = transmit(made, Conditions(-26.0, 3_200, 3_200, -72.0), rng)[3_200:-3_200]
    pause = (
        np.roll(~gate, 0) & (np.arange(64_000) % 1_600 >= 400) & (np.arange(64_000) % 1_600 < 1_200)
    )
    foreign = np.zeros(64_000, bool)
    for start, stop in spans:
        foreign[start + FADE : stop - FADE] = True
    levels_db = [
        10 * np.log10(np.mean(sent[which & pause & (made == 0)] ** 2))
        for which in (foreign, ~foreign)
    ]
    assert levels_db[0] == pytest.approx(levels_db[1], abs=1.0)
    assert -80 < levels_db[0] < -65


def test_labels_cover_the_recording_and_follow_its_silence():
    labelled = segments([(1_600, 4_800), (8_000, 9_600)], lead=3_200, samples=20_000)
    starts, lengths, foreign = zip(*labelled, strict=True)
    assert starts == (0.0, 0.3, 0.5, 0.7, 0.8)
    assert lengths == pytest.approx((0.3, 0.2, 0.2, 0.1, 0.45))
    assert foreign == (False, True, False, True, False)
    assert sum(lengths) == pytest.approx(20_000 / 16_000)
    assert segments([], 100, 16_000) == [(0.0, 1.0, False)]
