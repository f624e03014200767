"""Audio files of every kind, made in memory."""

import io

import av
import numpy as np
import soundfile

from fakemamba.data.audio import read_recording


def noise(num_samples, channels=1, seed=0):
    """Smooth noise (samples, channels), so that codecs of speech have something to do."""
    walk = np.cumsum(np.random.default_rng(seed).standard_normal((num_samples, channels)), axis=0)
    walk -= np.linspace(0, 1, num_samples)[:, None] * walk[-1]
    return (0.8 * walk / np.abs(walk).max()).astype(np.float32)


def encoded(how, samples, rate_hz):
    """The bytes of a file with samples (count, channels)."""
    file = io.BytesIO()
    if len(how) == 2:
        soundfile.write(file, samples, rate_hz, format=how[0], subtype=how[1])
        return file.getvalue()
    codec, container, options = how
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(file, "w", format=container, options=options) as writer:
        stream = writer.add_stream(codec, rate=rate_hz, layout=layout)
        stream.codec_context.format = stream.codec_context.codec.audio_formats[0].name
        if codec == "wmav2":
            stream.bit_rate = 96_000
        if codec != "flac":  # which has no frame size before
            stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout=layout,
            rate=rate_hz,
            frame_size=stream.codec_context.frame_size or 4_096,
        )
        integers = np.rint(samples * 32_767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(integers, format="s16", layout=layout)
        frame.sample_rate = rate_hz
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            writer.mux(stream.encode(piece))
        writer.mux(stream.encode(None))
    return file.getvalue()


def read(folder, name, content, **how):
    path = folder / name
    path.write_bytes(content)
    return read_recording(path, **how)
