"""What has to be equal for cells to stand in one chart, and the lines that a chart then has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fakemamba.analysis.report.words import is_known, number
from fakemamba.names import shorten

KEYS = (
    "frontend",
    "device",
    "device_name",
    "precision",
    "batch_size",
    "execution",
    "attention",
    "clock",
)
PARTS = ("encoder", "end-to-end", "front-end", "training-step", "training-step-frozen")
LABEL = "{frontend}, {precision}, batch {batch_size}, {execution}, {attention} attention"


@dataclass(frozen=True)
class Setting:
    """Cells that may be compared.

    Attributes:
        key: their values of ``KEYS``.
        label: the setting in words.
        cells: a row a cell, with a column ``line``: the detector's name, with the backend of its
            scan where there are several of it.
        parts: those of ``PARTS`` that the cells have, in that order.
    """

    key: tuple[Any, ...]
    label: str
    cells: pd.DataFrame
    parts: tuple[str, ...]

    @property
    def durations(self) -> str:
        """From which duration to which there are cells with a time."""
        durations_s = self.cells.loc[self.cells["status"] == "measured", "duration_s"]
        shortest, longest = number(durations_s.min()), number(durations_s.max())
        return f"{shortest} s" if shortest == longest else f"{shortest} to {longest} s"

    @property
    def lines(self) -> list[str]:
        """The lines' names, in the order of the results."""
        return list(dict.fromkeys(self.cells["line"]))

    def line_of(self, detector: str, backend: str | None) -> str:
        """The line that a detector with a backend is; its name if it has no cells here."""
        cells = self.cells
        found = cells[(cells["detector"] == detector) & (cells["backend"] == backend)]
        return detector if found.empty else str(found["line"].iloc[0])


def settings(results: pd.DataFrame) -> list[Setting]:
    """The settings in which a detector was measured, the one with most cells first."""
    if results.empty:
        return []
    cells = results[results["part"].isin(PARTS)]
    found = [
        _setting(key, group)
        for key, group in cells.groupby(list(KEYS), dropna=False, sort=False)
        if (group["status"] == "measured").any()
    ]
    return sorted(found, key=lambda setting: -len(setting.cells))


def key_of(labelled: Any) -> tuple[Any, ...]:
    """The setting of an object that has its labels as attributes."""
    return tuple(getattr(labelled, name) for name in KEYS)


def rows_of(setting: Setting, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with a cell's fields that are of a setting, with their ``line``."""
    for name, value in zip(KEYS, setting.key, strict=True):
        table = table[table[name].isna() if value is None else table[name] == value]
    lines = [setting.line_of(*one) for one in zip(table["detector"], table["backend"], strict=True)]
    return table.assign(line=lines)


def label_of(values: dict[str, Any]) -> str:
    """A setting in words; an unusual clock is named, the usual one is not."""
    short = {name: shorten(str(value)) for name, value in values.items()}
    clock = "" if values["clock"] == "latency" else f", {short['clock']} clock"
    return f"{LABEL.format_map(short)}{clock} on {short['device_name']}"


def _setting(values: tuple[Any, ...], cells: pd.DataFrame) -> Setting:
    key = tuple(value if is_known(value) else None for value in values)
    parts = tuple(part for part in PARTS if part in set(cells["part"]))
    label = label_of(dict(zip(KEYS, key, strict=True)))
    return Setting(key, label, cells.assign(line=_lines(cells)), parts)


def _lines(cells: pd.DataFrame) -> pd.Series:
    several = cells.groupby("detector")["backend"].transform("nunique") > 1
    return cells["detector"].where(~several, cells["detector"] + " (" + cells["backend"] + ")")
