"""Source tracing: which system is taken for which, and by which layer they are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.classes import BONA_FIDE_COLOUR, PER_CENT, SPOOF_COLOUR
from fakemamba.analysis.pictures.figures import Caption, Style, house_style, save_figure, shortened

SYSTEMS_PICTURE = "Systems and what they were taken for"
LAYERS_PICTURE = "Accuracy of tracing by layer"
MOST_SYSTEMS = 60
CELL_IN, NAMES_IN = 0.42, 2.4
MOST_NUMBERED = 20  # systems, for numbers to have room
DARK = 0.6  # a share; from here on text is white
SHADES = LinearSegmentedColormap.from_list("shares", ["#ffffff", BONA_FIDE_COLOUR])

Point = tuple[int | None, float, float, float]


def plot_systems(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], whose: str, path: Path
) -> Path:
    """Draw a confusion matrix, each row as shares of its system's trials.

    Args:
        confusion: trials of each system (rows) by what they were said to be of.
        classes: the systems, in the same order; of more than 60 the ones with most errors.
        whose: how systems were told apart, and by whose embeddings, in the title.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    counts = np.asarray(confusion, np.float64)
    errors = counts.sum(1) + counts.sum(0) - 2 * np.diag(counts)
    kept = np.sort(np.argsort(-errors, kind="stable")[:MOST_SYSTEMS])
    totals = counts.sum(1, keepdims=True)
    shares = (counts / np.where(totals > 0, totals, 1))[np.ix_(kept, kept)]
    names = [shortened(classes[place]) for place in kept]
    with house_style():
        side_in = max(2.4, CELL_IN * len(kept))
        figure, axes = plt.subplots(figsize=(max(6.4, NAMES_IN + side_in), NAMES_IN / 2 + side_in))
        axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
        if len(kept) <= MOST_NUMBERED:
            for row, column in np.argwhere(shares > 0):
                ink = "white" if shares[row, column] > DARK else GREYS[0]
                text = f"{100 * shares[row, column]:.0f}"
                style: Style = {"ha": "center", "va": "center", "fontsize": "small"}
                axes.text(column, row, text, **style, color=ink)
        axes.set_xticks(range(len(kept)), names, rotation=90)
        axes.set_yticks(range(len(kept)), names)
        axes.grid(visible=False)
        axes.set(xlabel="was said to be", ylabel="is")
        notes = ["Per cent of a system's trials, if one of the systems has to be named."]
        if len(classes) > len(kept):
            notes.append(f"{len(classes) - len(kept)} systems with fewer errors are not drawn.")
        caption = Caption(whose, "")
        return save_figure(figure, path.parent, path.stem, caption, SYSTEMS_PICTURE, (), notes)


def plot_layers(points: Sequence[Point], whose: str, path: Path) -> Path:
    """Draw the accuracy by layer of the front-end, and of the detector's own embedding.

    Args:
        points: layer (None: the detector's own), accuracy, and its interval's ends, shares of one.
        whose: how systems were told apart, and by whose embeddings, in the title.
        path: the PNG to write.

    Returns:
        The file that was written.
    """
    layers = [one for one in points if one[0] is not None]
    with house_style():
        figure, axes = plt.subplots(figsize=(7.2, 4.2))
        places, values, low, high = np.array(layers, np.float64).T
        ends = np.abs([low - values, high - values])
        style: Style = {"color": BONA_FIDE_COLOUR, "marker": "o", "capsize": 3}
        axes.errorbar(places, values, yerr=ends, **style, label="layers of the front-end")
        for _, value, least, most in (one for one in points if one[0] is None):
            axes.axhspan(least, most, color=SPOOF_COLOUR, alpha=0.2, linewidth=0)
            axes.axhline(value, color=SPOOF_COLOUR, label="the detector's own embedding")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PER_CENT)
        axes.set(ylim=(0, 1.02), xlabel="layer; 0 is what the first is given", ylabel="accuracy")
        handles = axes.get_legend_handles_labels()[0]
        notes = ["Bars and band: 95 % intervals. A layer is the mean of its frames."]
        caption = Caption(whose, "")
        return save_figure(figure, path.parent, path.stem, caption, LAYERS_PICTURE, handles, notes)
