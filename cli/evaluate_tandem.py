"""``fakemamba evaluate-tandem``: a detector with speaker verification, a-DCF, t-DCF and t-EER."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from fakemamba.cli.printing import TextTable
from fakemamba.evaluation.tandem_table import evaluate_tandem as figures_of
from fakemamba.evaluation.tandem_table import read_tandem_table
from fakemamba.files import write_json


def evaluate_tandem(
    table: tyro.conf.Positional[Path],
    /,
    label_column: str | None = None,
    cm_column: str | None = None,
    asv_column: str | None = None,
    sasv_column: str | None = None,
    json_out: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Compute the metrics of a detector together with speaker verification on the same trials.

    Args:
        table: Columns named in the first line, as in ASVspoof 5's track 2: asv-label (target,
            nontarget or spoof), and sasv-score for a-DCF, cm-score and asv-score for t-DCF and
            t-EER.
        label_column: Column of the labels, where it is called otherwise.
        cm_column: Column of the detector's scores, likewise.
        asv_column: Column of the speaker verification's scores, likewise.
        sasv_column: Column of the scores of both together, likewise.
        json_out: File to write them to; rates in it are fractions.
    """
    chosen = {
        "asv-label": label_column,
        "cm-score": cm_column,
        "asv-score": asv_column,
        "sasv-score": sasv_column,
    }
    names = {name: column for name, column in chosen.items() if column is not None}
    figures = figures_of(read_tandem_table(table, names))
    shown = TextTable("metric", "value", "costs")
    for name, figure in figures.items():
        value = f"{figure.value:.3%}" if name == "t_eer" else f"{figure.value:.4f}"
        shown.add_row(name, value, figure.costs)
    Console().print(shown)
    if json_out is not None:
        content = {"scores": str(table), "metrics": {n: asdict(one) for n, one in figures.items()}}
        write_json(json_out, content)
