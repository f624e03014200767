"""Cues of recordings: each against a waveform that was made with a known one."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from fakemamba.data.cues import Cues, measure_cues, read_cues
from fakemamba.data.trials import Trial

RATE_HZ = 16_000


def noise(seed, num_samples=RATE_HZ, rms=0.1):
    return rms * np.random.default_rng(seed).standard_normal(num_samples)


def cues_of(samples):
    return measure_cues(np.asarray(samples, np.float32))


@given(st.integers(0, 8_000), st.integers(0, 8_000), st.floats(1e-6, 5e-4))
@settings(max_examples=25)
def test_silence_is_what_is_40_db_below_the_loudest_frame(before, after, floor):
    speech = noise(1)
    samples = np.concatenate([noise(2, before, floor), speech, noise(3, after, floor)])
    cues = cues_of(samples)
    assert cues.duration_s == len(samples) / RATE_HZ
    assert cues.leading_silence_s == pytest.approx(before / RATE_HZ, abs=0.010_01)
    assert cues.trailing_silence_s == pytest.approx(after / RATE_HZ, abs=0.020_01)
    assert cues.level_dbfs == pytest.approx(-20, abs=0.3)


@given(st.floats(-30, 10))
@settings(max_examples=25)
def test_a_gain_moves_level_and_peak_and_nothing_else(gain_db):
    samples = np.concatenate([np.zeros(800), noise(4), noise(5, 1_600, 1e-4)])
    quiet, loud = cues_of(samples), cues_of(samples * 10 ** (gain_db / 20))
    assert loud.level_dbfs - quiet.level_dbfs == pytest.approx(gain_db, abs=1e-3)
    assert loud.peak_dbfs - quiet.peak_dbfs == pytest.approx(gain_db, abs=1e-3)
    for name in ("leading_silence_s", "trailing_silence_s", "digital_silence_share"):
        assert getattr(loud, name) == getattr(quiet, name)
    assert loud.bandwidth_hz == pytest.approx(quiet.bandwidth_hz, rel=1e-3)


def test_the_peak_is_of_single_samples():
    samples = noise(6, rms=0.01)
    samples[5_000] = -0.5
    assert cues_of(samples).peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=1e-6)


def test_an_offset_is_no_level_and_no_speech():
    samples = np.concatenate([np.zeros(3_200), noise(7)]) + 0.2
    cues = cues_of(samples)
    assert cues.dc_offset == pytest.approx(0.2, abs=2e-3)
    assert cues.level_dbfs == pytest.approx(-20, abs=0.3)
    assert cues.leading_silence_s == pytest.approx(0.2, abs=0.01)
    assert cues_of(-samples).dc_offset == pytest.approx(cues.dc_offset)


@pytest.mark.parametrize("cutoff_hz", [2_000, 4_000, 6_000])
def test_the_bandwidth_is_where_a_low_pass_cuts(cutoff_hz):
    low_pass = butter(10, cutoff_hz, fs=RATE_HZ, output="sos")
    assert cues_of(sosfiltfilt(low_pass, noise(8))).bandwidth_hz == pytest.approx(
        cutoff_hz, rel=0.05
    )


def test_digital_silence_is_the_share_of_frames_without_change():
    samples = noise(9)
    samples[:4_000] = 0.0
    samples[-4_000:] = 0.01  # a constant is silence, too
    assert cues_of(samples).digital_silence_share == 0.5
    assert cues_of(noise(9)).digital_silence_share == 0


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_what_silence_does_not_have_is_not_a_number(value):
    cues = cues_of(np.full(8_000, value))
    unknown = {"level_dbfs", "leading_silence_s", "trailing_silence_s", "bandwidth_hz"}
    unknown |= set() if value else {"peak_dbfs"}
    assert {name for name in Cues.__slots__ if np.isnan(getattr(cues, name))} == unknown
    assert cues.digital_silence_share == 1 and cues.dc_offset == pytest.approx(value)


def test_recordings_come_in_their_order_and_bad_ones_with_the_reason(tmp_path):
    paths = [tmp_path / f"{place}.wav" for place in range(9)]
    for place, path in enumerate(paths):
        soundfile.write(path, noise(place, 1_600 + 160 * place), RATE_HZ)
    paths[3].write_bytes(b"")
    trials = [Trial(path.stem, path) for path in paths] + [Trial("nowhere")]
    results = list(read_cues(trials, workers=3))
    assert [trial for trial, _ in results] == trials
    found = [heard if isinstance(heard, str) else heard.cues.duration_s for _, heard in results]
    assert found[:3] == [0.1, 0.11, 0.12]
    assert "the file is empty" in found[3] and found[9].startswith("nowhere: no audio file")


def test_a_list_of_any_length_is_read_only_a_little_ahead(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(0, 1_600), RATE_HZ)
    taken = []
    endless = (taken.append(n) or Trial(str(n), tmp_path / "a.wav") for n in iter(int, 1))
    results = read_cues(endless, workers=2)
    for _ in range(50):
        next(results)
    results.close()
    assert len(taken) <= 50 + 2 * 4


def test_measuring_needs_no_torch():
    code = "import sys, fakemamba.evaluation.audit; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
