"""Where in a recording a detector hears a spoof: its maps below the waveform, on one time axis."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.patches import Patch

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.classes import SPOOF_COLOUR
from fakemamba.analysis.pictures.evidence import Floats, draw_waveform
from fakemamba.analysis.pictures.figures import Caption, house_style, save_figure

PICTURE = "Maps of frames"
ROW_IN, WAVEFORM_ROWS = 1.1, 1.4
ALPHA = 0.25
NOTE = (
    "Scores of frames: higher is more bona fide. They tell what the detector looked at, not what "
    "was forged; each map has a scale of its own."
)
UNSIGNED = "* Minus how strongly a frame counts: lower counts more, for whichever class."


def plot_maps(
    waveform: Floats,
    maps: Mapping[str, Floats],
    *,
    rate_hz: int,
    frame_s: float,
    unsigned: Collection[str],
    spoofed_s: Sequence[tuple[float, float]] | None,
    headline: str,
    path: Path,
) -> Path:
    """Draw a recording's waveform, and each of its maps below.

    Args:
        waveform: samples (n,); of many, the envelope is drawn.
        maps: by method, scores of frames (frames,); higher is more bona fide.
        rate_hz: of the samples.
        frame_s: how long a frame is.
        unsigned: methods whose scores have no class.
        spoofed_s: from where to where speech is spoofed, in seconds; None if that is not known.
        headline: the recording and the detector.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    handles: list[Artist] = [Patch(facecolor=GREYS[2], label="waveform")]
    with house_style():
        figure, rows = plt.subplots(
            1 + len(maps),
            1,
            sharex=True,
            squeeze=False,
            height_ratios=[WAVEFORM_ROWS, *[1.0] * len(maps)],
            figsize=(9, ROW_IN * (WAVEFORM_ROWS + len(maps))),
        )
        sound, *below = rows[:, 0]
        draw_waveform(sound, waveform, rate_hz)
        sound.set_xlabel("")
        for axes, (name, scores) in zip(below, maps.items(), strict=True):
            axes.stairs(scores, frame_s * np.arange(len(scores) + 1), baseline=None, color=GREYS[0])
            if name not in unsigned:
                axes.axhline(0, color=GREYS[1], linewidth=0.8)
            axes.set_title(f"{name}*" if name in unsigned else name, loc="left", fontsize="small")
        rows[-1, 0].set_xlabel("time (s)")
        for start_s, end_s in spoofed_s or ():
            for axes in rows[:, 0]:
                axes.axvspan(start_s, end_s, color=SPOOF_COLOUR, alpha=ALPHA, linewidth=0)
        if spoofed_s is not None:
            handles.append(Patch(facecolor=SPOOF_COLOUR, alpha=ALPHA, label="labelled spoof"))
        notes = [NOTE, UNSIGNED] if set(unsigned) & set(maps) else [NOTE]
        caption = Caption(headline, "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, notes)
