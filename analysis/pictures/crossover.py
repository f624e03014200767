"""The crossover chart: from which duration on one detector beats each of the others.

A bar is the range that both were measured in, in the colour and with the marker of the better one;
it is hatched where noise leaves open which one that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fakemamba.analysis.palette import GREYS, Looks
from fakemamba.analysis.pictures.figures import (
    LONGEST_NAME,
    Caption,
    NotDrawn,
    Outcome,
    Style,
    captioned,
    house_style,
    plain_log_ticks,
    save_figure,
)
from fakemamba.analysis.scaling.crossover import Crossover
from fakemamba.analysis.setting import PARTS
from fakemamba.names import short_names

PICTURE = "Which detector is better, and from which duration on"
QUANTITIES = ("latency", "peak-memory", "energy")
NO_SCAN = "none"  # the backend of a detector without a scan
OPEN: Style = {"facecolor": "white", "edgecolor": GREYS[1], "hatch": "////"}
SMALL: Style = {"va": "center", "fontsize": "small", "color": GREYS[0]}
HEIGHT = 0.62  # of a bar; rows are 1 apart
NOTES = (
    "A bar has the colour and the marker of the better one; beside it is by which factor, at the "
    "longest common duration, with its 95 % interval. In brackets: the backend of the scans. Line: "
    "the last crossing.",
)


def plot_crossover(
    crossovers: Sequence[Crossover], against: Sequence[str], looks: Looks, folder: Path
) -> Iterator[Outcome]:
    """Draw one figure a setting: parts below each other, quantities side by side, a bar a rival.

    Left out are pairs whose scans ran with different backends.

    Args:
        crossovers: from `crossovers`.
        against: names in order; the first of them that a setting has is compared with all others.
        looks: of all detectors of the results.
        folder: to write to.

    Yields:
        Each file, or why there is none.
    """
    table = pd.DataFrame([{**one.labels(), "pair": one} for one in crossovers if _is_fair(one)])
    drawn = False
    for caption, group in captioned(table, looks):
        pairs = list(group["pair"])
        present = {
            name for one in pairs if one.start_s is not None for name in (one.detector, one.rival)
        }
        chosen = next((name for name in against if name in present), None)
        if chosen is not None:
            drawn = True
            of_it = [one for one in pairs if chosen in (one.detector, one.rival)]
            yield _draw(of_it, chosen, caption, folder)
    if not drawn:
        others = "no two detectors" if len(against) != 1 else f"no other detector than {against[0]}"
        reason = f"{others} were measured at several durations in one setting"
        yield NotDrawn(PICTURE.lower(), reason)


def _is_fair(pair: Crossover) -> bool:
    backends = {pair.backend, pair.rival_backend} - {NO_SCAN}
    return pair.part in PARTS and pair.quantity in QUANTITIES and len(backends) <= 1


def _draw(pairs: list[Crossover], against: str, caption: Caption, folder: Path) -> Path:
    parts = [part for part in PARTS if any(one.part == part for one in pairs)]
    compared = {one.quantity for one in pairs if one.start_s is not None}
    quantities = [name for name in QUANTITIES if name in compared]
    notes = [*NOTES, *_without(pairs, compared)]
    rows = {part: _rows([one for one in pairs if one.part == part], against) for part in parts}
    counts = [len(rows[part]) for part in parts]
    ends_s = [end for one in pairs for end in (one.start_s, one.to_s) if end is not None]
    with house_style():
        figure, grid = plt.subplots(
            *(len(parts), len(quantities)),
            sharex=True,
            squeeze=False,
            height_ratios=[count + 0.6 for count in counts],
            figsize=(2.2 + 4.6 * len(quantities), 0.6 + 0.36 * sum(counts) + 0.55 * len(parts)),
        )
        for line, part in zip(grid, parts, strict=True):
            for axes, quantity in zip(line, quantities, strict=True):
                shown = [one for one in pairs if (one.part, one.quantity) == (part, quantity)]
                for one in shown:
                    _draw_bar(axes, one, rows[part].index(_name(one, against)), caption.looks)
                ticks = short_names(rows[part], LONGEST_NAME).values()
                axes.set_yticks(range(len(rows[part])), ticks)
                axes.set(ylim=(len(rows[part]) - 0.4, -0.6), title=f"{part}, {quantity}")
                axes.grid(visible=False, axis="y")
                axes.label_outer()
        for axes in grid.flat:
            if ends_s:
                axes.set(xscale="log", xlim=(min(ends_s), max(ends_s)))
                plain_log_ticks(axes.xaxis)
        for axes in grid[-1]:
            axes.set_xlabel("audio duration (s)")
        winners = dict.fromkeys(name for one in pairs for name in (one.detector, one.rival))
        labels = short_names(winners, LONGEST_NAME)
        handles: list[Artist] = [
            Line2D(
                *([], []),
                color=caption.looks[name].colour,
                marker=caption.looks[name].marker,
                markeredgecolor="white",
                linewidth=8,
                label=labels[name],
            )
            for name in sorted(winners, key=lambda name: name != against)
        ]
        handles.append(Patch(**OPEN, label="open within noise (95 %)"))
        return save_figure(figure, folder, "crossover", caption, PICTURE, handles, notes)


def _rows(pairs: list[Crossover], against: str) -> list[str]:
    return list(dict.fromkeys(_name(one, against) for one in pairs))


def _name(pair: Crossover, against: str) -> str:
    """The other detector, and the backend of the scan if there is one."""
    rival = pair.rival if pair.detector == against else pair.detector
    backends = {pair.backend, pair.rival_backend} - {NO_SCAN, None}
    return rival + "".join(f" ({backend})" for backend in backends)


def _draw_bar(axes: Axes, pair: Crossover, row: int, looks: Looks) -> None:
    if pair.start_s is None:
        axes.text(0.02, row, "not compared", transform=axes.get_yaxis_transform(), **SMALL)
        return
    style: Style
    for low_s, high_s, winner in segments(pair):
        style = OPEN
        if winner is not None:
            style = {"facecolor": looks[winner].colour, "edgecolor": "white"}
        axes.barh(row, high_s - low_s, left=low_s, height=HEIGHT, linewidth=0.5, **style)
        if winner is not None:
            middle_s = np.sqrt(low_s * high_s)
            style = {"color": looks[winner].colour, "marker": looks[winner].marker}
            axes.plot(middle_s, row, **style, markersize=8, markeredgecolor="white")
    if pair.from_s is not None and pair.from_s > pair.start_s:
        axes.vlines(pair.from_s, row - HEIGHT / 2, row + HEIGHT / 2, color=GREYS[0], linewidth=2)
    beside: Style = {"transform": axes.get_yaxis_transform(), "clip_on": False}
    text = "open"
    if pair.verdict != "undecided" and pair.ratio is not None and pair.ratio_ci is not None:
        low, high = pair.ratio_ci
        style = {"color": looks[pair.detector].colour, "marker": looks[pair.detector].marker}
        axes.plot(1.035, row, **style, **beside)
        text = f"{pair.ratio:.3g} × ({low:.3g}–{high:.3g})"
    axes.text(1.07, row, text, **SMALL, **beside)


def segments(pair: Crossover) -> list[tuple[float, float, str | None]]:
    """Ranges in seconds and who is better in each; None where that is open."""
    start_s, to_s = pair.start_s, pair.to_s
    if start_s is None or to_s is None:
        return []
    if pair.verdict == "throughout":
        return [(start_s, to_s, pair.detector)]
    if pair.verdict == "undecided" or pair.from_s_ci is None:
        return [(start_s, to_s, None)]
    low_s, high_s = pair.from_s_ci
    is_one_crossing = pair.verdict == "from a duration on" and bool(pair.crossings_s)
    before = pair.rival if is_one_crossing else None
    ranges = [(start_s, low_s, before), (low_s, high_s, None), (high_s, to_s, pair.detector)]
    return [(one_s, other_s, winner) for one_s, other_s, winner in ranges if one_s < other_s]


def _without(pairs: list[Crossover], compared: set[str]) -> list[str]:
    """For each quantity of which nothing could be compared, why."""
    reasons = {one.quantity: one.reason for one in pairs if one.quantity not in compared}
    return [f"No {quantity}: {reason}." for quantity, reason in reasons.items()]
