"""Detection error trade-off: both error rates of a detector at all thresholds.

On axes of normal deviates a detector with Gaussian scores is a straight line, and one that is
better by a factor looks better by a distance (Martin et al. 1997, "The DET curve in assessment of
detection task performance").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.special import ndtr, ndtri

from fakemamba.analysis.palette import GREYS, system_looks
from fakemamba.analysis.pictures.classes import PER_CENT
from fakemamba.analysis.pictures.figures import (
    Caption,
    DrawnLine,
    house_style,
    save_figure,
    shortened,
)

PICTURE = "Detection error trade-off"
TICKS = (1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
LEAST_RATE = 1e-5
OUTSIDE = LEAST_RATE / 10  # where a rate of 0, which has no normal deviate, is drawn
USUAL_HIGH = 0.5
STEPS = 2_000  # from the least rate to the largest: what moves less is not seen
NOTE = (
    "Axes of normal deviates: a detector with Gaussian scores is a straight line. Markers: equal "
    "error, as ASVspoof counts it. The curve's steps are single trials."
)

Rates = npt.NDArray[np.float64]


def plot_det(curves: Mapping[str, tuple[Rates, Rates]], path: Path) -> Path:
    """Draw the curve of each system, and its point of equal error.

    Args:
        curves: rejected bona fide (n + 1,) and accepted spoofs (n + 1,) of each system by its name,
            as shares, at ascending thresholds; from `error_rates`.
        path: the PNG to write.

    Returns:
        The file that was written.

    Raises:
        ValueError: no curves.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    places = {name: _equal_error(*rates) for name, rates in curves.items()}
    low, high = _limits(curves, [eer for _, _, eer in places.values()])
    looks = system_looks(list(curves))
    with house_style():
        figure, axes = plt.subplots(figsize=(6.4, 6.1))
        axes.set(xlabel="spoofs accepted", ylabel="bona fide rejected")
        _deviate_axes(axes, low, high)
        axes.plot([low, high], [low, high], color=GREYS[2], linewidth=1, linestyle=(0, (1, 3)))
        handles: list[Artist] = []
        for name, (miss, false_accept) in curves.items():
            miss_at, false_accept_at, eer = places[name]
            line = DrawnLine(f"{shortened(name)}, EER {100 * eer:.3g} %", looks[name])
            axes.plot(*thinned(false_accept, miss), **line.stroke)
            axes.plot([false_accept_at], [miss_at], **line.points, linestyle="", zorder=3)
            handles.append(line.handle)
        perfect = [shortened(name) for name, (_, _, eer) in places.items() if eer == 0]
        notes = [NOTE] + [f"Out of sight, without an error: {', '.join(perfect)}."] * bool(perfect)
        caption = Caption("each curve is one system at all thresholds", "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, notes)


def thinned(x: Rates, y: Rates) -> tuple[Rates, Rates]:
    """The corners (m,) of a curve (n,) that can be told apart on axes of normal deviates.

    Points in one cell of a fine grid are drawn as the first and the last of them, so that a curve
    of any length has some thousand corners.
    """
    places = np.stack([_deviates(x), _deviates(y)])  # (2, n)
    cells = np.round(places * (STEPS / np.ptp(_deviates([0, 1]))))
    differs = np.any(np.diff(cells, axis=1) != 0, axis=0)  # (n - 1,)
    keep = np.append(True, differs) | np.append(differs, True)
    return x[keep], y[keep]


def _equal_error(miss: Rates, false_accept: Rates) -> tuple[float, float, float]:
    """Both rates where they differ least, and their mean."""
    best = int(np.argmin(np.abs(miss - false_accept)))
    rates = float(miss[best]), float(false_accept[best])
    return (*rates, sum(rates) / 2)


def _limits(curves: Mapping[str, tuple[Rates, Rates]], eers: list[float]) -> tuple[float, float]:
    """Both axes' ends: from rates that one trial makes, or that are far from all equal errors."""
    one_trial = min(float(rates[rates > 0].min()) for pair in curves.values() for rates in pair)
    seen = min((eer for eer in eers if eer > 0), default=one_trial)
    low = max(LEAST_RATE, one_trial / 2, seen / 20)
    high = max(USUAL_HIGH, *(1 - (1 - eer) / 2 for eer in eers))
    return min(low, USUAL_HIGH / 2), high


def _deviate_axes(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("function", functions=(_deviates, ndtr))
    axes.set_yscale("function", functions=(_deviates, ndtr))
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1)
    axes.set_anchor("N")  # room for the notes
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(PER_CENT)


def _deviates(rates: npt.ArrayLike) -> Rates:
    """Normal deviates of rates; those of 0 and 1 are finite, but out of sight."""
    return ndtri(np.clip(rates, OUTSIDE, 1 - OUTSIDE))
