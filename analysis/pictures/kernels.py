"""What is lost with a slower scan backend: against the fastest one, at equal detector and input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from pydantic import Field

from fakemamba.analysis.charts.steps import step_medians
from fakemamba.analysis.palette import GREYS, Look, backend_look, look, looks_of
from fakemamba.analysis.pictures.figures import (
    PLAIN_NUMBERS,
    Caption,
    DrawnLine,
    NotDrawn,
    Outcome,
    captioned,
    disturbed_note,
    drawn_lines,
    house_style,
    part_cells,
    part_panels,
    plain_log_ticks,
    save_figure,
    shortened,
    tick_durations,
)
from fakemamba.analysis.results import ResultsError
from fakemamba.analysis.setting import in_words
from fakemamba.names import in_file_name
from fakemamba.records import in_part, read_record

PICTURE = "Slowdown by the scan's backend"
OWN_WAY = "fakemamba, "  # begins the name of a way that is one of our backends
OTHER_MARKERS = ("v", "P", "*", "<", ">")


Time = Annotated[float, Field(gt=0)]


@in_part
@dataclass(frozen=True)
class _Backend:
    part: str
    backend: str
    slowdown: Time


@in_part
@dataclass(frozen=True)
class _Loss:
    detector: str
    frontend: str
    duration_s: Time
    precision: str
    batch_size: int
    device: str
    backends: Annotated[list[_Backend], Field(min_length=1)]


@in_part
@dataclass(frozen=True)
class _Way:
    path: str
    num_frames: Annotated[int, Field(ge=1, lt=1 << 53)]
    latency_s: Time


@in_part
@dataclass(frozen=True)
class _Environment:
    device: str


@in_part
@dataclass(frozen=True)
class _Kernels:
    """What is drawn of the JSON of `fakemamba kernels`."""

    degradation: _Loss
    encoder: Annotated[list[_Way], Field(min_length=1)]
    environment: _Environment


def plot_degradation(results: pd.DataFrame, folder: Path) -> Iterator[Outcome]:
    """Draw the slowdown over duration, a figure a setting; yield each file, or why there is none.

    Drawn are detectors that were measured with several backends at equal durations.
    """
    cells, looks = part_cells(results), looks_of(results["detector"])
    drawn = False
    for caption, group in captioned(cells[cells["status"] == "measured"], looks):
        slowdowns = slowdown(group)
        if not slowdowns.empty:
            drawn = True
            yield _draw_degradation(slowdowns, caption, folder, disturbed_note(group))
    if not drawn:
        yield NotDrawn(
            PICTURE.lower(), "no detector was measured with several backends of the scan"
        )


def slowdown(cells: pd.DataFrame) -> pd.DataFrame:
    """Latency against the fastest backend's, of each detector, part and duration with several.

    Returns:
        Columns ``detector``, ``part``, ``duration_s``, ``backend`` and ``slowdown``, at least one.
    """
    keys = ["detector", "part", "duration_s"]
    medians = cells.groupby([*keys, "backend"], sort=False)["latency_s"].median().reset_index()
    groups = medians.groupby(keys)["latency_s"]
    several = groups.transform("size") > 1
    return medians.assign(slowdown=medians["latency_s"] / groups.transform("min"))[several]


def plot_kernels(path: Path, folder: Path) -> Path:
    """Draw what ``fakemamba kernels --json`` wrote, and return the file.

    Raises:
        ResultsError: the file is something else.
    """
    remedy = "it is not what `fakemamba kernels --json` writes: give that"
    content = read_record(path, _Kernels, ResultsError, remedy)
    loss = content.degradation
    backends, ways = (pd.DataFrame(map(vars, rows)) for rows in (loss.backends, content.encoder))
    left = {name: getattr(loss, name) for name in ("detector", "frontend", "duration_s")}
    both = {name: getattr(loss, name) for name in ("precision", "batch_size", "device")}
    both["device_name"] = content.environment.device
    title = f"left: {in_words(left)}; right: encoder of fake-mamba-l; {in_words(both)}"
    parts = list(dict.fromkeys(backends["part"]))
    with house_style():
        figure, row = plt.subplots(
            *(1, len(parts) + 1),
            figsize=(3.2 * len(parts) + 5.4, 3.8),
            width_ratios=[*[1.0] * len(parts), 1.7],
        )
        for axes, part in zip(row, parts, strict=False):
            _draw_bars(axes, backends[backends["part"] == part], loss.detector)
            axes.set_title(part)
        handles = _draw_ways(row[-1], ways)
        caption = Caption(title, in_file_name([loss.detector, loss.device]))
        notes = ["Bars: latency against the fastest backend's."]
        picture = "What each way to run the scan costs"
        return save_figure(figure, folder, "kernels", caption, picture, handles, notes)


def _draw_degradation(
    slowdowns: pd.DataFrame, caption: Caption, folder: Path, notes: list[str]
) -> Path:
    durations_s = list(slowdowns["duration_s"])
    with house_style():
        figure, panels = part_panels(slowdowns["part"])
        lines = drawn_lines(slowdowns, caption.looks)
        for line, of_line in lines:
            for part, group in of_line.groupby("part"):
                medians = step_medians(group, "slowdown", durations_s)
                style = line.stroke | line.points
                panels[str(part)].plot(medians["duration_s"], medians["slowdown"], **style)
        for axes in panels.values():
            tick_durations(axes, durations_s, "audio duration (s)")
            axes.set_ylim(bottom=0)
        next(iter(panels.values())).set_ylabel("latency / that of the fastest backend")
        handles = [line.handle for line, _ in lines]
        return save_figure(figure, folder, "degradation", caption, PICTURE, handles, notes)


def _draw_bars(axes: Axes, backends: pd.DataFrame, detector: str) -> None:
    """One part: a bar a backend, the fastest on top."""
    backends = backends.sort_values("slowdown", ascending=False)
    names = [shortened(name) for name in backends["backend"]]
    bars = axes.barh(names, backends["slowdown"], color=look(detector).colour, height=0.6)
    axes.bar_label(bars, [f" {value:.2f} ×" for value in backends["slowdown"]], fontsize="small")
    axes.set_xlim(0, 1.3 * backends["slowdown"].max())
    axes.set_xlabel("slowdown")
    axes.grid(visible=False, axis="y")


def _draw_ways(axes: Axes, ways: pd.DataFrame) -> list[Any]:
    """Latency over frames: our backends as everywhere, other packages' ways hollow."""
    lines, others = [], iter(OTHER_MARKERS * len(ways))
    for name, group in ways.groupby("path", sort=False):
        text = str(name)
        if text.startswith(OWN_WAY):
            line = DrawnLine(shortened(text), backend_look(text.removeprefix(OWN_WAY)))
        else:
            line = DrawnLine(shortened(text), Look(GREYS[1], next(others), (1.5, 1.5)), variant=1)
        axes.plot(group["num_frames"], group["latency_s"], **line.stroke | line.points)
        lines.append(line)
    tick_durations(axes, list(ways["num_frames"]), "frames")
    axes.set(yscale="log", ylabel="latency (s)", title="encoder")
    plain_log_ticks(axes.yaxis, PLAIN_NUMBERS)
    return [line.handle for line in lines]
