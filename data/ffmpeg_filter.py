"""Audio frames through one of FFmpeg's filters, in the thread that asks for them.

By itself FFmpeg gives each graph of filters threads of its own, as PyAV's AudioResampler has it. A
process that is forked inherits such graphs without their threads, and waits for these for ever when
it frees one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt


def filtered(
    frames: Iterable[av.AudioFrame], name: str, arguments: str | None = None
) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks (channels, samples) of what a filter makes of audio frames.

    Args:
        frames: of one rate, format and layout.
        name: FFmpeg's name of the filter.
        arguments: of the filter, as FFmpeg has them.

    Raises:
        av.FFmpegError: the filter cannot take these arguments, or frames differ.
        ValueError: no such filter.
    """
    graph: av.filter.Graph | None = None
    for frame in frames:
        if graph is None:
            graph = _graph(frame, name, arguments)
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _graph(frame: av.AudioFrame, name: str, arguments: str | None) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1  # the one that calls
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base or Fraction(1, frame.sample_rate),
    )
    to_float = graph.add("aformat", "sample_fmts=fltp")
    nodes = source, graph.add(name, arguments), to_float, graph.add("abuffersink")
    graph.link_nodes(*nodes).configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[npt.NDArray[np.float32]]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame.to_ndarray().astype(np.float32, copy=False)
