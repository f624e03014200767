"""A table of a detector and a speaker verification (ASV) system on the same trials, with metrics.

The form is ASVspoof 5's track 2: a first line that names the columns, of which ``asv-label``
(target, nontarget or spoof) is needed, and ``sasv-score``, or both ``cm-score`` and ``asv-score``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fakemamba.data.delimited import Once, read_rows
from fakemamba.data.keys import ASV_LABELS, AsvScores, identity_columns
from fakemamba.data.text_lines import SHOWN, CutGuard, at_line, finite_number, listed
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.metrics.costs import ADCF_ASVSPOOF5, ADCF_SHIM2024
from fakemamba.evaluation.metrics.tandem import (
    TANDEM_COSTS,
    a_dcf,
    asv_rates,
    min_tdcf_2019,
    min_tdcf_2021,
    t_eer,
)

LABEL = "asv-label"
SCORES = ("cm-score", "asv-score", "sasv-score")


class TandemTableError(ValueError):
    """The table cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class TandemFigure:
    """A metric of the whole, and its costs in words; rates are fractions."""

    value: float
    costs: str


def read_tandem_table(
    path: str | Path, names: Mapping[str, str] | None = None
) -> dict[str, dict[str, Floats]]:
    """Scores by column and label: ``{"cm-score": {"target": (n,), ...}, ...}``.

    Args:
        path: columns parted by tabs, blanks, semicolons or commas; plain or gzip-compressed.
        names: of columns, where the table has others: ``{"cm-score": "llr", ...}``.

    Raises:
        TandemTableError: no such file, no column of labels or of scores, a line that cannot be
            used, a trial that stands in it twice.
    """
    rows = read_rows(path, TandemTableError, lambda first: LABEL in first)
    number, first, line = next(rows, (1, [], "\n"))
    header = [name.strip() for name in first]
    places = {name: header.index(name) for name in (LABEL, *SCORES) if name in header}
    for name, other in (names or {}).items():
        if other not in header:
            raise TandemTableError(
                f"{at_line(path, number, line)}: no column {other!r} among {listed(header)}"
            )
        places[name] = header.index(other)
    label = places.pop(LABEL, None)
    if label is None or not places:
        raise TandemTableError(
            f"{at_line(path, number, line)}: the first line has to name {LABEL}, and sasv-score or "
            f"cm-score and asv-score; it names {listed(header)}"
        )
    identity = [one for one in identity_columns(header) if one not in (label, *places.values())]
    found: dict[str, dict[str, list[float]]] = {
        name: {label: [] for label in ASV_LABELS} for name in places
    }
    guard, once = CutGuard(path, TandemTableError), Once(path, TandemTableError)
    for number, parts, line in rows:
        place = at_line(path, number, line)
        if len(parts) != len(header):
            raise TandemTableError(
                f"{place}: {len(parts)} columns, but the first line names {len(header)}; mend "
                "the line"
            )
        if parts[label] not in ASV_LABELS:
            raise TandemTableError(
                f"{place}: {LABEL} is {parts[label][:SHOWN]!r}, but must be one of "
                + ", ".join(ASV_LABELS)
            )
        once.check([parts[one] for one in identity], number, line)
        for name, of_label in found.items():
            value = finite_number(parts[places[name]], name, place, TandemTableError)
            of_label[parts[label]].append(value)
            if places[name] == len(header) - 1:
                guard.check(parts[-1], number, line)
    return {
        name: {label: np.array(values) for label, values in of_label.items()}
        for name, of_label in found.items()
    }


def evaluate_tandem(scores: Mapping[str, Mapping[str, Floats]]) -> dict[str, TandemFigure]:
    """Every metric that the columns allow.

    The a-DCF has two published sets of costs, and both are given.

    Args:
        scores: from `read_tandem_table`.

    Raises:
        TandemTableError: neither ``sasv-score`` nor both others.
        MetricError: a class without trials, or an ASV system at which a metric is not defined.
    """
    figures = {}
    if "sasv-score" in scores:
        sasv = scores["sasv-score"]
        for name, costs in (("asvspoof5", ADCF_ASVSPOOF5), ("shim2024", ADCF_SHIM2024)):
            value = a_dcf(sasv["target"], sasv["nontarget"], sasv["spoof"], costs)
            figures[f"a_dcf_{name}"] = TandemFigure(value, costs.text)
    if {"cm-score", "asv-score"} <= scores.keys():
        cm = scores["cm-score"]
        verified = scores["asv-score"]
        asv = AsvScores(verified["target"], verified["nontarget"], verified["spoof"])
        bonafide = np.concatenate([cm["target"], cm["nontarget"]])
        rates = asv_rates(asv)
        values = {
            "min_tdcf_2019": min_tdcf_2019(bonafide, cm["spoof"], rates),
            "min_tdcf_2021": min_tdcf_2021(bonafide, cm["spoof"], rates),
        }
        for name, value in values.items():
            figures[name] = TandemFigure(value, f"{TANDEM_COSTS[name]}; {rates.text}")
        value = t_eer(bonafide, cm["spoof"], asv)
        figures["t_eer"] = TandemFigure(value, TANDEM_COSTS["t_eer"])
    if not figures:
        raise TandemTableError("there is no sasv-score, and not both cm-score and asv-score")
    return figures
