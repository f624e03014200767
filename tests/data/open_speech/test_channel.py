"""The open corpus' channel: what it hands on, and that nothing else tells two recordings apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, lfilter, welch

from fakemamba.data.cues import measure_cues
from fakemamba.data.open_speech.channel import (
    ACTIVE_DB,
    CREST_DB,
    FRAME,
    SILENCE_S,
    Conditions,
    active_rms,
    cut_to_speech,
    draw_conditions,
    frame_power,
    g722,
    limited_in_crest,
    transmit,
    with_spectrum_of,
)
from fakemamba.data.recordings import real_speech

CONDITIONS = Conditions(level_dbfs=-24.0, lead=3_000, trail=5_001, floor_dbfs=-68.0)


def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def speech():
    return cut_to_speech(real_speech(48_000, 0))


@pytest.mark.parametrize("samples", [1_601, 16_000])
def test_g722_keeps_time_and_length(samples):
    speech = real_speech(samples, 1)
    coded = g722(speech)
    assert coded.shape == speech.shape and coded.dtype == np.float32
    lags = range(60)
    best = max(lags, key=lambda lag: float(np.dot(coded[lag:], speech[: samples - lag])))
    noise = coded[best:] - speech[: samples - best]
    assert best < 30 and np.mean(noise**2) < 0.02 * np.mean(speech**2)


def test_a_recording_is_silence_speech_silence_at_the_level_asked_for(speech):
    sent = transmit(speech, CONDITIONS, rng())
    assert len(sent) == 3_000 + len(speech) + 5_001
    assert 20 * np.log10(active_rms(sent)) == pytest.approx(-24.0, abs=0.5)
    cues = measure_cues(sent)
    assert cues.leading_silence_s == pytest.approx(3_000 / 16_000, abs=0.03)
    assert cues.trailing_silence_s == pytest.approx(5_001 / 16_000, abs=0.03)
    assert cues.digital_silence_share == 0
    for silence in (sent[:2_900], sent[-4_900:]):
        assert 20 * np.log10(np.sqrt(np.mean(silence**2))) == pytest.approx(-68.0, abs=3.0)


def test_what_a_synthesizer_leaves_is_gone(speech):
    """A spoof that is louder, narrower, cleaner and set in digital silence has the same cues."""
    narrow = lfilter(*butter(2, 3_000, fs=16_000), speech).astype(np.float32)
    synthetic = np.pad(np.where(np.abs(narrow) < 1e-3, 0, 4 * narrow), (8_000, 200))
    plain = measure_cues(transmit(speech, CONDITIONS, rng()))
    raw = measure_cues(np.clip(synthetic, -1, 1).astype(np.float32))
    assert raw.leading_silence_s > 0.4 and raw.bandwidth_hz < plain.bandwidth_hz - 500
    made = g722(with_spectrum_of(synthetic.astype(np.float32), speech))
    sent = measure_cues(transmit(cut_to_speech(made), CONDITIONS, rng()))
    assert sent.duration_s == pytest.approx(plain.duration_s, abs=0.05)
    assert sent.level_dbfs == pytest.approx(plain.level_dbfs, abs=0.5)
    assert sent.peak_dbfs == pytest.approx(plain.peak_dbfs, abs=1.5)
    assert sent.leading_silence_s == pytest.approx(plain.leading_silence_s, abs=0.03)
    assert sent.trailing_silence_s == pytest.approx(plain.trailing_silence_s, abs=0.03)
    assert sent.bandwidth_hz == pytest.approx(plain.bandwidth_hz, abs=150)
    assert sent.digital_silence_share == 0


def test_the_spectrum_becomes_the_others(speech):
    other = real_speech(48_000, 2)
    matched = with_spectrum_of(speech, other)
    assert matched.shape == speech.shape

    def bands_db(waveform):
        power = welch(waveform, 16_000, nperseg=512)[1]
        return 10 * np.log10(power[4:220].reshape(-1, 12).mean(axis=1))

    before = np.abs(bands_db(speech) - bands_db(other)).mean()
    after = np.abs(bands_db(matched) - bands_db(other)).mean()
    assert after < 1.0 and before > 4 * after


@settings(max_examples=15)
@given(seed=st.integers(0, 999), gain=st.floats(0.01, 10), row=st.integers(0, 3))
def test_no_peak_is_over_the_crest(seed, gain, row):
    noise = np.random.default_rng(seed).laplace(size=8_000) ** 3
    speech = gain * (real_speech(8_000, row) + 0.01 * noise)
    limited = limited_in_crest(speech)
    ceiling = active_rms(speech) * 10 ** (CREST_DB / 20)
    assert np.abs(limited).max() <= ceiling * (1 + 1e-9)
    quiet = np.abs(speech) < 1e-3 * ceiling
    assert np.all(np.abs(limited[quiet]) <= np.abs(speech[quiet]) * (1 + 1e-9))


@pytest.mark.parametrize("row", range(4))
def test_all_speech_has_the_same_crest(row):
    limited = limited_in_crest(real_speech(32_000, row))
    crest_db = 20 * np.log10(np.abs(limited).max() / active_rms(limited))
    assert crest_db == pytest.approx(CREST_DB, abs=0.3)


@given(before=st.integers(0, 9_000), after=st.integers(0, 9_000))
@settings(max_examples=20)
def test_silence_at_the_ends_is_cut_wherever_it_is(before, after):
    speech = real_speech(20_000, 0)
    cut = cut_to_speech(np.pad(speech, (before, after)))
    power = frame_power(cut)
    assert abs(len(cut) - len(cut_to_speech(speech))) <= 2 * FRAME
    least = power.max() * 10 ** (-(ACTIVE_DB + 3) / 10)
    assert power[0] > least and power[-1] > least


def test_silence_is_no_speech():
    with pytest.raises(ValueError, match="silence"):
        cut_to_speech(np.zeros(16_000, np.float32))


def test_conditions_are_in_their_ranges_and_repeat():
    drawn = [draw_conditions(np.random.default_rng(seed)) for seed in range(200)]
    silences_s = np.array([[one.lead, one.trail] for one in drawn]) / 16_000
    assert silences_s.min() >= SILENCE_S[0] - 1e-4 and silences_s.max() <= SILENCE_S[1]
    assert np.std([one.level_dbfs for one in drawn]) == pytest.approx(2.0, abs=0.4)
    assert draw_conditions(np.random.default_rng(7)) == drawn[7]
