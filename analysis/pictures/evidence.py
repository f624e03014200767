"""Where in a recording its score came from: each frame's share, over the waveform."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from scipy.ndimage import uniform_filter1d

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, SPOOF_COLOUR
from fakemamba.analysis.pictures.figures import Caption, house_style, save_figure

PICTURE = "Frame evidence"
LEAST_MEAN_S = 0.1  # syllables, not periods of a voice
STEPS = 200  # of the mean in a picture, so that long recordings can be read as well
COLUMNS = 1500  # of the envelope, about one a pixel
HEADROOM = 1.1
ALPHA = 0.6
NOTE = (
    "Gradient times input at the front-end (Shrikumar et al. 2016), mean over {mean_s:.2g} s: "
    "where this score comes from, not which samples a machine made. Compare stretches with each "
    "other; shares add up to {total:+.3g}, not to the score, so more of one colour is no verdict."
)

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]


def plot_evidence(
    waveform: Floats,
    evidence: Floats,
    *,
    rate_hz: int,
    first_s: float,
    hop_s: float,
    headline: str,
    path: Path,
) -> Path:
    """Draw a recording's waveform and, over it, what its frames add to its score.

    Args:
        waveform: samples (n,); of many, the envelope is drawn.
        evidence: a frame's share of the score (T,), in units of the logit: over 0 towards bona
            fide, below towards spoof.
        rate_hz: of the samples.
        first_s: where the middle of the first frame is.
        hop_s: from one frame to the next.
        headline: the recording, and what was made of it.
        path: the PNG to write.

    Returns:
        The file that was written.

    Raises:
        ValueError: no frames.
    """
    if not len(evidence):
        raise ValueError(f"{headline}: there are no frames to draw")
    mean, mean_s = running_mean(evidence, hop_s)
    rates = mean / hop_s  # so that areas are shares, however short the frames are
    edges_s = first_s + hop_s * (np.arange(len(rates) + 1) - 0.5)
    with house_style():
        figure, sound = plt.subplots(figsize=(9, 3.4))
        draw_waveform(sound, waveform, rate_hz)
        shares = sound.twinx()
        parts = (
            ("towards bona fide", BONA_FIDE_COLOUR, np.maximum(rates, 0)),
            ("towards spoof", SPOOF_COLOUR, np.minimum(rates, 0)),
        )
        handles: list[Artist] = []
        for name, colour, values in parts:
            shares.stairs(values, edges_s, fill=True, color=colour, alpha=ALPHA)
            handles.append(Patch(facecolor=colour, alpha=ALPHA, label=name))
        handles.append(Patch(facecolor=GREYS[2], label="waveform"))
        shares.stairs(rates, edges_s, baseline=None, color=GREYS[0], linewidth=0.8)
        shares.axhline(0, color=GREYS[0], linewidth=0.8)
        shares.grid(visible=False)
        shares.set_ylabel("share of the score\n(logit units a second)")
        _centre_zero(shares, float(np.abs(rates).max()))
        note = NOTE.format(mean_s=mean_s, total=float(evidence.sum(dtype=np.float64)))
        caption = Caption(headline, "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, [note])


def running_mean(evidence: Floats, hop_s: float) -> tuple[Doubles, float]:
    """The running mean (T,) of evidence (T,), which has the same sum, and over how many seconds.

    These are `LEAST_MEAN_S`, or a `STEPS`-th of a long recording. The ends are mirrored.
    """
    frames = max(round(LEAST_MEAN_S / hop_s), len(evidence) // STEPS)
    frames = min(frames, len(evidence))
    frames -= 1 - frames % 2  # odd, so that nothing moves
    return uniform_filter1d(evidence.astype(np.float64), frames), frames * hop_s


def envelope(waveform: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """The first sample of each of at most `COLUMNS` stretches, and the least and greatest in it."""
    columns = min(COLUMNS, len(waveform))
    starts = np.arange(columns) * len(waveform) // columns
    return starts, np.minimum.reduceat(waveform, starts), np.maximum.reduceat(waveform, starts)


def draw_waveform(axes: Axes, waveform: Floats, rate_hz: int) -> None:
    """Draw samples (n,), or the envelope of many, over seconds."""
    starts, low, high = envelope(waveform)
    axes.fill_between(starts / rate_hz, low, high, step="post", color=GREYS[2], linewidth=0.5)
    axes.set(xlim=(0, len(waveform) / rate_hz), xlabel="time (s)", ylabel="waveform")
    axes.grid(visible=False, axis="y")
    _centre_zero(axes, float(np.abs(waveform).max()))


def _centre_zero(axes: Axes, largest: float) -> None:
    """Zero in the middle, so that both zero lines are one."""
    axes.set_ylim(-HEADROOM * (largest or 1.0), HEADROOM * (largest or 1.0))
