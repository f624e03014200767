"""What all pictures share: which cells are in one, its look, its title, its notes and its file."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, NullFormatter

from fakemamba.analysis.charts import lines
from fakemamba.analysis.palette import GREYS, Looks
from fakemamba.analysis.setting import PARTS, by_setting, named
from fakemamba.files import atomic_write
from fakemamba.names import in_file_name, short_name, short_names

UNUSUAL = {"execution": "eager", "clock": "latency"}  # in a file's name only if it is not this
FILLS = ("full", "none", "left")  # of the markers of a detector's first, second, third backend
FEW_TICKS = 8
APART = 1.2  # times, for two ticks to have room
LONGEST_NAME = 40  # letters
DPI = 150
LETTERS_PER_INCH = 12  # of a title
TITLE_LINE_IN, LEGEND_LINE_IN, NOTE_LINE_IN, MARGIN_IN = 0.23, 0.24, 0.18, 0.08
MANY_TIMES = 1000.0  # from smallest to largest, for ticks at powers of ten alone
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:.10g}")


@dataclass(frozen=True)
class NotDrawn:
    """A picture that results cannot answer, and why."""

    picture: str
    reason: str

    def __str__(self) -> str:
        return f"not drawn: {self.picture}: {self.reason}"


Outcome = Path | NotDrawn
Style = dict[str, Any]  # Matplotlib's properties


@dataclass(frozen=True)
class Caption:
    """What all of a figure has in common: in words, as the end of its file's name, and in looks."""

    title: str
    file_name: str
    looks: Looks = field(default_factory=dict)


@dataclass(frozen=True)
class DrawnLine(lines.Line):
    """A line as Matplotlib draws it."""

    @classmethod
    def of(cls, line: lines.Line) -> DrawnLine:
        """Such a line."""
        return cls(**vars(line))

    @property
    def fill(self) -> str:
        """How markers are filled."""
        return FILLS[self.variant % len(FILLS)]

    @property
    def stroke(self) -> Style:
        """Matplotlib's properties of the line."""
        dashes = self.look.dashes
        return {"color": self.look.colour, "linestyle": (0, dashes) if dashes else "-"}

    @property
    def points(self) -> Style:
        """Matplotlib's properties of the markers."""
        size = 10 if self.look.marker == "*" else 7
        points: Style = {"marker": self.look.marker, "markersize": size}
        points |= {"color": self.look.colour, "fillstyle": self.fill}
        # A white rim keeps apart markers that touch; a hollow one is a rim itself.
        rim = {"markeredgewidth": 0.7, "markeredgecolor": "white"}
        return points | (rim if self.fill == "full" else {"markerfacecoloralt": "white"})

    @property
    def handle(self) -> Line2D:
        """The entry of a legend."""
        return Line2D([], [], **self.stroke | self.points, label=self.name)


def house_style() -> AbstractContextManager[None]:
    """Within it figures look alike. Names in results are text, so no $ makes a formula of them."""
    look_of_seaborn = sns.axes_style("whitegrid") | sns.plotting_context("notebook", font_scale=0.9)
    return plt.rc_context(
        look_of_seaborn
        | {"text.parse_math": False, "lines.linewidth": 1.6, "figure.constrained_layout.use": True}
        | {"axes.titlesize": "medium", "figure.titlesize": "medium", "hatch.linewidth": 0.6}
    )


def part_cells(results: pd.DataFrame) -> pd.DataFrame:
    """The cells of a detector's parts, with a time or without."""
    return results[results["part"].isin(PARTS)]


def captioned(cells: pd.DataFrame, looks: Looks) -> Iterator[tuple[Caption, pd.DataFrame]]:
    """The cells of each figure, which are of one setting; their files' names are different.

    ``looks`` are those of all detectors of the results, so that pictures of them agree.
    """
    if cells.empty:
        return
    devices = cells.groupby("device")["device_name"].nunique()
    used: Counter[str] = Counter()
    for setting, group in by_setting(cells):
        machine = [setting.device_name] if devices[setting.device] > 1 else []
        words = [setting.frontend, setting.device, *machine, setting.precision]
        words += [f"b{setting.batch_size:g}", setting.attention]
        words += [
            value for name, usual in UNUSUAL.items() if (value := getattr(setting, name)) != usual
        ]
        name = in_file_name(words)
        used[name] += 1
        unique = f"{name}-{used[name]}" if used[name] > 1 else name
        yield Caption(setting.words, unique, looks), group


def drawn_lines(cells: pd.DataFrame, looks: Looks) -> list[tuple[DrawnLine, pd.DataFrame]]:
    """The cells of each line of one setting, under names that a legend has room for."""
    found = lines.lines_of(named(cells), looks)
    names = short_names((line.name for line, _ in found), LONGEST_NAME)
    return [(DrawnLine.of(replace(line, name=names[line.name])), of_it) for line, of_it in found]


def shortened(name: object) -> str:
    """A name that a legend has room for."""
    return short_name(str(name), LONGEST_NAME)


def part_panels(parts: Iterable[str], width_in: float = 4.0) -> tuple[Figure, dict[str, Axes]]:
    """A row of axes, one a part in the order of the signal's way, with equal scales."""
    present = set(parts)
    ordered = [part for part in PARTS if part in present]
    size = (max(6.4, width_in * len(ordered)), 4.4)
    figure, row = plt.subplots(
        1, len(ordered), sharex=True, sharey=True, squeeze=False, figsize=size
    )
    panels = dict(zip(ordered, row[0], strict=True))
    for part, axes in panels.items():
        axes.set_title(part)
    return figure, panels


def tick_durations(axes: Axes, durations_s: Iterable[float], label: str) -> None:
    """A logarithmic axis with the durations themselves if these are few and apart, else 1, 2, 5."""
    axes.set(xscale="log", xlabel=label)
    distinct = np.unique(list(durations_s))
    plain_log_ticks(axes.xaxis)
    if len(distinct) <= FEW_TICKS and (distinct[1:] > APART * distinct[:-1]).all():
        axes.set_xticks(distinct)


def plain_log_ticks(axis: Axis, formatter: Formatter = PLAIN_NUMBERS) -> None:
    """Plain numbers instead of powers of ten, not too many of them, for what has been drawn."""
    low, high = axis.get_data_interval()
    spread = high / low if 0 < low < high else np.inf
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if spread < MANY_TIMES else (1.0,)))
    axis.set_major_formatter(formatter)
    axis.set_minor_formatter(NullFormatter())


def save_figure(
    figure: Figure,
    folder: Path,
    kind: str,
    caption: Caption,
    title: str,
    handles: Sequence[Artist] = (),
    notes: Iterable[str] = (),
) -> Path:
    """Write a figure under a name that says what it is of, and close it.

    Title and the one legend of all panels are put above the axes, and notes below; the figure grows
    by what they need.

    Args:
        figure: axes in the constrained layout, and nothing around them.
        folder: to write to.
        kind: how its file's name begins.
        caption: ends the file's name, and the title.
        title: what is drawn.
        handles: entries of the legend.
        notes: what has to be known beside; each a paragraph.
    """
    width_in, axes_in = figure.get_size_inches()
    letters = int(width_in * LETTERS_PER_INCH)
    headline = f"{title}\n{textwrap.fill(caption.title, letters)}"
    footnote = "\n".join(textwrap.fill(note, int(letters * 1.15)) for note in notes)
    columns, rows = _legend_shape(handles, width_in)
    title_in = TITLE_LINE_IN * (headline.count("\n") + 1) + MARGIN_IN
    head_in = title_in + (LEGEND_LINE_IN * rows + MARGIN_IN if rows else 0)
    foot_in = NOTE_LINE_IN * (footnote.count("\n") + 1) + MARGIN_IN if footnote else 0
    height_in = head_in + axes_in + foot_in
    figure.set_size_inches(width_in, height_in)
    figure.set_layout_engine(
        "constrained", rect=(0, foot_in / height_in, 1, axes_in / height_in), h_pad=0.06, w_pad=0.07
    )
    figure.text(0.5, 1 - MARGIN_IN / height_in, headline, ha="center", va="top", linespacing=1.3)
    if rows:
        place = (0.5, 1 - title_in / height_in)
        figure.legend(
            handles=handles, loc="upper center", bbox_to_anchor=place, ncols=columns, frameon=False
        )
    figure.text(
        *(0.08 / width_in, foot_in / height_in, footnote),
        va="top",
        fontsize="small",
        color=GREYS[1],
        linespacing=1.3,
    )
    path = folder / f"{'-'.join(filter(None, (kind, caption.file_name)))}.png"
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
    plt.close(figure)
    return path


def _legend_shape(handles: Sequence[Artist], width_in: float) -> tuple[int, int]:
    """Columns and rows that a legend needs, if it may be as wide as the figure."""
    if not handles:
        return 0, 0
    longest = max(len(str(handle.get_label())) for handle in handles)
    most = max(1, int(width_in / (0.8 + longest * 0.09)))
    rows = -(-len(handles) // most)
    return -(-len(handles) // rows), rows


def disturbed_note(cells: pd.DataFrame) -> list[str]:
    """A note if cells of a picture were disturbed."""
    count = int(cells["disturbed"].sum())
    return [f"{count} of {len(cells)} cells were disturbed by other programs."] if count else []
