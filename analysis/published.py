"""What others published about these detectors, and ours beside it where we measured the same."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pandas as pd

from fakemamba.analysis.results import ResultsError
from fakemamba.analysis.setting import SUBJECT, split

# In a checkout and in an installed package alike, it is in the room beside this one.
PUBLISHED = Path(__file__).resolve().parents[1] / "results" / "published.csv"
COLUMNS = (
    *("system", "data_set", "metric", "value", "unit", "low", "high", "verified", "source", "note"),
    *("detectors", "shortest_s", "longest_s", "device"),
)
NUMBERS = ("value", "low", "high", "shortest_s", "longest_s")
VERIFIED = {"yes": True, "no": False}
QUANTITIES = {"RTF": "rtf", "latency": "latency_s"}  # metrics that our results can answer
FRONTEND = "xls-r-300m"  # of all published systems that a detector stands for in the table


def read_published(path: str | Path | None = None) -> pd.DataFrame:
    """Published figures, from results/published.csv unless another such file is named.

    Returns:
        A row a figure: ``system``, ``data_set`` (empty where there is none), ``metric``, ``value``
        (NaN where only a range from ``low`` to ``high`` was published; these are NaN elsewhere),
        ``unit``, ``verified`` (False where only others quote it), ``source``, ``note``;
        ``detectors``, a tuple of the names that this project has for the system, none where it has
        another front-end than XLS-R 300M; for what was timed, the durations ``shortest_s`` to
        ``longest_s`` and the ``device``.

    Raises:
        ResultsError: the file cannot be read, or a row is not of this form.
    """
    path = PUBLISHED if path is None else Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ResultsError(f"{path} has to have the columns {', '.join(COLUMNS)}")
            rows = [_row(f"{path}, line {reader.line_num}", fields) for fields in reader]
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such file; name a table of published figures") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not CSV: {error}; see results/published.csv") from error
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    twice = table.duplicated(["system", "data_set", "metric", "source"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ResultsError(
            f"{path} has {row['metric']} of {row['system']!r} on {row['data_set']!r} twice from "
            "one source; keep one of the two"
        )
    return table


def beside_ours(published: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """For every published RTF or latency, ours of the same system: end-to-end, batch 1.

    Args:
        published: from `read_published`.
        results: from `read_results`.

    Returns:
        A row a published figure, detector and setting of ours. ``published_low`` and
        ``published_high`` are equal if one value was published. ``ours_least`` and ``ours_most``
        are medians over visits, of the ``durations`` that we measured in the published range, from
        ``shortest_s`` to ``longest_s``; ``ours_low`` and ``ours_high`` are the outermost ends of
        their 95 % intervals, of visits, or of rounds in files before schema 3. ``verdict`` is
        ``inside`` where at each of these durations our interval meets what was published,
        ``outside`` where at one it does not, ``no such measurement`` where we have none. ``note``
        says on which devices, and what to mind.
    """
    rows = [
        row
        for figure in published[published["metric"].isin(QUANTITIES)].to_dict("records")
        for detector in figure["detectors"]
        for row in _answers(figure, detector, results)
    ]
    names = ["system", "metric", "unit", "verified", "source", "published_low", "published_high"]
    names += [*SUBJECT, "durations", "shortest_s", "longest_s"]
    names += ["ours_least", "ours_most", "ours_low", "ours_high", "verdict", "note"]
    return pd.DataFrame(rows, columns=names)


def _row(where: str, fields: dict[str, Any]) -> dict[str, Any]:
    """One line of the file, checked."""
    if None in fields or None in fields.values():
        raise ResultsError(f"{where} does not have {len(COLUMNS)} fields; quote those with commas")
    row: dict[str, Any] = {**fields}
    for name in NUMBERS:
        row[name] = _number(where, name, fields[name])
    for name in ("system", "metric", "source"):
        if not fields[name].strip():
            raise ResultsError(f"{where} has no {name}; every figure needs one")
    if fields["verified"] not in VERIFIED:
        raise ResultsError(f"{where}: verified is {fields['verified']!r}; write yes or no")
    row["verified"] = VERIFIED[fields["verified"]]
    row["detectors"] = tuple(fields["detectors"].split())
    has_value, is_range = not math.isnan(row["value"]), row["low"] <= row["high"]
    if has_value == is_range or (has_value and (fields["low"] or fields["high"])):
        raise ResultsError(f"{where} needs a value, or else a range from low to high")
    is_timed = 0 < row["shortest_s"] <= row["longest_s"]
    if not is_timed and (
        fields["metric"] in QUANTITIES or fields["shortest_s"] or fields["longest_s"]
    ):
        raise ResultsError(
            f"{where} needs durations, shortest_s to longest_s: what is timed depends on them"
        )
    return row


def _number(where: str, name: str, text: str) -> float:
    """A number, NaN where there is none."""
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ResultsError(f"{where}: {name} is {text!r}; write a number, or nothing")
    return value


def _answers(figure: dict[Any, Any], detector: str, results: pd.DataFrame) -> list[dict[str, Any]]:
    """Our rows for one published figure and one of our detectors."""
    from_s, to_s = figure["shortest_s"], figure["longest_s"]
    is_range = math.isnan(figure["value"])
    low, high = (figure["low"], figure["high"]) if is_range else (figure["value"],) * 2
    known = {name: figure[name] for name in ("system", "metric", "unit", "verified", "source")}
    known |= {"published_low": low, "published_high": high, "detector": detector}
    wanted = {"detector": detector, "frontend": FRONTEND, "part": "end-to-end", "batch_size": 1}
    wanted |= {"clock": "latency", "status": "measured"}
    cells = results[results["duration_s"].between(from_s, to_s)]
    for name, value in wanted.items():
        cells = cells[cells[name] == value]
    if cells.empty:
        note = (
            f"{detector} with {FRONTEND} has no end-to-end latency at batch 1 from {from_s:g} to "
            f"{to_s:g} s"
        )
        return [known | {"verdict": "no such measurement", "note": note}]
    return [
        known | labels | _beside(figure, low, high, group)
        for labels, group in split(cells, SUBJECT)
    ]


def _beside(figure: dict[Any, Any], low: float, high: float, cells: pd.DataFrame) -> dict[str, Any]:
    """Ours in one setting, against a published range."""
    per_s = cells["duration_s"] if QUANTITIES[figure["metric"]] == "rtf" else 1.0
    ours = cells["latency_s"] / per_s
    ours_low = cells["latency_low_s"].fillna(cells["latency_s"]) / per_s
    ours_high = cells["latency_high_s"].fillna(cells["latency_s"]) / per_s
    inside = (ours_low <= high) & (ours_high >= low)
    where = figure["device"] or "a device that is not named"
    notes = [f"published on {where}, ours on {cells['device_name'].iloc[0]}"]
    if 0 < inside.sum() < len(cells):
        notes.append(f"inside at {inside.sum()} of {len(cells)}")
    without = int(cells["latency_low_s"].isna().sum())
    if without:
        notes.append(f"{without} of {len(cells)} have no interval, so their median stands for it")
    single = int(cells["passes"].isna().sum()) if "passes" in cells else len(cells)
    if single:
        notes.append(
            f"{single} of {len(cells)} were visited once: intervals are of its rounds alone"
        )
    return {
        "durations": len(cells),
        "shortest_s": cells["duration_s"].min(),
        "longest_s": cells["duration_s"].max(),
        "ours_least": ours.min(),
        "ours_most": ours.max(),
        "ours_low": ours_low.min(),
        "ours_high": ours_high.max(),
        "verdict": "inside" if inside.all() else "outside",
        "note": "; ".join([*notes, figure["note"]] if figure["note"] else notes),
    }
