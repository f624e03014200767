"""Latency over the rate of arrivals, and over the number of calls, with queueing apart."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from fakemamba.analysis.load.answers import largest
from fakemamba.analysis.pictures.figures import (
    PLAIN_NUMBERS,
    Caption,
    Style,
    house_style,
    save_figure,
)
from fakemamba.load_record import LoadRecord, Scenario
from fakemamba.names import short_name

NAME = "load"
PICTURE = "Latency under load"
NOTES = ["Bars: 95 % intervals of the upper percentile, which has no point where it is infinite."]
PANELS: dict[Scenario, str] = {"server": "arrivals a second", "streams": "concurrent calls"}


def draw(record: LoadRecord, table: pd.DataFrame, folder: Path) -> Path | None:
    """Write the picture; None where no level was measured.

    Args:
        record: of the load test.
        table: its `level_table`.
        folder: to write to.
    """
    shown = [one for one in PANELS if (table["scenario"] == one).any()]
    if not shown:
        return None
    with house_style():
        size_in = (max(6.4, 5.2 * len(shown)), 4.0)
        figure, panels = plt.subplots(1, len(shown), figsize=size_in, squeeze=False)
        handles: dict[str, Artist] = {}
        for axes, scenario in zip(panels[0], shown, strict=True):
            _panel(axes, record, table[table["scenario"] == scenario], scenario)
            known, names = axes.get_legend_handles_labels()
            handles |= dict(zip(names, known, strict=True))
            axes.legend().remove()
        caption = Caption(short_name(record.detector), "")
        return save_figure(figure, folder, NAME, caption, PICTURE, [*handles.values()], NOTES)


def _panel(axes: Axes, record: LoadRecord, rows: pd.DataFrame, scenario: Scenario) -> None:
    settings = record.settings
    tail = f"p{settings.percentile:g}"
    names = {
        "tail_s": f"{tail} of latency",
        "p50_s": "median of latency",
        "queueing_tail_s": f"{tail} of queueing",
        "computing_tail_s": f"{tail} of computing",
    }
    finite = rows.replace([np.inf, -np.inf], np.nan)
    drawn = finite.melt("level", list(names), "what", "seconds").replace({"what": names})
    # Of what never waited a logarithm shows nothing.
    drawn = drawn[drawn["seconds"] >= drawn["seconds"].max() * 1e-4]
    sns.lineplot(
        drawn,
        x="level",
        y="seconds",
        hue="what",
        style="what",
        hue_order=list(names.values()),
        style_order=list(names.values()),
        markers=True,
        errorbar=None,
        ax=axes,
    )
    ends = finite[["level", "tail_low_s", "tail_high_s"]].dropna()
    axes.vlines(*ends.to_numpy(np.float64).T, color="0.6", linewidth=1, zorder=0)
    slo_s = settings.slo_of(scenario)
    if slo_s is not None:
        label = f"SLO of {slo_s:g} s"
        axes.axhline(slo_s, color="0.3", linestyle="--", linewidth=1, label=label)
    found = largest(rows, scenario)
    if found is not None and found.held and np.isfinite(found.failed):
        span: Style = {"color": "0.85", "zorder": -1, "label": "between holds and fails"}
        axes.axvspan(found.held, found.failed, **span)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(PLAIN_NUMBERS)
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(PANELS[scenario])
    axes.set_ylabel("seconds")
