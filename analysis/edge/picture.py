"""Speed against what it costs in accuracy, or in layers, of all forms on each number of cores."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from fakemamba.analysis.pictures.figures import house_style

NAME = "pareto.png"
MARKERS = {"torch": "o", "onnxruntime": "s", "openvino": "^"}
SIZES = (30, 260)  # points², of the least memory and the most


def draw(table: pd.DataFrame, folder: Path) -> Path | None:
    """Write the picture; None where nothing was measured.

    Args:
        table: of `unit_table`.
        folder: to write to.
    """
    done = table[table["status"] == "done"]
    if done.empty:
        return None
    has_error = bool(done["eer_rise"].notna().any())
    done = done.assign(
        height=100 * done["eer_rise"] if has_error else done["layers"],
        **{"memory, MB": done["peak_bytes"] / 1e6},
    )
    cores = sorted(done["threads"].unique(), reverse=True)
    with house_style():
        figure, panels = plt.subplots(
            1, len(cores), figsize=(4.6 * len(cores) + 1.8, 4.4), squeeze=False, sharey=True
        )
        for axes, threads in zip(panels[0], cores, strict=True):
            sns.scatterplot(
                done[done["threads"] == threads],
                x="rtf",
                y="height",
                hue="precision",
                hue_order=["fp32", "bf16", "int8"],
                style="engine",
                markers=MARKERS,
                size="memory, MB",
                sizes=SIZES,
                alpha=0.8,
                legend="auto" if threads == cores[-1] else False,
                ax=axes,
            )
            if has_error:
                rows = done[done["threads"] == threads]
                ends = 100 * rows[["eer_rise_low", "eer_rise_high"]].to_numpy().T
                axes.vlines(rows["rtf"], *ends, color="0.6", linewidth=1, zorder=0)
                for row in rows.to_dict("records"):
                    axes.annotate(
                        str(row["layers"]),
                        (row["rtf"], row["height"]),
                        xytext=(5, 4),
                        textcoords="offset points",
                        fontsize="x-small",
                    )
            axes.axvline(1, color="0.3", linestyle="--", linewidth=1)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("real-time factor; real time is left of 1")
            axes.set_title(f"{threads} core{'s' if threads > 1 else ''}")
        if not has_error:
            panels[0, 0].yaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0, 0].set_ylabel("rise of EER, points" if has_error else "layers of the front-end")
        sns.move_legend(panels[0, -1], "center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
        path = folder / NAME
        figure.savefig(path, dpi=150)
        plt.close(figure)
    return path
