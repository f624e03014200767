"""Equal error rates of detectors: of a CSV, or as they were published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fakemamba.analysis.published import FRONTEND
from fakemamba.analysis.results import ResultsError


def read_eer(path: str | Path) -> pd.DataFrame:
    """Error rates from a CSV.

    Returns:
        A row a detector: ``detector``, ``eer`` in per cent, its interval ``low`` to ``high`` (NaN
        where the file has none), ``verified``, which is always so, and the ``frontend`` that they
        hold for, which is None: any.

    Raises:
        ResultsError: no such file, or a column, a detector or a number is missing or wrong.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, dtype=str)
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such file") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not a CSV: {error}") from error
    missing = [name for name in ("detector", "eer") if name not in table]
    if missing:
        raise ResultsError(
            f"{path} has no column {' and '.join(missing)}; it needs detector and eer (in per "
            "cent), and may have low and high"
        )
    table = table.reindex(columns=["detector", "eer", "low", "high"])
    for name in ("eer", "low", "high"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        optional = table[name].isna() & (name != "eer")
        for row in table[~(numbers.between(0, 100) | optional)].to_dict("records"):
            raise ResultsError(
                f"{path}: {name} of {row['detector']} is {row[name]}; it has to be in per cent, 0 "
                "to 100"
            )
        table[name] = numbers
    for row in table[(table["low"] > table["eer"]) | (table["high"] < table["eer"])].to_dict(
        "records"
    ):
        raise ResultsError(f"{path}: eer of {row['detector']} is not between its low and high")
    twice = table["detector"].duplicated()
    if twice.any():
        raise ResultsError(f"{path} has {table[twice]['detector'].iloc[0]} twice; keep one line")
    return table.assign(verified=True, frontend=None)


def published_eer(published: pd.DataFrame, data_set: str) -> pd.DataFrame:
    """Published error rates on one data set, as `read_eer` has them.

    Of a detector with several figures the verified ones are taken, if there are any; ``eer`` is the
    median, and ``low`` and ``high`` are the outermost.

    Raises:
        ResultsError: nothing is known on that data set.
    """
    rates = published[(published["metric"] == "EER") & published["value"].notna()]
    rates = rates.explode("detectors").dropna(subset="detectors")
    on_it = rates[rates["data_set"] == data_set]
    if on_it.empty:
        known = ", ".join(sorted(set(rates["data_set"])))
        raise ResultsError(f"no error rate is known on {data_set!r}; on these there are: {known}")
    rows = []
    for detector, figures in on_it.groupby("detectors", sort=False):
        verified = figures["verified"].any()
        values = figures[figures["verified"] == verified]["value"]
        ends = (values.min(), values.max()) if len(values) > 1 else (np.nan, np.nan)
        rows.append((detector, values.median(), *ends, verified))
    columns = ["detector", "eer", "low", "high", "verified"]
    return pd.DataFrame(rows, columns=columns).assign(frontend=FRONTEND)
