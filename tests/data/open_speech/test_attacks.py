"""Attacks: that each gives speech, of the original's duration, and another waveform than it."""

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import ShortTimeFFT

from fakemamba.data.open_speech.attacks import ATTACKS, lpc, piper
from fakemamba.data.open_speech.attacks.attack import ForgeryError, Original, at_duration
from fakemamba.data.open_speech.attacks.griffin_lim import MEL_BANDS, mel_bands
from fakemamba.data.open_speech.attacks.programs import spoken
from fakemamba.data.open_speech.attacks.tempo import at_tempo
from fakemamba.data.open_speech.channel import active_rms, cut_to_speech, frame_power
from fakemamba.data.open_speech.packages import MissingPackagesError, installed_versions
from fakemamba.data.recordings import real_speech

TEXTS = {
    "en": "Please enter your password, followed by the pound key.",
    "fr": "Composez votre numéro d'agent, suivi du dièse.",
    "it": "Perché la conferenza è piena, riprovare più tardi.",
    "ru": "Введите номер оператора и нажмите решётку.",
}
VOICES = [
    pytest.param(*(name, language, index), marks=pytest.mark.at_length if name == "piper" else ())
    for name, attack in ATTACKS.items()
    for language, voices in (attack.voices or {}).items()
    for index in range(len(voices) if name != "espeak-ng" else 1)
]
COPIES = [name for name, attack in ATTACKS.items() if attack.voices is None]


def rng():
    return np.random.default_rng(0)


def loudness(waveform):
    """Level of frames of 50 ms, in dB, floored 40 dB below the loudest."""
    power = frame_power(waveform)
    power = power[: len(power) // 5 * 5].reshape(-1, 5).mean(axis=1)
    return 10 * np.log10(np.maximum(power, power.max() * 1e-4))


@pytest.mark.parametrize("name", COPIES)
def test_copy_synthesis_says_the_same_at_the_same_time_in_other_samples(name):
    for module in ATTACKS[name].modules:
        pytest.importorskip(module, reason=f"{module} is not installed")
    speech = real_speech(40_000, 0)
    made = ATTACKS[name].forge(Original(speech, "", "ru"), None, rng())
    assert made.shape == speech.shape and made.dtype == np.float32 and np.isfinite(made).all()
    assert np.corrcoef(loudness(made), loudness(speech))[0, 1] > 0.85
    assert active_rms(made) == pytest.approx(active_rms(speech), rel=0.5)
    similarity = np.dot(made, speech) / np.linalg.norm(made) / np.linalg.norm(speech)
    assert similarity < 0.98


@pytest.mark.parametrize("name", COPIES)
def test_copy_synthesis_repeats_itself(name):
    for module in ATTACKS[name].modules:
        pytest.importorskip(module, reason=f"{module} is not installed")
    original = Original(real_speech(16_000, 1), "", "it")
    first, second = (ATTACKS[name].forge(original, None, rng()) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("name", "language", "index"), VOICES)
def test_a_voice_speaks_for_as_long_as_the_original(name, language, index):
    try:
        installed_versions()
    except MissingPackagesError as error:
        pytest.skip(str(error))
    original = Original(real_speech(48_000, 0), TEXTS[language], language)
    voice = ATTACKS[name].voices[language][index]
    first, second = (ATTACKS[name].forge(original, voice, rng()) for _ in range(2))
    assert len(first) == pytest.approx(48_000, rel=0.06)
    assert np.array_equal(first, second)
    assert np.abs(first).max() <= 1.0 and np.mean(np.abs(first) >= 0.999) < 1e-3
    level = loudness(first)
    assert np.mean(level > level.max() - 25) > 0.3 and np.ptp(level) > 20  # syllables, no hum


def test_a_program_that_fails_is_quoted():
    with pytest.raises(ForgeryError, match=r"ls gave no speech: .*no-such-file"):
        spoken(["ls", "no-such-file"], b"text")


@pytest.mark.parametrize("target_s", [0.8, 1.0, 1.7])
def test_the_rate_is_found_though_it_does_not_act_as_told(target_s):
    spoken_at = []

    def say(rate):
        spoken_at.append(rate)
        return np.pad(real_speech(int(16_000 / rate**0.8), 2), (500, 900))

    target = int(target_s * len(cut_to_speech(say(1.0))))
    assert len(at_duration(say, target)) == pytest.approx(target, rel=0.05)
    assert len(spoken_at) <= 5


@pytest.mark.parametrize("target", [5_000, 60_000])
def test_speech_of_another_text_is_refused(target):
    with pytest.raises(ForgeryError, match="s of speech for"):
        at_duration(lambda rate: real_speech(int(16_000 / rate), 2), target)


def test_tempo_leaves_the_pitch():
    tone = np.sin(2 * np.pi * 200 * np.arange(32_000) / 16_000).astype(np.float32)
    fast = at_tempo(tone, 1.6)
    assert len(fast) == pytest.approx(20_000, rel=0.02)
    assert np.argmax(np.abs(np.fft.rfft(fast))) / len(fast) * 16_000 == pytest.approx(200, abs=3)


def test_levinson_solves_the_normal_equations():
    frames = rng().standard_normal((5, 400)).cumsum(axis=1)
    size = 1_024
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2)[:, :9]
    correlation[:, 0] *= 1.001
    coefficients, error = lpc.levinson(correlation)
    for row, inverse, left in zip(correlation, coefficients, error, strict=True):
        expected = solve_toeplitz(row[:-1], row[1:])
        np.testing.assert_allclose(-inverse[1:], expected, rtol=1e-7, atol=1e-9)
        assert left == pytest.approx(row[0] - expected @ row[1:], rel=1e-7)


def test_no_mel_band_is_empty_and_no_frequency_is_lost():
    transform = ShortTimeFFT(np.hanning(1_024), 256, 16_000)
    bands = mel_bands(transform.f).toarray()
    assert bands.shape == (MEL_BANDS, 513) and bands.min() >= 0
    assert (bands.sum(axis=1) > 0.5).all() and (bands[:, 1:-1].sum(axis=0) > 0).all()


def test_phonemes_become_numbers_between_begin_and_end():
    numbers = {"_": [0], "^": [1], "$": [2], "a": [5], "\u0303": [6, 7]}
    assert piper._ids("ã☃", numbers) == [1, 0, 5, 0, 6, 7, 0, 2]


def test_attacks_have_names_and_speakers_of_one_split():
    seen, unseen = (
        {
            voice.speaker
            for attack in ATTACKS.values()
            if attack.unseen == one
            for voices in (attack.voices or {}).values()
            for voice in voices
        }
        for one in (False, True)
    )
    assert len(ATTACKS) >= 8 and len({attack.kind for attack in ATTACKS.values()}) >= 8
    assert seen and unseen and not seen & unseen
