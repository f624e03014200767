"""Reading audio: formats, rates, channels, and files that cannot be used."""

import logging

import av
import numpy as np
import pytest
import soundfile

from fakemamba.data.audio import AudioError, cut_or_tile, read_audio


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
