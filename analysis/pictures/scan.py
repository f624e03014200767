"""The scans by themselves: latency over frames, a line a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from fakemamba.analysis.palette import backend_look
from fakemamba.analysis.pictures.figures import (
    Caption,
    DrawnLine,
    NotDrawn,
    Outcome,
    disturbed_note,
    house_style,
    plain_log_ticks,
    save_figure,
    shortened,
    tick_durations,
)
from fakemamba.analysis.setting import SETTING, in_words, split
from fakemamba.names import in_file_name
from fakemamba.typed import sweep_command

PICTURE = "latency of a scan"
SELECTIVE = "selective-scan"  # the other has its name in its file's
SHAPE = ("channels", "states")
SCANS = "bench/bench_scan.py"


def plot_scan(results: pd.DataFrame, folder: Path) -> Iterator[Outcome]:
    """Draw a figure a scan, precision, batch and execution; yield files, or why there is none."""
    cells = results[(results["part"] == "scan") & (results["status"] == "measured")]
    if cells.empty:
        reason = f"no cell of a scan has a time; measure with `{sweep_command([SCANS])}`"
        yield NotDrawn(PICTURE, reason)
        return
    for fields, group in split(cells, ("detector", *SETTING, *SHAPE)):
        scan = fields.pop("detector")
        words = [fields["device"], fields["precision"], f"b{fields['batch_size']:g}"]
        caption = Caption(in_words(fields), in_file_name([*words, fields["execution"]]))
        yield _draw(group, scan, caption, folder)


def _draw(cells: pd.DataFrame, scan: str, caption: Caption, folder: Path) -> Path:
    passes, directions = cells["passes"].unique(), cells["directions"].unique()
    size = (max(5.5, 3.7 * len(directions)), 1.4 + 2.9 * len(passes))
    frames = list(cells["num_frames"])
    with house_style():
        figure, grid = plt.subplots(
            len(passes), len(directions), sharex=True, sharey=True, squeeze=False, figsize=size
        )
        names = list(dict.fromkeys(cells["backend"]))
        lines = {name: DrawnLine(shortened(name), backend_look(name)) for name in names}
        for row, one_pass in zip(grid, passes, strict=True):
            for axes, direction in zip(row, directions, strict=True):
                shown = cells[(cells["passes"] == one_pass) & (cells["directions"] == direction)]
                for name, group in shown.groupby("backend", sort=False):
                    medians = group.groupby("num_frames")["latency_s"].median()
                    line = lines[str(name)]
                    axes.plot(medians.index, medians, **line.stroke | line.points)
                tick_durations(axes, frames, "frames (50 a second)")
                axes.set_yscale("log")
                plain_log_ticks(axes.yaxis)
                axes.set_title(f"{one_pass} · {direction}")
        for axes in grid.flat:
            axes.label_outer()
        for axes in grid[:, 0]:
            axes.set_ylabel("latency (s)")
        handles = [line.handle for line in lines.values()]
        notes = ["Above each panel: pass · directions.", *disturbed_note(cells)]
        kind = "scan" if scan == SELECTIVE else in_file_name([scan])
        title = f"Latency of the {scan.replace('-', ' ')}"
        return save_figure(figure, folder, kind, caption, title, handles, notes)
