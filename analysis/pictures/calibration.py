"""Whether scores mean what they say: both classes' distributions, thresholds and reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import expit

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, PER_CENT, SPOOF_COLOUR
from fakemamba.analysis.pictures.figures import Caption, Style, house_style, save_figure

PICTURE = "Scores and their reliability"
BINS = 80  # of scores
TAIL = 0.001  # share of all scores at either end that is outside the drawing
ROOM = 0.03  # of what is drawn, at either end
STEPS = 10  # of probability
FEW = 20  # trials
LEAST_AREA, MOST_AREA = 12.0, 160.0  # of a marker, in points²
STROKES = ((0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), "-")
NOTE = (
    "Left: shares of each class. Right: if scores are log-likelihood ratios, points lie on the "
    "diagonal; both classes weigh the same, areas are shares of the trials, hollow ones are of "
    f"fewer than {FEW} trials."
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreSet:
    """Scores of one system in one state, such as before and after it was calibrated.

    Attributes:
        name: of the state.
        bonafide: scores (n,), read as natural log-likelihood ratios of bona fide over spoof.
        spoof: scores (m,).
        cllr_bits: their cost.
        thresholds: scores to draw, by their names, such as that of equal errors; a name has the
            same line in every state.
    """

    name: str
    bonafide: Floats
    spoof: Floats
    cllr_bits: float
    thresholds: Mapping[str, float] = field(default_factory=dict)


def plot_calibration(states: Sequence[ScoreSet], system: str, path: Path) -> Path:
    """Draw the distributions and the reliability of scores, a row a state.

    Args:
        states: one or more, above each other.
        system: whose scores they are.
        path: the PNG to write.

    Returns:
        The file that was written.

    Raises:
        ValueError: no states.
    """
    if not states:
        raise ValueError("there are no scores to draw")
    names = list(dict.fromkeys(name for state in states for name in state.thresholds))
    strokes: dict[str, Style] = {
        name: {"color": GREYS[0], "linestyle": STROKES[place % len(STROKES)]}
        for place, name in enumerate(names)
    }
    with house_style():
        figure, rows = plt.subplots(
            len(states), 2, squeeze=False, figsize=(9.2, 3.5 * len(states)), width_ratios=(3, 2)
        )
        for state, (distribution, reliable) in zip(states, rows, strict=True):
            _draw_scores(distribution, state, strokes)
            _draw_reliability(reliable, state)
        handles: list[Artist] = [
            Patch(facecolor=BONA_FIDE_COLOUR, alpha=0.6, label="bona fide"),
            Patch(facecolor=SPOOF_COLOUR, alpha=0.6, label="spoof"),
        ]
        for name, stroke in strokes.items():
            handles.append(Line2D([], [], **stroke, label=name))
        caption = Caption(system, "")
        return save_figure(figure, path.parent, path.stem, caption, PICTURE, handles, [NOTE])


def reliability(bonafide: Floats, spoof: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """What scores promise and what holds, in ten steps of probability, for equal priors.

    Args:
        bonafide: log-likelihood ratios (n,).
        spoof: log-likelihood ratios (m,).

    Returns:
        Of each step that has trials: the mean probability of bona fide that they claim, the share
        that is bona fide (both with equal weight of the classes), and the number of trials.
    """
    claimed = expit(np.concatenate([bonafide, spoof]))
    is_bonafide = np.arange(len(claimed)) < len(bonafide)
    weights = np.where(is_bonafide, 1 / len(bonafide), 1 / len(spoof))
    step = np.minimum((claimed * STEPS).astype(np.int64), STEPS - 1)
    counts = np.bincount(step, minlength=STEPS)
    weight = np.bincount(step, weights, STEPS)
    promise = np.bincount(step, weights * claimed, STEPS)
    share = np.bincount(step, weights * is_bonafide, STEPS)
    has = counts > 0
    return promise[has] / weight[has], share[has] / weight[has], counts[has]


def _draw_scores(axes: Axes, state: ScoreSet, strokes: Mapping[str, Style]) -> None:
    every = np.concatenate([state.bonafide, state.spoof])
    low, high = np.quantile(every, [TAIL, 1 - TAIL])
    shown = [low, high, *state.thresholds.values()]
    low, high = min(shown), max(shown)
    room = ROOM * (high - low) or 1.0
    edges = np.linspace(low - room, high + room, BINS + 1)
    for scores, colour in ((state.bonafide, BONA_FIDE_COLOUR), (state.spoof, SPOOF_COLOUR)):
        shares = np.histogram(scores, edges)[0] / len(scores)
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.6)
        axes.stairs(shares, edges, color=colour, linewidth=1.0)
    for name, threshold in state.thresholds.items():
        axes.axvline(threshold, **strokes[name], linewidth=1.3)
    told = ", ".join(f"{name} {value:.3g}" for name, value in state.thresholds.items())
    axes.set_title(f"{state.name}: Cllr {state.cllr_bits:.3g} bits")
    axes.set_xlabel(f"score\nthresholds: {told}" if told else "score")
    axes.set_ylabel("share of the class")
    axes.yaxis.set_major_formatter(PER_CENT)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None))


def _draw_reliability(axes: Axes, state: ScoreSet) -> None:
    promise, share, counts = reliability(state.bonafide, state.spoof)
    axes.plot([0, 1], [0, 1], color=GREYS[2], linewidth=1, linestyle=(0, (1, 3)))
    axes.plot(promise, share, color=GREYS[1], linewidth=1.2)
    areas = LEAST_AREA + (MOST_AREA - LEAST_AREA) * counts / counts.sum()
    inks = np.where(counts < FEW, "white", GREYS[0])
    axes.scatter(promise, share, areas, c=inks, edgecolors=GREYS[0], zorder=3)
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
    axes.set(xlabel="claimed probability of bona fide", ylabel="share that is bona fide")
    axes.xaxis.set_major_formatter(PER_CENT)
    axes.yaxis.set_major_formatter(PER_CENT)
