"""A waveform sent through one of FFmpeg's codecs and back."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import av
import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.ffmpeg_filter import filtered


def coded(
    waveform: Waveform,
    codec: str,
    container: str,
    bits_per_s: int,
    options: Mapping[str, str] | None = None,
) -> Waveform:
    """A waveform (samples,) at 16 kHz after a codec, as long as it was.

    Args:
        waveform: What is over full scale is clipped.
        codec: FFmpeg's name of the encoder.
        container: FFmpeg's name of the format around it.
        bits_per_s: Rate of the codec.
        options: Of the encoder.
    """
    samples = np.rint(np.clip(waveform, -1.0, 1.0) * 32_767).astype(np.int16)
    even = np.pad(samples, (0, len(samples) % 2))  # G.722 takes them in pairs
    encoded = BytesIO()
    with av.open(encoded, "w", format=container) as writer:
        stream = writer.add_stream(
            codec, rate=SAMPLE_RATE_HZ, layout="mono", options=dict(options or {})
        )
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bits_per_s
        frame = av.AudioFrame.from_ndarray(even[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        writer.mux([*stream.encode(frame), *stream.encode(None)])
    encoded.seek(0)
    with av.open(encoded, "r", format=container) as reader:
        blocks = list(filtered(reader.decode(audio=0), "aresample", str(SAMPLE_RATE_HZ)))
    decoded = np.concatenate(blocks, axis=1)[0]  # (samples,)
    missing = max(0, len(waveform) - len(decoded))
    return np.pad(decoded, (0, missing))[: len(waveform)].astype(np.float32)
