"""A cell's launches side by side: how it ended, and its figures pair by pair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fakemamba.analysis.compare.verdict import STATUS, CellVerdict
from fakemamba.analysis.report.words import is_known
from fakemamba.analysis.results import Launch
from fakemamba.names import shorten

LONGEST_REASON = 300
TIMED = ("latency", "energy")
COLUMNS = {
    "latency": "latency_s",
    "peak-memory": "peak_bytes",
    "energy": "net_energy_j",
    "error": "relative_error",
}

Row = dict[str, Any]


@dataclass(frozen=True)
class PairedCell:
    """One cell in those pairs of launches that tried it, in order; a row is the table's.

    ``base`` and ``head`` are equally long, with None where only the other side has the cell.
    """

    cell_id: str
    base: tuple[Row | None, ...]
    head: tuple[Row | None, ...]


@dataclass(frozen=True)
class PairedFigures:
    """One quantity of a measured cell in every launch, pair by pair.

    ``clock_log_ratios`` are log(head / base) of the GPU's clock under load, None if not known.
    ``left_out`` says which pairs are not among them, if any.
    """

    cell_id: str
    quantity: str
    base: tuple[float, ...]
    head: tuple[float, ...]
    on_gpu: bool
    clock_log_ratios: tuple[float, ...] | None
    left_out: str = ""


def pair_cells(base: Sequence[Launch], head: Sequence[Launch]) -> list[PairedCell]:
    """Every cell of any launch. A pair that has a cell on neither side is none of its pairs."""
    base_rows, head_rows = ([_rows_by_id(launch) for launch in side] for side in (base, head))
    cells = []
    for cell_id in dict.fromkeys(cell_id for rows in (*base_rows, *head_rows) for cell_id in rows):
        pairs = [
            (before.get(cell_id), after.get(cell_id))
            for before, after in zip(base_rows, head_rows, strict=True)
            if cell_id in before or cell_id in after
        ]
        cells.append(PairedCell(cell_id, *zip(*pairs, strict=True)))
    return cells


def without_figures(cell: PairedCell) -> CellVerdict | None:
    """The verdict on a cell that cannot be compared by its figures; None on one that can be."""
    base, head = _present(cell.base), _present(cell.head)
    if not len(base) == len(head) == len(cell.base):
        text = f"it is in {len(base)} of base's and {len(head)} of head's {len(cell.base)} launches"
        return _ended(cell, "unanswerable", "missing", text)
    before, after = ({row["status"] for row in side} for side in (base, head))
    for status in ("failed", "wrong"):
        sides = [name for name, end in (("base", before), ("head", after)) if status in end]
        if sides:
            return _ended(cell, "unanswerable", status, f"{status} in {' and '.join(sides)}")
    if max(len(before), len(after)) > 1:
        text = "launches of one side ended in different ways"
        return _ended(cell, "unanswerable", "mixed-status", text)
    (was,), (is_now,) = before, after
    if was == is_now == "measured":
        return _of_other_size(cell)
    if was == is_now:
        return _ended(cell, "fine", was, f"{was} on both sides")
    text = f"{was} in base, {is_now} in head"
    if is_now == "measured":
        return _ended(cell, "fine", "newly-measured", text)
    return _ended(cell, "unanswerable", f"newly-{is_now}", text)


def figures_of(cell: PairedCell) -> Iterator[PairedFigures | CellVerdict]:
    """What a cell that was measured everywhere has to compare, or why a figure cannot be.

    A pair with a disturbed launch is left out of times and energy, and that is said: the launch is
    no measurement, and its partner has no neighbour without it.
    """
    pairs = list(zip(_present(cell.base), _present(cell.head), strict=True))
    on_gpu = str(pairs[0][0]["device"]).startswith("cuda")
    disturbances = [row["disturbed_by"][0] for one in pairs for row in one if row["disturbed_by"]]
    quiet = [pair for pair in pairs if not any(row["disturbed_by"] for row in pair)]
    for quantity, column in COLUMNS.items():
        if not any(_known(pair, column) for pair in pairs):
            continue
        usable, left_out = (quiet, len(pairs) - len(quiet)) if quantity in TIMED else (pairs, 0)
        base, head = [before for before, _ in usable], [after for _, after in usable]
        before, after = (_known(side, column) for side in (base, head))
        count = len(before) + len(after)
        if left_out and len(usable) < 2:
            code, text = "disturbed", _disturbed(left_out, len(pairs), disturbances)
        elif count < 2 * len(usable):
            code, text = "unknown-figure", f"known in {count} of {2 * len(usable)} launches"
        elif len(usable) < 2:
            code, text = "too-few-pairs", "one pair has no spread, so there is no interval"
        else:
            clock = _clock_log_ratios(base, head) if quantity == "latency" else None
            found = PairedFigures(cell.cell_id, quantity, before, after, on_gpu, clock)
            if left_out:
                why = f"; left out: {_disturbed(left_out, len(pairs), disturbances)}"
                found = replace(found, left_out=why)
            yield found
            continue
        yield CellVerdict(cell.cell_id, quantity, "unanswerable", code, text, pairs=len(usable))


def _disturbed(count: int, pairs: int, disturbances: Sequence[str]) -> str:
    return shorten(f"{count} of {pairs} pairs disturbed, by {disturbances[0]}", LONGEST_REASON)


def _ended(cell: PairedCell, verdict: str, code: str, text: str) -> CellVerdict:
    """A verdict on how a cell ended, with the first reason that a launch gives."""
    rows = (*_present(cell.head), *_present(cell.base))
    reason = next((row["reason"] for row in rows if isinstance(row["reason"], str)), None)
    detail = "" if reason is None else f": {shorten(reason, LONGEST_REASON)}"
    return CellVerdict(cell.cell_id, STATUS, verdict, code, text + detail, pairs=len(cell.base))


def _of_other_size(cell: PairedCell) -> CellVerdict | None:
    """A search for limits may end at another size in every launch."""
    rows = (*_present(cell.base), *_present(cell.head))
    for column in ("duration_s", "batch_size"):
        sizes = {row[column] for row in rows if is_known(row.get(column))}
        if len(sizes) > 1:
            text = f"{column} was {' and '.join(f'{size:g}' for size in sorted(sizes))}"
            return _ended(cell, "unanswerable", "other-size", text)
    return None


def _clock_log_ratios(base: Sequence[Row], head: Sequence[Row]) -> tuple[float, ...] | None:
    before, after = (_known(side, "sm_clock_mhz") for side in (base, head))
    if not len(before) == len(after) == len(base):
        return None
    return tuple(math.log(now / then) for then, now in zip(before, after, strict=True))


def _rows_by_id(launch: Launch) -> dict[str, Row]:
    columns = [str(column) for column in launch.cells]
    values = launch.cells.itertuples(index=False, name=None)
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    return {row["cell_id"]: row for row in rows}


def _known(rows: Sequence[Row], column: str) -> tuple[float, ...]:
    """A column's values that there are."""
    return tuple(value for row in rows if is_known(value := row.get(column, math.nan)))


def _present(rows: Sequence[Row | None]) -> list[Row]:
    return [row for row in rows if row is not None]
