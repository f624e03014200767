"""Reading audio: formats, rates, channels, and files that cannot be used."""

import logging
import os
import socket
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from fakemamba.data.audio import AudioError, cut_or_tile, read_audio, read_recording
from fakemamba.data.headers import header_duration_s


def tone(num_samples, rate_hz=16_000, frequency_hz=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(num_samples) / rate_hz)).astype("f4")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_16_khz_file_is_taken_as_it_is(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(1_000), 16_000)
    read = read_audio(path)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, tone(1_000), atol=1e-4)


def test_stereo_is_the_mean_of_its_channels(tmp_path):
    channels = np.stack([tone(1_000), -0.5 * tone(1_000)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), 0.25 * tone(1_000), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled_and_logged(tmp_path, caplog, rate_hz):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate_hz, rate_hz), rate_hz, subtype="FLOAT")
    with caplog.at_level(logging.INFO):
        read = read_audio(path)
    assert f"{path}: resampled from {rate_hz} Hz to 16000 Hz" in caplog.messages
    assert abs(len(read) - 16_000) <= 1
    np.testing.assert_allclose(read[800:-800], tone(16_000)[800 : len(read) - 800], atol=1e-3)


@pytest.mark.parametrize(("suffix", "codec"), [("g722", "g722"), ("m4a", "aac")])
def test_what_libsndfile_cannot_read_ffmpeg_does(tmp_path, suffix, codec):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (tone(16_000)[None] * 32767).astype("i2"), format="s16", layout="mono"
        )
        frame.sample_rate = 16_000
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=16_000)
        fifo = av.AudioFifo()
        for piece in resampler.resample(frame):
            fifo.write(piece)
        size = stream.codec_context.frame_size or 320
        while (piece := fifo.read(size)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    read = read_audio(path)
    spectrum = np.abs(np.fft.rfft(read * np.hanning(len(read))))
    peak_hz = np.argmax(spectrum) * 16_000 / len(read)
    assert 0.9 < len(read) / 16_000 < 1.1 and abs(peak_hz - 440) < 5
    assert 0.3 < np.abs(read).max() < 0.7


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"absent\.wav: no such file"):
        read_audio(tmp_path / "absent.wav")


@pytest.mark.parametrize("suffix", ["wav", "g722", "flac"])
def test_an_empty_file_is_named(tmp_path, suffix):
    (tmp_path / f"empty.{suffix}").touch()
    with pytest.raises(AudioError, match="the file is empty"):
        read_audio(tmp_path / f"empty.{suffix}")


@pytest.mark.parametrize("content", [b"this is no audio" * 99, b"RIFF\0\0\0\0WAVEbroken"])
def test_a_corrupt_file_is_named(tmp_path, content):
    (tmp_path / "corrupt.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"corrupt\.wav: neither libsndfile nor FFmpeg"):
        read_audio(tmp_path / "corrupt.wav")


def test_fewer_than_400_samples_are_refused(tmp_path):
    soundfile.write(tmp_path / "fits.wav", tone(400), 16_000)
    assert len(read_audio(tmp_path / "fits.wav")) == 400
    soundfile.write(tmp_path / "short.wav", tone(399), 16_000)
    with pytest.raises(AudioError, match=r"short\.wav: 399 samples at 16 kHz"):
        read_audio(tmp_path / "short.wav")


def test_400_samples_are_counted_at_16_khz(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(800, 48_000), 48_000)
    with pytest.raises(AudioError, match=r"26\d samples at 16 kHz"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    samples = tone(1_000)
    samples[123] = bad
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav: sample 123 is not a finite number"):
        read_audio(tmp_path / "nan.wav")


def test_clips_are_cut_or_tiled_as_published():
    clip = np.arange(5, dtype=np.float32)
    assert cut_or_tile(clip, 3).tolist() == [0, 1, 2]
    assert cut_or_tile(clip, 5).tolist() == clip.tolist()
    assert cut_or_tile(clip, 12).tolist() == [0, 1, 2, 3, 4] * 2 + [0, 1]


def test_a_flac_that_does_not_know_its_length_is_read(tmp_path):
    path = tmp_path / "streamed.flac"
    soundfile.write(path, tone(1_000), 16_000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count samples
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_allclose(read_audio(path), tone(1_000), atol=1e-4)


def test_headerless_samples_are_refused_by_name(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(4_000))
    with pytest.raises(AudioError, match=r"a\.raw: neither libsndfile nor FFmpeg can decode it"):
        read_audio(tmp_path / "a.raw")


CODES = np.random.default_rng(0).integers(0, 256, 16_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize(
    ("ending", "codes", "rate_hz"),
    [
        ("al", 1, 8_000),
        ("alaw", 1, 8_000),
        ("ul", 1, 8_000),
        ("ULAW", 1, 8_000),
        ("g722", 2, 16_000),
    ],
)
def test_telephony_without_a_header_has_the_rate_of_its_kind(
    tmp_path, caplog, ending, codes, rate_hz
):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(CODES)
    with caplog.at_level(logging.INFO):
        assert read_recording(path).duration_s == codes * len(CODES) / rate_hz
    assert any(f"at {rate_hz} Hz, as its name's ending says" in line for line in caplog.messages)


def test_the_content_decides_and_not_the_ending(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(8_000), 16_000)
    soundfile.write(tmp_path / "a.flac", tone(8_000), 16_000)
    soundfile.write(tmp_path / "a.ogg", tone(8_000), 16_000)
    soundfile.write(tmp_path / "a.mp3", tone(8_000), 16_000)
    for ending in ("wav", "flac", "ogg", "mp3"):
        expected = read_audio(tmp_path / f"a.{ending}")
        for other in ("al", "ul", "g722", "wav", "m4a", "mp3", "txt"):
            lying = tmp_path / f"lying.{other}"
            lying.write_bytes((tmp_path / f"a.{ending}").read_bytes())
            np.testing.assert_array_equal(read_audio(lying), expected)


@pytest.mark.parametrize("ending", ["wav", "al", "g722", "m3u8", "mp3", "ogg"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n",
        "<?xml version='1.0'?><MPD><Period/></MPD>",
        "<!DOCTYPE html><html lang='fr'>Non trouvé</html>",
    ],
)
def test_scripts_and_playlists_are_refused(tmp_path, ending, text):
    soundfile.write(tmp_path / "other.wav", tone(8_000), 16_000)
    path = tmp_path / f"script.{ending}"
    path.write_text(text * 20, encoding="utf-8")
    with pytest.raises(AudioError, match="it is text, a playlist or a script"):
        read_audio(path)


def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with av.open("a.m4a", "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(5):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_024), "f4"), "fltp", "mono")
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    Path("a.m4a").rename("concat:b|c.m4a")
    assert len(read_audio("concat:b|c.m4a")) > 4_000


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a socket", "a device"])
def test_what_is_no_file_is_refused_without_being_opened(tmp_path, kind):
    path = tmp_path / "a.wav"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        listening.close()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(AudioError, match=f"a.wav is {kind}, not a file"):
        read_audio(path)
    assert header_duration_s(path) is None


@pytest.mark.parametrize("rate_hz", [1, 7, 100, 3_999, 800_000])
def test_rates_that_no_audio_has_are_refused_before_resampling(tmp_path, rate_hz):
    soundfile.write(tmp_path / "a.wav", tone(9_000), rate_hz)
    with pytest.raises(AudioError, match=f"its rate is {rate_hz} Hz, but 4000 to 768000 Hz"):
        read_audio(tmp_path / "a.wav")


def test_a_header_of_ten_billion_samples_takes_no_memory(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(8_000), 16_000)
    content = bytearray(path.read_bytes())
    content[21] |= 2
    content[22:26] = b"\x54\x0b\xe4\x00"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"8,000 of 10,000,000,000 samples are there; 0\.500 s of"):
        read_audio(path)


def test_memory_that_ends_is_a_record_of_the_file(tmp_path, monkeypatch):
    def full(path, container):
        raise MemoryError

    soundfile.write(tmp_path / "a.wav", tone(8_000), 16_000)
    monkeypatch.setattr("fakemamba.data.audio.decode", full)
    with pytest.raises(AudioError, match=r"a\.wav: memory is too small for it"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("container", ["ipod", "matroska"])
def test_tags_that_are_not_utf_8_do_no_harm(tmp_path, container):
    path = tmp_path / "a.audio"
    with av.open(str(path), "w", format=container) as writer:
        writer.metadata["title"] = "caf_ au lait"
        stream = writer.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(5):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1_024), "f4"), "fltp", "mono")
            frame.sample_rate = 16_000
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"caf_ au lait" in content
    expected = read_audio(path)
    path.write_bytes(content.replace(b"caf_ au lait", b"caf\xe9 au lait"))
    np.testing.assert_array_equal(read_audio(path), expected)
