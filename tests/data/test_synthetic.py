"""Speech-like input: never zeros, the level of speech, the same from the same seed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.synthetic import RMS_LEVEL, speech_like


@settings(max_examples=20)
@given(st.integers(1, 40_000), st.integers(0, 100))
def test_it_is_finite_bounded_and_never_silent(num_samples, seed):
    waveform = speech_like(num_samples, seed)
    assert waveform.shape == (num_samples,) and waveform.dtype == np.float32
    assert np.isfinite(waveform).all() and np.abs(waveform).max() <= 1
    assert waveform.all()


def test_the_level_and_spectrum_are_like_speech():
    waveform = speech_like(160_000, 0)
    assert 0.5 * RMS_LEVEL < waveform.std() < 1.5 * RMS_LEVEL
    power = np.abs(np.fft.rfft(waveform)) ** 2
    hz = np.fft.rfftfreq(len(waveform), 1 / 16_000)
    assert power[(hz > 80) & (hz < 4_000)].sum() > 0.8 * power.sum()


def test_a_seed_decides_everything():
    np.testing.assert_array_equal(speech_like(2_000, 1), speech_like(2_000, 1))
    assert not np.array_equal(speech_like(2_000, 1), speech_like(2_000, 2))
