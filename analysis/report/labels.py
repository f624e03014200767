"""The columns that say how a cell was run, with one name each in all tables."""

from __future__ import annotations

from fakemamba.analysis.report.tables import Field

LABELS = {
    field.value: field
    for field in (
        Field("scan backend", "backend"),
        Field("front-end", "frontend"),
        Field("precision", "precision"),
        Field("batch", "batch_size"),
        Field("execution", "execution"),
        Field("attention", "attention"),
        Field("clock", "clock"),
        Field("device", "device_name"),
    )
}


def labels(*names: str) -> tuple[Field, ...]:
    """Columns by the names of a cell's fields; all, if none is given."""
    return tuple(LABELS[name] for name in names) or tuple(LABELS.values())
