"""How long recordings are: of the results, and of corpora whose lengths are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from fakemamba.analysis.palette import GREYS
from fakemamba.analysis.pictures.figures import (
    Caption,
    NotDrawn,
    Outcome,
    Style,
    house_style,
    save_figure,
    shortened,
    tick_durations,
)
from fakemamba.analysis.setting import SUBJECT

PICTURE = "Lengths of the recordings"
STEPS = 24
STROKES = (("-", 2.0), ((0, (4, 2)), 1.6), ((0, (1.5, 1.5)), 1.6), ((0, (6, 1.5, 1.5, 1.5)), 1.6))
USUAL_INPUT_S = 64_600 / 16_000  # what most published detectors cut or tile every recording to


def plot_lengths(
    results: pd.DataFrame, lengths_s: Mapping[str, Sequence[float]], folder: Path
) -> Iterator[Outcome]:
    """Draw the distribution as a histogram and as its sum; yield the file, or why there is none.

    Args:
        results: from `read_results`; each recording counts once.
        lengths_s: durations of other corpora by their names; each stands for an equal share.
        folder: to write to.
    """
    recordings = distinct_recordings(results)
    tables = {}
    if not recordings.empty:
        tables[f"{len(recordings)} recordings of these results"] = recordings["duration_s"]
    tables |= {shortened(name): pd.Series(list(values)) for name, values in lengths_s.items()}
    if not tables:
        yield NotDrawn(PICTURE.lower(), "the results are not of recordings; name some by --lengths")
        return
    every_s = np.concatenate(list(tables.values()))
    edges_s = np.geomspace(every_s.min() * 0.999, every_s.max() * 1.001, STEPS + 1)
    with house_style():
        figure, (histogram, sums) = plt.subplots(1, 2, sharex=True, figsize=(9, 3.8))
        handles = []
        for place, (name, values_s) in enumerate(tables.items()):
            linestyle, linewidth = STROKES[place % len(STROKES)]
            style: Style = {"linestyle": linestyle, "linewidth": linewidth}
            style |= {"color": GREYS[place % 3]}
            shares = np.histogram(values_s, edges_s)[0] / len(values_s)
            histogram.stairs(shares, edges_s, **style)
            ascending_s = np.sort(values_s)
            reached = np.arange(len(ascending_s) + 1) / len(ascending_s)
            sums.step(np.append(ascending_s, ascending_s[-1]), reached, where="pre", **style)
            handles.append(Line2D([], [], **style, label=name))
        for axes in (histogram, sums):
            tick_durations(axes, list(every_s), "duration (s)")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.axvline(USUAL_INPUT_S, color=GREYS[1], linewidth=0.9, linestyle=(0, (1, 3)))
            axes.set_ylim(bottom=0)
        histogram.set_ylabel("share of the recordings")
        sums.set_ylabel("share that is not longer")
        notes = [f"Dotted: {USUAL_INPUT_S:.4g} s, to which most published detectors cut or tile."]
        caption = Caption("each recording once; steps of equal ratio", "")
        yield save_figure(figure, folder, "lengths", caption, PICTURE, handles, notes)


def distinct_recordings(results: pd.DataFrame) -> pd.DataFrame:
    """A row a recording, which has a cell for every detector, part and setting.

    A name is that of a file without its folder, so several recordings of one sweep may share name
    and duration: the first, second and so on of these are told apart.
    """
    cells = results[results["input"] == "recording"]
    name = ["recording", "duration_s"]
    place = cells.groupby(["launch", *SUBJECT, *name], dropna=False).cumcount()
    return cells.assign(place=place).drop_duplicates([*name, "place"])
