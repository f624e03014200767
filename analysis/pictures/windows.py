"""A recording by windows: what each got, over the waveform that it is of."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.patches import Patch

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.classes import SPOOF_COLOUR
from fakemamba.analysis.pictures.evidence import Doubles, Floats, draw_waveform
from fakemamba.analysis.pictures.figures import Caption, house_style, save_figure

PICTURE = "Windows"
NOTE = (
    "Each window's own {what}, at its middle; windows overlap where the hop is shorter than they "
    "are. Where there is no line, there is no speech by its level."
)


def plot_windows(
    waveform: Floats,
    spans_s: Doubles,
    values: Doubles,
    *,
    rate_hz: int,
    is_probability: bool,
    threshold: float | None,
    headline: str,
    path: Path,
) -> Path:
    """Draw a recording's waveform and, over it, what its windows got.

    Args:
        waveform: samples (n,); of many, the envelope is drawn.
        spans_s: where each window begins and ends (windows, 2), in seconds.
        values: of each (windows,), NaN in silence: P(spoof), or a score that is higher for bona
            fide.
        rate_hz: of the samples.
        is_probability: which of the two it is.
        threshold: score from which on a recording is bona fide; None where there is none.
        headline: the recording, and what was made of it.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    middles_s = spans_s.mean(axis=1)
    with house_style():
        figure, sound = plt.subplots(figsize=(9, 3.4))
        draw_waveform(sound, waveform, rate_hz)
        over = sound.twinx()
        over.grid(visible=False)
        what = "P(spoof)" if is_probability else "score"
        colour = SPOOF_COLOUR if is_probability else GREYS[0]
        (line,) = over.plot(
            middles_s, values, color=colour, marker="o", markersize=3, label=f"{what} of a window"
        )
        handles: list[Artist] = [line]
        if is_probability:
            over.set_ylim(-0.02, 1.02)
        if threshold is not None:
            rule = over.axhline(threshold, color=GREYS[0], linestyle=":", label="threshold")
            handles.append(rule)
        over.set_ylabel(what if is_probability else "score (higher: bona fide)")
        handles.append(Patch(facecolor=GREYS[2], label="waveform"))
        note = NOTE.format(what="probability" if is_probability else "score")
        caption = Caption(headline, "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, [note])
