"""How sure a cell's latency is: by its rounds, and as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from fakemamba.analysis.repeatability import Repeatability
from fakemamba.analysis.report.labels import labels
from fakemamba.analysis.report.sections import Section
from fakemamba.analysis.report.tables import Field, Record, tabulate
from fakemamba.analysis.report.words import is_known, share

NOTE = (
    "The interval beside a latency is that of rounds in one process. It does not hold what differs "
    "from cell to cell; that shows where the very same work was measured again: in another launch, "
    "or, for a front-end, with another detector. Smaller differences between two cells say "
    "nothing. Disturbed cells are left out: they are off by anything."
)
UNKNOWN = (
    "Of what is not listed here that is not known: run the command again into other files, three "
    "or more in all, and give the report all of them."
)


def _as_cells(record: Record) -> str | None:
    return _around(record["factor"])


def _by_rounds(record: Record) -> str | None:
    return _around(record["rounds_factor"])


def _around(factor: float) -> str | None:
    """What a factor is in percent; None where there is no interval, as of three rounds."""
    if not is_known(factor):
        return None
    return f"−{share(1 - 1 / factor)} to +{share(factor - 1)}"


FIELDS = (
    Field("part", "part", is_key=True),
    *labels("frontend"),
    Field("95 % of cells are within", _as_cells, is_key=True),
    Field("by rounds alone", _by_rounds, is_key=True),
    Field("cells that repeat", "cells", is_key=True),
    Field("different works", "works", is_key=True),
    *labels("precision", "execution", "clock", "device_name"),
)


def sureness_section(known: Sequence[Repeatability]) -> Section:
    """A row for each part and setting in which something was measured more than twice."""
    records = [vars(one) for one in known]
    tables = (tabulate("repeatability", "From cell to cell", FIELDS, records),) if records else ()
    return Section("sureness", "How sure", "How sure a latency is", (NOTE, UNKNOWN), tables)
