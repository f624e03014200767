"""Shares of the parts over duration: where they took longer alone, a bar is higher than 100 %."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from fakemamba.analysis.palette import GREYS, looks_of
from fakemamba.analysis.pictures.figures import (
    Caption,
    DrawnLine,
    NotDrawn,
    Outcome,
    Style,
    captioned,
    drawn_lines,
    house_style,
    part_cells,
    save_figure,
)
from fakemamba.analysis.shares import part_shares, stepped

PICTURE = "shares of the parts"
MOST_COLUMNS = 4
FRONTEND: Style = {"facecolor": GREYS[3], "edgecolor": "white"}
ENCODER: Style = {"edgecolor": "white", "hatch": "///"}
REST: Style = {"facecolor": "white", "edgecolor": GREYS[1], "hatch": "..."}
LINE_NOTE = "100 % is the end-to-end latency at the same duration; a part alone may take longer."


def plot_shares(results: pd.DataFrame, folder: Path) -> Iterator[Outcome]:
    """Draw one figure a setting, a panel a detector; yield each file, or why there is none."""
    cells, looks = part_cells(results), looks_of(results["detector"])
    drawn = False
    for caption, group in captioned(cells[cells["status"] == "measured"], looks):
        lines = drawn_lines(group, caption.looks)
        shares = [(line, part_shares(of_line)) for line, of_line in lines]
        shares = [(line, table) for line, table in shares if not table.empty]
        if shares:
            drawn = True
            yield _draw(shares, caption, folder)
    if not drawn:
        yield NotDrawn(
            PICTURE,
            "no detector has front-end, encoder and end-to-end at one duration; measure with "
            "--bench-parts front-end,encoder,end-to-end",
        )


def _draw(shares: list[tuple[DrawnLine, pd.DataFrame]], caption: Caption, folder: Path) -> Path:
    columns = min(len(shares), MOST_COLUMNS)
    rows = -(-len(shares) // columns)
    size = (max(5.5, 3.6 * columns), 0.9 + 2.9 * rows)
    with house_style():
        figure, grid = plt.subplots(rows, columns, sharey=True, squeeze=False, figsize=size)
        for axes, (line, table) in zip(grid.flat, shares, strict=False):
            _draw_bars(axes, line, table)
        for axes in grid.flat[len(shares) :]:
            axes.set_axis_off()
        grid[0, 0].set_ylim(0, 1.05 * max(axes.dataLim.y1 for axes in grid.flat[: len(shares)]))
        for axes in grid[:, 0]:
            axes.set_ylabel("share of end-to-end latency")
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        handles = [
            Patch(**FRONTEND, label="front-end"),
            Patch(**ENCODER, facecolor=GREYS[1], label="encoder (in the detector's colour)"),
            Patch(**REST, label="rest of end-to-end"),
        ]
        over = pd.concat([table["rest"] for _, table in shares])
        notes = [LINE_NOTE]
        if (over < 0).any():
            notes.append(
                f"At {(over < 0).sum()} of {len(over)} durations front-end and encoder alone took "
                f"longer than end-to-end, by up to {-over.min():.0%}: no rest is drawn there."
            )
        return save_figure(
            figure, folder, "shares", caption, "What the time goes to", handles, notes
        )


def _draw_bars(axes: Axes, line: DrawnLine, table: pd.DataFrame) -> None:
    """One detector."""
    bars = stepped(table)
    places, bottom = np.arange(len(bars)), np.zeros(len(bars))
    looks = {
        "front-end": FRONTEND,
        "encoder": ENCODER | {"facecolor": line.look.colour},
        "rest": REST,
    }
    for part, look in looks.items():
        heights = bars[part].clip(lower=0).to_numpy()
        axes.bar(places, heights, bottom=bottom, width=0.85, linewidth=0.5, **look)
        bottom += heights
    axes.axhline(1, color=GREYS[0], linewidth=0.9)
    axes.set_xticks(places, [f"{duration_s:.2g}" for duration_s in bars["duration_s"]])
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("audio duration (s)")
    axes.set_title(line.name)
