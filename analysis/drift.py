"""Figures of visits without the drift of their passes, so that cells can be compared.

A pass visits the cells of a launch one after the other; where the machine is slower throughout, all
of them are. A file before schema 3 has one visit of each cell, and so one pass.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from fakemamba.analysis.setting import SUBJECT
from fakemamba.visits import drifts

# What two rows share that are the same cell in other launches; recordings may share a duration.
CELL = (*SUBJECT, "duration_s", "hop_s", "recording")


def without_drift(results: pd.DataFrame) -> pd.DataFrame:
    """Results with ``steady_s``: the figures of each cell's visits as if all passes were alike.

    Give all that was measured together: the more cells, the better a pass' drift is known.

    Args:
        results: rows of `read_results`, of one launch or several.

    Returns:
        The same rows with ``steady_s``, a tuple of seconds, and ``drift``, a tuple of as many
        factors by which the passes were slow; None where a cell has no time.
    """
    figures = [visits_of(row) for row in results.to_dict("records")]
    keys = pd.Series([str(key) for key in zip(*_columns(results), strict=True)], dtype=object)
    cells: dict[str, tuple[list[float], list[Hashable]]] = {}
    for key, (values, passes) in zip(keys, figures, strict=True):
        known = cells.setdefault(key, ([], []))
        known[0].extend(values)
        known[1].extend(passes)
    timed = [one for one in cells.values() if one[0]]
    factors = drifts([values for values, _ in timed], [passes for _, passes in timed])
    drift = [tuple(factors[name] for name in passes) or None for _, passes in figures]
    steady = [
        tuple((np.array(values) / of).tolist()) if of else None
        for (values, _), of in zip(figures, drift, strict=True)
    ]
    columns = {"steady_s": steady, "drift": drift}
    made = {name: pd.Series(one, results.index, object) for name, one in columns.items()}
    return results.assign(**made)


def visits_of(row: dict[Hashable, object]) -> tuple[tuple[float, ...], tuple[Hashable, ...]]:
    """The figures (k,) of a cell's visits, and the names of their passes (k,).

    Args:
        row: of `read_results`.
    """
    if row["status"] != "measured" or not row["latency_s"] > 0:  # type: ignore[operator]
        return (), ()
    passes, samples_s, launch = row.get("passes"), row.get("samples_s"), row["launch"]
    if isinstance(passes, tuple) and isinstance(samples_s, tuple):
        return samples_s, tuple((launch, one) for one in passes)
    return (float(row["latency_s"]),), (launch,)  # type: ignore[arg-type]


def _columns(results: pd.DataFrame) -> list[pd.Series]:
    return [results[name] for name in CELL if name in results]
