"""Augmentations: what they keep, that chance is an utterance's own, codecs, noise, rooms."""

import pickle

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch
from scipy.stats import ks_1samp, uniform
from torch.utils.data import DataLoader

from fakemamba.data.audio import AudioError
from fakemamba.data.augmentation import (
    AugmentationError,
    InSeries,
    OneOf,
    RawBoost,
    Sometimes,
    parse_augmentation,
    utterance_rng,
)
from fakemamba.data.augmentation.codecs import CODECS, Codec
from fakemamba.data.augmentation.noise import AdditiveNoise, Babble, RecordedNoise, pink, white
from fakemamba.data.augmentation.recordings import Recordings
from fakemamba.data.augmentation.reverberation import DecayingNoise, RecordedRooms, Reverberation
from fakemamba.data.recordings import real_speech

EVERYTHING = (
    "rawboost:4 + 0.5*codec:opus@16000 | codec:mulaw + noise:babble={folder}@5..20 + "
    "0.7*noise:pink + reverb:0.1..0.3"
)
SINGLE = ("rawboost:8", "codec:alaw", "codec:mulaw", "codec:g722", "codec:opus", "codec:mp3")
SINGLE += ("noise:white", "noise:pink@10", "noise:{folder}", "noise:babble={folder}")
SINGLE += ("reverb", "reverb:0.3", "reverb:{folder}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of recordings, one of them below it, beside what is none."""
    folder = tmp_path_factory.mktemp("some a@b+c")
    (folder / "below").mkdir()
    for row, name in enumerate(("b.wav", "a.flac", "below/c.wav")):
        soundfile.write(folder / name, real_speech(8_000 + row, row), 16_000)
    (folder / "README.txt").write_text("no audio")
    return folder


def rng(seed=0):
    return np.random.default_rng(seed)


def snr_db(waveform, noisy):
    return 20 * np.log10(np.linalg.norm(waveform) / np.linalg.norm(noisy - waveform))


def lag(later, earlier):
    """By how many samples one waveform comes after the other."""
    size = 2 * len(later)
    product = np.fft.rfft(later, size) * np.fft.rfft(earlier, size).conj()
    best = int(np.fft.irfft(product, size).argmax())
    return best if best < len(later) else best - size


@pytest.mark.parametrize("text", [*SINGLE, EVERYTHING])
@pytest.mark.parametrize("samples", [400, 5_001])
def test_length_type_and_input_are_kept_and_silence_is_silent(text, samples, folder):
    augmentation = parse_augmentation(text.format(folder=folder))
    speech = real_speech(samples, 0)
    before = speech.copy()
    augmented = augmentation(speech, rng())
    assert augmented.shape == speech.shape and augmented.dtype == np.float32
    assert np.isfinite(augmented).all() and not np.array_equal(augmented, speech)
    np.testing.assert_array_equal(speech, before)
    silent = augmentation(np.zeros(samples, np.float32), rng())
    assert silent.shape == speech.shape and not np.any(silent)


class Utterances:
    """A dataset that augments, as training has one."""

    def __init__(self, augmentation, epoch):
        self.augmentation, self.epoch = augmentation, epoch

    def __len__(self):
        return 6

    def __getitem__(self, index):
        chance = utterance_rng(1234, self.epoch, f"LA_T_{index}")
        return index, self.augmentation(real_speech(6_000, index), chance)


def test_an_utterance_is_augmented_alike_by_any_worker_in_any_order(folder):
    augmentation = parse_augmentation(EVERYTHING.format(folder=folder))

    def by_index(epoch, order, workers):
        loader = DataLoader(
            Utterances(augmentation, epoch), None, sampler=order, num_workers=workers
        )
        return {index: waveform.numpy().tobytes() for index, waveform in loader}

    alone = by_index(3, range(6), 0)
    assert by_index(3, [4, 1, 5, 0, 3, 2], 2) == alone
    assert by_index(3, [5], 1) == {5: alone[5]}
    other = by_index(4, range(6), 0)
    assert len({*alone.values(), *other.values()}) == 12


KEYS = st.tuples(st.integers(0, 2**70), st.integers(0, 99), st.text())


@given(st.lists(KEYS, min_size=2, unique=True))
def test_other_seeds_epochs_and_ids_have_other_numbers(keys):
    drawn = [utterance_rng(*key).integers(2**62) for key in keys]
    assert len(set(drawn)) == len(keys)
    assert drawn == [utterance_rng(*key).integers(2**62) for key in keys]


def test_random_numbers_stay_what_they_are():
    """A run that goes on after an update of this package goes on with the same numbers."""
    drawn = utterance_rng(1234, 7, "LA_T_1000137").integers(1_000, size=4)
    assert drawn.tolist() == [76, 896, 797, 399]


def double(waveform, rng):
    return 2 * waveform


def add_one(waveform, rng):
    return waveform + 1


def test_series_choice_and_probability():
    ones = np.ones(3, np.float32)
    assert InSeries((double, add_one))(ones, rng())[0] == 3
    assert InSeries((add_one, double))(ones, rng())[0] == 4
    assert InSeries(())(ones, rng()) is ones
    chosen = [OneOf((double, add_one, double))(0 * ones, rng(seed))[0] for seed in range(900)]
    assert np.mean(chosen) == pytest.approx(1 / 3, abs=0.05)
    often = [Sometimes(0.8, double)(ones, rng(seed))[0] - 1 for seed in range(900)]
    assert np.mean(often) == pytest.approx(0.8, abs=0.05)
    assert {Sometimes(0.0, double)(ones, rng(seed))[0] for seed in range(50)} == {1}
    assert {Sometimes(1.0, double)(ones, rng(seed))[0] for seed in range(50)} == {2}
    with pytest.raises(AugmentationError, match=r"0 to 1, not 1\.5"):
        Sometimes(1.5, double)
    with pytest.raises(AugmentationError, match="no augmentation"):
        OneOf(())


@pytest.mark.parametrize(
    ("codec", "least_db", "most_db"),
    [  # of speech below 3.4 kHz, so that the telephone's band is no noise
        (Codec("alaw"), 30, 42),
        (Codec("mulaw"), 30, 42),
        (Codec("g722"), 25, 55),
        (Codec("opus", 24_000), 8, 35),
        (Codec("mp3", 64_000), 20, 60),
    ],
)
def test_a_codec_adds_its_noise_and_no_delay(codec, least_db, most_db):
    spectrum = np.fft.rfft(real_speech(32_000, 0))
    spectrum[6_000:] = 0
    speech = np.fft.irfft(spectrum).astype(np.float32)
    received = codec(speech, rng())
    assert lag(received, speech) == 0
    assert least_db < snr_db(speech, received) < most_db
    np.testing.assert_array_equal(received, codec(speech, rng(1)))


@pytest.mark.parametrize("name", ["alaw", "mulaw"])
def test_a_telephone_has_nothing_above_4_khz(name):
    noise = 0.1 * rng().standard_normal(32_000).astype(np.float32)
    frequency_hz, power = welch(Codec(name)(noise, rng()), 16_000, nperseg=512)
    passed, stopped = power[frequency_hz < 3_400].mean(), power[frequency_hz > 4_300].mean()
    assert 10 * np.log10(passed / stopped) > 60


@pytest.mark.parametrize(("name", "rates"), [("opus", (8_000, 48_000)), ("mp3", (16_000, 64_000))])
def test_fewer_bits_are_more_noise(name, rates):
    speech = real_speech(32_000, 1)
    few, many = (snr_db(speech, Codec(name, rate)(speech, rng())) for rate in rates)
    assert few < many - 3


def test_codecs_and_rates_that_there_are_not():
    with pytest.raises(AugmentationError, match="'aac', but alaw, mulaw, g722, opus, mp3 are"):
        Codec("aac")
    with pytest.raises(AugmentationError, match="mp3 at 16 kHz has no 20000 bit/s, but 8000, "):
        Codec("mp3", 20_000)
    with pytest.raises(AugmentationError, match=r"opus .* 5999 bit/s, but 6000 to 256000"):
        Codec("opus", 5_999)
    for name, coding in CODECS.items():
        assert coding.usual_bits_per_s in coding.bits_per_s, name


@settings(max_examples=20)
@given(db=st.floats(-10, 60), gain=st.floats(1e-3, 1), source=st.sampled_from([white, pink]))
def test_noise_has_the_snr_asked_for(db, gain, source):
    speech = np.float32(gain) * real_speech(4_001, 3)
    noisy = AdditiveNoise(source, (db, db))(speech, rng())
    assert snr_db(speech, noisy) == pytest.approx(db, abs=0.02)


def test_the_snr_is_uniform_in_its_range():
    speech = real_speech(2_000, 3)
    noise = AdditiveNoise(white, (5.0, 20.0))
    drawn = [snr_db(speech, noise(speech, rng(seed))) for seed in range(300)]
    assert ks_1samp(drawn, uniform(5, 15).cdf).pvalue > 0.001


@pytest.mark.parametrize(("source", "db_per_octave"), [(white, 0.0), (pink, -3.01)])
def test_colours_of_noise(source, db_per_octave):
    frequency_hz, power = welch(source(160_000, rng()), 16_000, nperseg=4_096)
    starts_hz = (125, 500, 2_000)
    octaves = [power[(frequency_hz >= hz) & (frequency_hz < 2 * hz)].mean() for hz in starts_hz]
    slopes = np.diff(10 * np.log10(octaves)) / 2
    np.testing.assert_allclose(slopes, db_per_octave, atol=0.3)


def test_recordings_are_found_everywhere_in_a_folder_and_drawn_alike(folder):
    recordings = Recordings.in_folder(folder)
    names = [path.relative_to(folder).as_posix() for path in recordings.paths]
    assert names == ["a.flac", "b.wav", "below/c.wav"]
    drawn = [recordings.draw(rng(seed))[0].name for seed in range(300)]
    assert all(80 < drawn.count(name) < 120 for name in ("a.flac", "b.wav", "c.wav"))


@pytest.mark.parametrize("samples", [3_000, 8_001, 20_000])
def test_an_excerpt_is_a_part_of_a_recording_or_all_of_it_again_and_again(samples, folder):
    path = folder / "a.flac"
    recording = soundfile.read(path, dtype="float32")[0]
    recordings = Recordings((path,))
    excerpts = [recordings.excerpt(samples, rng(seed)) for seed in range(8)]
    endless = np.tile(recording, 4)
    for excerpt in excerpts:
        places = np.lib.stride_tricks.sliding_window_view(endless, 50)
        starts = np.flatnonzero((places == excerpt[:50]).all(axis=1))
        assert any(np.array_equal(endless[s : s + samples], excerpt) for s in starts)
    assert len({excerpt.tobytes() for excerpt in excerpts}) == (1 if samples > 8_000 else 8)


def test_babble_is_several_talkers_equally_loud(tmp_path):
    for name, gain, hz in (("loud", 0.5, 500), ("soft", 0.005, 2_000)):
        tone = gain * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)
        soundfile.write(tmp_path / f"{name}.wav", tone, 16_000, subtype="FLOAT")
    babble = Babble(Recordings.in_folder(tmp_path), (400, 400))(16_000, rng())
    levels = np.abs(np.fft.rfft(babble))[[500, 2_000]]
    counts = levels**2 / levels.max() ** 2  # phases by lot: power goes with the number of talkers
    assert counts.min() > 0.02
    assert babble.shape == (16_000,)


def test_a_silent_recording_of_noise_adds_nothing(tmp_path):
    soundfile.write(tmp_path / "pause.wav", np.zeros(4_000), 16_000)
    speech = real_speech(2_000, 0)
    recordings = Recordings.in_folder(tmp_path)
    for source in (RecordedNoise(recordings), Babble(recordings)):
        np.testing.assert_array_equal(AdditiveNoise(source)(speech, rng()), speech)


def test_a_room_decays_as_long_as_it_should():
    response = DecayingNoise((0.5, 0.5), (6.0, 6.0))(rng())
    assert response[0] == 1 and len(response) == 8_000
    assert np.sum(response[1:] ** 2) == pytest.approx(10**-0.6, rel=1e-4)
    left_db = 10 * np.log10(np.cumsum(response[:0:-1] ** 2)[::-1])  # Schroeder's integral
    time_s = np.arange(len(left_db)) / 16_000
    early = (left_db < left_db[0] - 5) & (left_db > left_db[0] - 35)
    slope = np.polyfit(time_s[early], left_db[early], 1)[0]
    assert -60 / slope == pytest.approx(0.5, rel=0.05)


def test_reverberation_is_a_convolution_as_loud_as_before_and_not_delayed(tmp_path):
    speech = real_speech(6_000, 0)
    response = np.zeros(1_000, np.float32)
    response[[100, 400]] = 0.8, 0.4  # the direct sound comes late
    soundfile.write(tmp_path / "room.wav", response, 16_000, subtype="FLOAT")
    reverberant = Reverberation(RecordedRooms(Recordings.in_folder(tmp_path)))(speech, rng())
    echo = speech + 0.5 * np.pad(speech, (300, 0))[:6_000]
    expected = echo * np.linalg.norm(speech) / np.linalg.norm(echo)
    np.testing.assert_allclose(reverberant, expected, atol=1e-5)
    synthetic = Reverberation()(speech, rng())
    assert lag(synthetic, speech) == 0
    assert np.linalg.norm(synthetic) == pytest.approx(np.linalg.norm(speech), rel=1e-4)


def test_bad_folders_and_files_are_named(tmp_path):
    with pytest.raises(AugmentationError, match="nowhere: no such folder"):
        Recordings.in_folder(tmp_path / "nowhere")
    with pytest.raises(AugmentationError, match="no audio files"):
        Recordings.in_folder(tmp_path)
    with pytest.raises(AugmentationError, match="no recordings"):
        Recordings(())
    (tmp_path / "broken.wav").write_bytes(b"RIFF, but nothing more")
    recordings = Recordings.in_folder(tmp_path)
    with pytest.raises(AudioError, match=r"broken\.wav"):
        AdditiveNoise(RecordedNoise(recordings))(real_speech(1_000, 0), rng())
    soundfile.write(tmp_path / "broken.wav", np.zeros(1_000), 16_000)
    with pytest.raises(AugmentationError, match=r"broken\.wav: .* silent"):
        Reverberation(RecordedRooms(recordings))(real_speech(1_000, 0), rng())


def test_recipes_say_what_they_mean(folder):
    recordings = Recordings.in_folder(folder)
    for text, meant in {
        "rawboost:3": RawBoost(3),
        "codec:g722": Codec("g722"),
        "codec:opus@16000": Codec("opus", 16_000),
        "noise:white": AdditiveNoise(white),
        "noise:pink@-3": AdditiveNoise(pink, (-3.0, -3.0)),
        f"noise:{folder}@5..20.5": AdditiveNoise(RecordedNoise(recordings), (5.0, 20.5)),
        f"noise:babble={folder}": AdditiveNoise(Babble(recordings)),
        "reverb": Reverberation(),
        "reverb:0.2..0.5": Reverberation(DecayingNoise((0.2, 0.5))),
        f"reverb:{folder}": Reverberation(RecordedRooms(recordings)),
        " 0.25*rawboost:5 ": Sometimes(0.25, RawBoost(5)),
        "0.5*codec:alaw | codec:mp3@8000 + rawboost:1": InSeries(
            (Sometimes(0.5, OneOf((Codec("alaw"), Codec("mp3", 8_000)))), RawBoost(1))
        ),
    }.items():
        assert parse_augmentation(text) == meant, text
        assert pickle.loads(pickle.dumps(meant)) == meant, text  # workers may be spawned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no augmentation; there are rawboost:0 to rawboost:8; codec:NAME"),
        ("rawbost:5", "'rawbost:5' is no augmentation; there are rawboost:0"),
        ("rawboost", "is no augmentation"),
        ("rawboost:12", "0 to 8, but not 12"),
        ("rawboost:5 + ", "is no augmentation"),
        ("codec:aac", "alaw, mulaw, g722, opus, mp3"),
        ("codec:opus@loud", "codec:NAME@BITS_PER_S"),
        ("noise:brown", "'brown' is no folder, nor anything else that there is: .*noise:white"),
        ("noise:white@20..10", "smaller one first"),
        ("reverb:long", "'long' is no folder.*reverb:LOW..HIGH"),
        ("reverb:0", "rt60_s"),
        ("2*rawboost:5", "from 0 to 1, not 2"),
        ("nan*rawboost:5", "from 0 to 1, not nan"),
    ],
)
def test_what_is_no_recipe_is_told_what_there_is(text, message):
    with pytest.raises(AugmentationError, match=message):
        parse_augmentation(text)
