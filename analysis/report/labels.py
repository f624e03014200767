"""The columns that say how a cell was run, with one name each in all tables."""

from __future__ import annotations

from fakemamba.analysis.report.tables import Field
from fakemamba.analysis.setting import TITLES


def labels(*names: str) -> tuple[Field, ...]:
    """Columns by the names of a cell's fields; all, if none is given."""
    return tuple(Field(TITLES[name], name) for name in names or TITLES)
