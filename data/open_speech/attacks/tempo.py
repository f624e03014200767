"""Speech at another tempo and the same pitch, for synthesizers that know one rate only."""

from __future__ import annotations

import av
import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.ffmpeg_filter import filtered


def at_tempo(waveform: Waveform, tempo: float) -> Waveform:
    """The waveform (samples,) at ``tempo`` times its rate, by FFmpeg's overlap-add (WSOLA)."""
    frame = av.AudioFrame.from_ndarray(waveform[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    return np.concatenate(list(filtered([frame], "atempo", f"{tempo:.6f}")), axis=1)[0]
