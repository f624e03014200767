"""Speech at another tempo and the same pitch, for synthesizers that know one rate only."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform


def at_tempo(waveform: Waveform, tempo: float) -> Waveform:
    """The waveform (samples,) at ``tempo`` times its rate, by FFmpeg's overlap-add (WSOLA)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE_HZ,
        format="flt",
        layout="mono",
        time_base=Fraction(1, SAMPLE_RATE_HZ),
    )
    sink = graph.add("abuffersink")
    graph.link_nodes(source, graph.add("atempo", f"{tempo:.6f}"), sink).configure()
    frame = av.AudioFrame.from_ndarray(waveform[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    graph.push(frame)
    graph.push(None)
    blocks = []
    while True:
        try:
            blocks.append(graph.pull().to_ndarray()[0].copy())
        except av.EOFError:
            return np.concatenate(blocks).astype(np.float32)
