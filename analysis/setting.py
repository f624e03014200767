"""A setting: how a cell was run. What is run in one setting may be compared.

A table of results is grouped by setting. In a setting there are lines: a detector, with the backend
of its scan where it was run with several. A part of a line is the subject of a curve over duration.
Here, and nowhere else, stands what the fields are, in which order, and how people are told of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from fakemamba.analysis.report.words import is_known, number
from fakemamba.names import LABEL_LENGTH, one_line
from fakemamba.result_schema import OWN_FRONTEND

WHOLE = "end-to-end"
PARTS = ("front-end", "encoder", WHOLE)  # in the order of the signal's way
ASKED_PARTS = ("encoder", WHOLE, "front-end", "training-step", "training-step-frozen")

TITLES = {  # of the columns of tables
    "backend": "scan backend",
    "frontend": "front-end",
    "precision": "precision",
    "batch_size": "batch",
    "execution": "execution",
    "attention": "attention",
    "clock": "clock",
    "device_name": "device",
}
FORMS = {  # in a text, where a value alone says too little
    "duration_s": "{:g} s",
    "batch_size": "batch {:g}",
    "attention": "{} attention",
    "backend": "{} scan",
    "clock": "{} clock",
    "channels": "{:g} channels",
    "states": "{:g} states",
}
USUAL = {"clock": "latency", "backend": "none"}  # not told
FIRST_DEVICES = ("cpu", "cuda", "cuda:0")
CLOSE = 1e-3  # relative; a duration of whole samples is not to the digit what was asked for


@dataclass(frozen=True)
class Setting:
    """How a cell was run; None where its file does not say."""

    frontend: str | None
    device: str
    device_name: str | None
    precision: str
    batch_size: int
    execution: str | None
    attention: str | None
    clock: str | None

    @property
    def words(self) -> str:
        """Such as ``xls-r-300m, fp32, batch 1, eager, sdpa attention · CPU: AMD EPYC``."""
        return in_words({name: getattr(self, name) for name in SETTING})

    @property
    def frontend_words(self) -> str:
        """What its detectors stand behind."""
        if self.frontend in (None, OWN_FRONTEND):
            return "its own front-end"
        return str(self.frontend)


SETTING = tuple(field.name for field in fields(Setting))
LINE = ("detector", "backend")
SUBJECT = (*LINE, "part", *SETTING)


@dataclass(frozen=True)
class Subject(Setting):
    """What has to be equal for cells to be points of one curve: a part of a line, in a setting."""

    detector: str
    backend: str | None
    part: str

    @property
    def setting(self) -> Setting:
        """The setting alone."""
        return Setting(**{name: getattr(self, name) for name in SETTING})

    def labels(self) -> dict[str, Any]:
        """The fields of the subject alone, by their names."""
        return {name: getattr(self, name) for name in SUBJECT}

    def to_json(self) -> dict[str, Any]:
        """All fields, the subject's first; unknown is None."""
        return self.labels() | {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class Group:
    """The cells of one setting.

    Attributes:
        setting: theirs.
        cells: a row a cell, with a column ``line``, the line's name.
        parts: those of ``ASKED_PARTS`` that the cells have, in that order.
    """

    setting: Setting
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

    def rows_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are of this setting, with their ``line``."""
        found = (rows for setting, rows in by_setting(table) if setting == self.setting)
        rows = next(found, table.iloc[:0])
        return rows.assign(line=[self.line_of(*one) for one in _lines(rows)])


def groups_of(results: pd.DataFrame) -> list[Group]:
    """The settings in which a detector was measured, the one with most cells first."""
    if results.empty:
        return []
    found = []
    for setting, cells in by_setting(results[results["part"].isin(ASKED_PARTS)]):
        if (cells["status"] == "measured").any():
            parts = tuple(part for part in ASKED_PARTS if part in set(cells["part"]))
            found.append(Group(setting, named(cells), parts))
    return sorted(found, key=lambda group: -len(group.cells))


def named(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of one setting with a column ``line``, the line's name."""
    names = line_names(_lines(cells))
    return cells.assign(line=[names[one] for one in _lines(cells)])


def beside_others(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells, those of detectors with a front-end of their own once for each other front-end.

    So they stand beside all that ran in the same setting otherwise. ``own_frontend`` tells them.
    """
    is_own = cells["frontend"] == OWN_FRONTEND
    cells = cells.assign(own_frontend=is_own)
    others, own = cells[~is_own], cells[is_own]
    same = [name for name in SETTING if name != "frontend"]
    pieces = [others]
    for values, of_setting in split(own, same):
        found = others
        for name, value in values.items():
            found = found[found[name].isna() if value is None else found[name] == value]
        names = found["frontend"].dropna().unique()
        pieces += [of_setting.assign(frontend=name) for name in names] or [of_setting]
    return pd.concat(pieces, ignore_index=True) if len(own) else cells


def by_setting(cells: pd.DataFrame) -> Iterator[tuple[Setting, pd.DataFrame]]:
    """The cells of each setting, in their order."""
    for values, group in split(cells, SETTING):
        yield Setting(**values), group


def split(
    cells: pd.DataFrame, names: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Cells by their values of fields, in their order; a column that is not there is unknown."""
    cells = cells.assign(**{name: None for name in names if name not in cells})
    for values, group in cells.groupby(list(names), dropna=False, sort=False):
        yield values_of(dict(zip(names, values, strict=True)), names), group


def values_of(row: Mapping[Any, Any] | pd.Series, names: Sequence[str]) -> dict[str, Any]:
    """The values that a row has of fields, None where one is unknown."""
    return {name: _plain(row.get(name)) for name in names}


def line_names(lines: Iterable[tuple[str, str | None]]) -> dict[tuple[str, str | None], str]:
    """Names for detectors with backends: the backend is told where a detector has several.

    Args:
        lines: pairs of them, in order; a pair may occur again.
    """
    distinct = dict.fromkeys(lines)
    backends = Counter(detector for detector, _ in distinct)
    return {
        (detector, backend): detector + (f" ({backend})" if backends[detector] > 1 else "")
        for detector, backend in distinct
    }


def in_words(values: Mapping[str, Any]) -> str:
    """Fields of a cell for people, in their order and the device last.

    What is not known is not told, nor what is usual: the clock of latency, and no scan.
    """
    told = ", ".join(
        one_line(FORMS.get(name, "{}").format(value), LABEL_LENGTH)
        for name, value in values.items()
        if not name.startswith("device") and is_known(value) and USUAL.get(name) != value
    )
    device = _device(values["device"], values["device_name"]) if "device" in values else ""
    return " · ".join(filter(None, (told, device)))


def _device(device: str, name: str | None) -> str:
    """That it is a CPU is always told; which of several GPUs, if it is not the first."""
    told = one_line(name or device)
    if device == "cpu" and "CPU" not in told:
        return f"CPU: {told}"
    return told if device in FIRST_DEVICES else f"{told} ({one_line(device)})"


def _lines(cells: pd.DataFrame) -> list[tuple[str, str | None]]:
    return list(zip(cells["detector"], cells["backend"], strict=True))


def _plain(value: Any) -> Any:
    if not is_known(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
