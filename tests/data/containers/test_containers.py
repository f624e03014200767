"""Containers against what is in them: good files are read whole, and cut ones are refused."""

import struct

import av
import numpy as np
import pytest
import soundfile
from encoded_audio import encoded, noise, read
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.audio import AudioError

BY_SNDFILE = {
    "wav": [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "PCM_U8")],
    "WAV": [("WAV", "IMA_ADPCM"), ("WAV", "ULAW"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16")],
    "w64": [("W64", "PCM_16")],
    "aiff": [("AIFF", "PCM_16"), ("AIFF", "FLOAT")],
    "au": [("AU", "PCM_16")],
    "caf": [("CAF", "PCM_16"), ("CAF", "ALAC_16")],
    "sph": [("NIST", "PCM_16")],
    "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("FLAC", "PCM_S8")],
    "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    "mp3": [("MP3", "MPEG_LAYER_III")],
}
BY_FFMPEG = {
    "flac": [("flac", "flac", {})],
    "opus": [("libopus", "ogg", {})],
    "webm": [("libopus", "webm", {}), ("libopus", "webm", {"live": "1"})],
    "mka": [("aac", "matroska", {}), ("libmp3lame", "matroska", {}), ("pcm_s16le", "matroska", {})],
    "mp4": [("aac", "mp4", {}), ("libopus", "mp4", {})],
    "m4a": [("aac", "ipod", {}), ("alac", "ipod", {})],
    "mov": [("pcm_s16le", "mov", {})],
    "aac": [("aac", "adts", {})],
    "mp3": [("libmp3lame", "mp3", {}), ("libmp3lame", "mp3", {"write_xing": "0"})],
    "mp2": [("mp2", "mp2", {})],
    "wav": [("pcm_s16le", "wav", {}), ("pcm_alaw", "wav", {}), ("g722", "wav", {})],
    "wv": [("wavpack", "wv", {})],
    "tta": [("tta", "tta", {})],
    "wma": [("wmav2", "asf", {})],
    "avi": [("aac", "avi", {})],
}
FORMATS = [
    *((suffix, how) for suffix, hows in BY_SNDFILE.items() for how in hows),
    *((suffix, how) for suffix, hows in BY_FFMPEG.items() for how in hows),
]
NAMES = ["-".join(map(str, how)) for _, how in FORMATS]
SHAPES = [(16_000, 1, 8_001), (48_000, 2, 12_345), (8_000, 1, 4_801), (24_000, 1, 9_999)]


def same_or_refused(folder, name, content, whole):
    try:
        found = read(folder, name, content).waveform
    except AudioError:
        return True
    return len(found) == len(whole) and bool((found == whole).all())


@pytest.mark.parametrize(("suffix", "how"), FORMATS, ids=NAMES)
def test_good_files_are_whole_and_cut_ones_are_refused(tmp_path, suffix, how):
    made = 0
    for rate_hz, channels, count in SHAPES:
        try:
            content = encoded(how, noise(count, channels), rate_hz)
        except (soundfile.LibsndfileError, av.FFmpegError, ValueError):
            continue  # not all codecs have all rates
        made += 1
        whole = read(tmp_path, f"whole.{suffix}", content)
        assert whole.damage is None
        surplus_s = whole.duration_s - count / rate_hz + 1e-9  # padding of the last frame
        least_s = -0.1 if suffix == "wma" else 0.0  # FFmpeg's coder leaves out its end
        assert least_s <= surplus_s < 0.3
        lengths = np.random.default_rng(rate_hz).integers(1, len(content), 6).tolist()
        for length in [len(content) - 1, *lengths]:
            cut = content[:length]
            assert same_or_refused(tmp_path, f"cut.{suffix}", cut, whole.waveform), length
    assert made


def test_a_cut_recording_says_how_much_is_left_and_is_read_if_that_is_allowed(tmp_path):
    content = encoded(("WAV", "PCM_16"), noise(16_000), 16_000)
    with pytest.raises(AudioError, match=r"a\.wav: damaged: it ends 8,000 bytes too early"):
        read(tmp_path, "a.wav", content[:-8_000])
    found = read(tmp_path, "a.wav", content[:-8_000], allow_damaged=True)
    assert len(found.waveform) == 12_000 and "0.750 s of 1.000 s are there" in found.damage


@pytest.mark.parametrize("bits", ["PCM_16", "PCM_24"])
def test_of_changed_bytes_a_flac_is_the_same_audio_or_refused(tmp_path, bits):
    content = encoded(("FLAC", bits), noise(8_000), 16_000)
    whole = read(tmp_path, "a.flac", content).waveform
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        changed = bytearray(content)
        changed[random.integers(len(changed))] ^= 1 << random.integers(8)
        assert same_or_refused(tmp_path, "b.flac", changed, whole)
        try:
            read(tmp_path, "b.flac", changed)
        except AudioError:
            refused += 1
    assert refused > 90


CHECKED = [("flac", ("FLAC", "PCM_16")), ("ogg", ("OGG", "VORBIS")), ("wv", ("wavpack", "wv", {}))]
UNCHECKED = [
    ("wav", ("WAV", "PCM_16")),
    ("mp3", ("MP3", "MPEG_LAYER_III")),
    ("m4a", ("aac", "ipod", {})),
]


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize(("suffix", "how"), CHECKED + UNCHECKED, ids=lambda one: str(one))
def test_whatever_happened_to_a_file_it_is_read_or_refused(tmp_path_factory, suffix, how, data):
    folder = tmp_path_factory.getbasetemp()
    content = encoded(how, noise(4_000), 16_000)
    whole = read(folder, f"whole.{suffix}", content).waveform
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        count = data.draw(st.sampled_from([1, 4, 100, 1_000]))
        kind = data.draw(st.sampled_from(["set", "zero", "drop", "double"]))
        if kind == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif kind == "zero":
            changed[at : at + count] = bytes(len(changed[at : at + count]))
        elif kind == "double":
            changed[at:at] = changed[at : at + count]
        elif len(changed) > count:
            del changed[at : at + count]
    is_fine = same_or_refused(folder, f"changed.{suffix}", changed, whole)
    assert is_fine or (suffix, how) in UNCHECKED


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_does_not_know_its_length(tmp_path, stated):
    content = bytearray(encoded(("WAV", "PCM_16"), noise(8_000), 16_000))
    whole = read(tmp_path, "whole.wav", content).waveform
    content[40:44] = struct.pack("<I", stated)
    for riff in (content[4:8], struct.pack("<I", stated)):
        content[4:8] = riff
        assert (read(tmp_path, "piped.wav", content).waveform == whole).all()


def test_a_header_that_counts_too_few_samples_is_damage(tmp_path):
    content = bytearray(encoded(("WAV", "PCM_16"), noise(8_000), 16_000))
    content[40:44] = struct.pack("<I", 8_000)
    with pytest.raises(AudioError, match=r"its last 8,000 bytes; 0\.250 s of 0\.500 s"):
        read(tmp_path, "a.wav", content)
    flac = bytearray(encoded(("FLAC", "PCM_16"), noise(8_000), 16_000))
    flac[22:26] = struct.pack(">I", 2_000)
    for md5 in (flac[26:42], bytes(16)):  # zeros are an unknown MD5
        flac[26:42] = md5
        with pytest.raises(AudioError, match="of 2,000 samples are there"):
            read(tmp_path, "a.flac", flac)


def test_what_follows_the_samples_of_a_wav_may_be_metadata(tmp_path):
    content = encoded(("WAV", "PCM_16"), noise(8_000), 16_000)
    for more in (b"LIST\x0a\0\0\0INFOISFT\0\0", b"LIST\xff\0\0\0INFO", b"TAG" + bytes(125), b"\0"):
        assert read(tmp_path, "a.wav", content + more).damage is None


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_whole(tmp_path, codec):
    first, second = (encoded(("OGG", codec), noise(8_000, seed=seed), 16_000) for seed in (1, 2))
    alone = [read(tmp_path, "a.ogg", content).waveform for content in (first, second)]
    chained = read(tmp_path, "a.ogg", first + second)
    assert (chained.waveform == np.concatenate(alone)).all() and chained.damage is None
    stereo = encoded(("OGG", codec), noise(8_000, 2), 16_000)
    assert read(tmp_path, "a.ogg", first + stereo).duration_s == 1.0
    with pytest.raises(AudioError, match="the checksum of the page at byte"):
        read(tmp_path, "a.ogg", first[:-9] + second)


def test_a_change_of_rate_is_told_and_not_half_read(tmp_path):
    parts = [encoded(("OGG", "VORBIS"), noise(8_000), rate_hz) for rate_hz in (16_000, 8_000)]
    with pytest.raises(AudioError, match=r"at 0\.50 s its rate changes from 16000 to 8000 Hz"):
        read(tmp_path, "a.ogg", b"".join(parts))
    parts = [encoded(("aac", "adts", {}), noise(8_000), rate_hz) for rate_hz in (16_000, 32_000)]
    with pytest.raises(AudioError, match="its rate changes from 16000 to 32000 Hz"):
        read(tmp_path, "a.aac", b"".join(parts))


def test_a_change_of_channels_is_read_whole(tmp_path):
    parts = [encoded(("aac", "adts", {}), noise(8_000, channels), 16_000) for channels in (1, 2)]
    assert read(tmp_path, "a.aac", b"".join(parts)).duration_s > 1.0


def test_a_second_mp3_behind_the_first_is_not_passed_over(tmp_path):
    content = encoded(("libmp3lame", "mp3", {}), noise(8_000), 16_000)
    with pytest.raises(AudioError, match="another stream follows"):
        read(tmp_path, "a.mp3", content + content)
    tagged = content + b"TAG" + bytes(125)
    assert read(tmp_path, "a.mp3", tagged).damage is None


def test_a_flac_is_not_of_another_rate_than_its_frames(tmp_path):
    content = bytearray(encoded(("FLAC", "PCM_16"), noise(8_000), 16_000))
    content[18:20] = struct.pack(">H", 44_100 >> 4)
    with pytest.raises(AudioError, match="its rate is 44096 Hz, but that of its frames 16000 Hz"):
        read(tmp_path, "a.flac", content)


def test_lost_frames_of_a_flac_without_a_checksum_are_damage(tmp_path):
    content = bytearray(encoded(("FLAC", "PCM_16"), noise(32_000), 16_000))
    content[21] &= 0xF0
    content[22:42] = bytes(20)  # neither count nor MD5
    assert read(tmp_path, "a.flac", content).duration_s == 2.0
    del content[9_000:12_000]
    with pytest.raises(AudioError, match="damaged: it cannot be decoded"):
        read(tmp_path, "a.flac", content)
