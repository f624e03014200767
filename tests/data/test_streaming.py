"""Audio bit by bit: together it is what is read at once, and what is no audio is told."""

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fakemamba.data.audio import AudioError, read_audio
from fakemamba.data.streaming import PcmStream, StreamError, stream_recording
from fakemamba.data.synthetic import speech_like

NAMES = {"s16": "pcm_s16le", "mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}


def encoded(waveform, encoding, rate_hz):
    """A waveform as raw PCM, by FFmpeg's encoders."""
    if encoding == "f32":
        return waveform.astype("<f4").tobytes()
    encoder = av.CodecContext.create(NAMES[encoding], "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate_hz, "mono", "s16"
    samples = np.rint(waveform * 32_767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = rate_hz
    return b"".join(bytes(one) for one in [*encoder.encode(frame), *encoder.encode(None)])


def heard(content, encoding, rate_hz, pieces):
    stream, blocks, place = PcmStream(encoding, rate_hz), [], 0
    while place < len(content):
        for size in pieces:
            blocks.append(stream.feed(content[place : place + size]))
            place += size
    rest, fault = stream.close()
    return np.concatenate([*blocks, rest]), fault


@pytest.mark.parametrize(("encoding", "worst"), [("s16", 1e-4), ("f32", 0), ("mulaw", 0.02)])
@settings(max_examples=15)
@given(pieces=st.lists(st.integers(1, 4_000), min_size=1, max_size=3))
def test_pcm_is_heard_as_it_was(encoding, worst, pieces):
    waveform = speech_like(2_000, 1)
    found, fault = heard(encoded(waveform, encoding, 16_000), encoding, 16_000, pieces)
    assert fault is None and found.dtype == np.float32
    assert np.abs(found - waveform).max() <= worst


@pytest.mark.parametrize("encoding", ["alaw", "mulaw", "s16"])
def test_telephones_are_heard_as_their_files_are_read(tmp_path, encoding):
    waveform = speech_like(8_000, 2)[::2]
    content = encoded(waveform, encoding, 8_000)
    subtype = {"s16": "PCM_16", "alaw": "ALAW", "mulaw": "ULAW"}[encoding]
    with soundfile.SoundFile(
        tmp_path / "a.wav", "w", samplerate=8_000, channels=1, subtype=subtype
    ) as file:
        if encoding == "s16":
            file.write(np.frombuffer(content, "<i2"))
        else:
            file.write(heard(content, encoding, 16_000, [999])[0])
    found, _ = heard(content, encoding, 8_000, [160])
    assert np.abs(found - read_audio(tmp_path / "a.wav")).max() < 2e-4


def test_what_is_no_pcm_is_told():
    with pytest.raises(StreamError, match="a rate of 0 Hz"):
        PcmStream("s16", 0)
    stream = PcmStream("f32", 16_000)
    stream.feed(np.zeros(5, "<f4").tobytes())
    with pytest.raises(StreamError, match="sample 7 of the stream is not a finite number: is it f"):
        stream.feed(np.array([0, 0, np.nan], "<f4").tobytes())
    _, fault = heard(b"\0" * 5, "s16", 16_000, [2])
    assert "within a sample: 1 byte(s) of 2" in fault
    assert len(heard(b"", "s16", 16_000, [2])[0]) == 0


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("name", ["a.flac", "a.wav"])
def test_a_recording_is_streamed_as_it_is_read(tmp_path, name, rate_hz):
    path = tmp_path / name
    both = np.stack([speech_like(150_000, 1), speech_like(150_000, 2)], axis=1)
    soundfile.write(path, both, rate_hz)
    blocks = list(stream_recording(path))
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), read_audio(path))


def test_damage_is_told_at_the_end(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(150_000, 1), 16_000)
    path.write_bytes(path.read_bytes()[:-100_000])
    blocks = []
    with pytest.raises(AudioError, match=r"damaged: .* s are there"):
        blocks.extend(stream_recording(path))
    assert sum(map(len, blocks)) == 100_000
    assert sum(map(len, stream_recording(path, allow_damaged=True))) == 100_000


@pytest.mark.parametrize("content", [None, b"", b"no audio at all" * 50])
def test_no_recording_is_told(tmp_path, content):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.wav"):
        list(stream_recording(path))
