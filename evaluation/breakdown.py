"""A corpus in parts: the trials of each attack, codec, speaker or duration, and who is confused.

Rows of an attack keep all bona fide trials, as published tables do. All other rows have the trials
of both classes that share the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from fakemamba.data.headers import header_duration_s
from fakemamba.data.trials import BONA_FIDE, SPOOF

COLUMNS = ("attack", "codec", "duration", "speaker", "vocoder", "source")
# Those of Table IV of the Fake-Mamba paper, in seconds: 3 s is in the second, 6 s in the fourth.
DURATION_BUCKETS = ("< 3", "3-4", "4-5", "5-6", "> 6")
EDGES_S = (3.0, 4.0, 5.0, np.nextafter(6.0, 7.0))
UNKNOWN = "unknown"
NO_DURATIONS = (
    "; give it a column duration, or take the recordings' own with --corpus NAME --root FOLDER"
)


class BreakdownError(ValueError):
    """The trials cannot be told apart by what was asked for; the message says what is missing."""


def duration_buckets(duration_s: pd.Series) -> pd.Series:
    """Name each duration's bucket: < 3, 3 to under 4, 4 to under 5, 5 to 6, and over 6 seconds.

    Args:
        duration_s: seconds; NaN is unknown.

    Returns:
        names out of ``DURATION_BUCKETS``, None where the duration is unknown.
    """
    places = np.digitize(duration_s.to_numpy(np.float64), EDGES_S)
    names = np.array(DURATION_BUCKETS, dtype=object)[places]
    return pd.Series(np.where(duration_s.isna(), None, names), index=duration_s.index, dtype=object)


def durations_s(table: pd.DataFrame) -> pd.Series:
    """Seconds of each trial: what the key says, else what the recording's header says.

    NaN where neither does: no path, no such file, or a raw stream, which has no header.
    """
    known = table["duration_s"].copy()
    paths = table["path"][known.isna() & table["path"].notna()]
    with ThreadPoolExecutor() as pool:
        known[paths.index] = np.array(list(pool.map(header_duration_s, paths)), np.float64)
    return known


def parts(table: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The trials of each value of a column; those whose value is not known are a part, the last.

    Args:
        table: from `join`.
        column: one of ``COLUMNS``.

    Yields:
        A value and the rows of its trials, of one class or both.

    Raises:
        BreakdownError: another column, or one that no trial has a value of.
    """
    values = _values(table, column)
    places = pd.Series(range(len(table)), index=table.index)
    everywhere = np.empty(0, np.intp)
    if column == "attack":
        bonafide = table["label"] == BONA_FIDE
        everywhere, places = np.flatnonzero(bonafide), places[~bonafide]
    of_value = {str(value): rows.to_numpy() for value, rows in places.groupby(values)}
    for value in sorted(of_value, key=_place):
        yield value, table.iloc[np.concatenate([everywhere, of_value[value]])]


def confusion(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """What is accepted as bona fide in each duration bucket, of bona fide and of each attack.

    Args:
        table: from `join`.
        threshold: a trial is accepted if its score is at least this.

    Returns:
        one row a bucket and attack that have trials: bucket, attack (``bonafide`` for these),
        label, accepted, rejected, accepted_share.

    Raises:
        BreakdownError: no trial has a duration.
    """
    attacks = table["attack"].where(table["attack"].notna(), UNKNOWN)
    rows = pd.DataFrame(
        {
            "bucket": _values(table, "duration"),
            "attack": attacks.where(table["label"] == SPOOF, BONA_FIDE),
            "label": table["label"],
            "accepted": table["score"] >= threshold,
        }
    )
    counted = rows.groupby(["bucket", "attack", "label"])["accepted"].agg(["sum", "count"])
    counted = counted.reset_index().rename(columns={"sum": "accepted"})
    counted["rejected"] = counted["count"] - counted["accepted"]
    counted["accepted_share"] = counted["accepted"] / counted["count"]
    places = counted["bucket"].map(_place)
    order = counted.assign(place=places).sort_values(["place", "label", "attack"]).index
    columns = ["bucket", "attack", "label", "accepted", "rejected", "accepted_share"]
    return counted.loc[order, columns].reset_index(drop=True)


def _values(table: pd.DataFrame, column: str) -> pd.Series:
    """The column's values as text, UNKNOWN where there is none."""
    if column not in COLUMNS:
        raise BreakdownError(f"--by {column}: there is {', '.join(COLUMNS)}")
    values = duration_buckets(table["duration_s"]) if column == "duration" else table[column]
    known = values.notna()
    if not known.any():
        remedy = NO_DURATIONS if column == "duration" else ""
        raise BreakdownError(f"--by {column}: the key has no {column} of any trial{remedy}")
    return values.where(known, UNKNOWN)


def _place(value: str) -> tuple[bool, int, str]:
    """Durations by length, all else by name, the unknown last."""
    bucket = DURATION_BUCKETS.index(value) if value in DURATION_BUCKETS else 0
    return value == UNKNOWN, bucket, value
