"""What a resumed sweep and a gate read of the JSON that a sweep has written.

They know their own files: what is checked is only that each entry has what they need of it. Whether
a file is a whole result that can be trusted is what `fakemamba.analysis.validation` asks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from fakemamba.records import in_part, read_record
from fakemamba.result_schema import Status

Time = Annotated[float, Field(ge=0)]
VisitRecord = TypedDict(
    "VisitRecord",
    {
        "pass": Annotated[int, Field(ge=0)],
        "rounds_s": Annotated[list[Time], Field(min_length=1)],
        "host_s": Time,
        "enqueue_s": Time,
        "disturbed_by": list[str],
        "unix_time_s": float,
    },
)


@in_part
@dataclass(frozen=True)
class _Info:
    cell_id: str | None = None  # other people's benchmarks have none
    status: Status | None = None
    reason: str | None = None
    disturbed_by: list[str] | None = None
    visits: list[VisitRecord] | None = None

    def __post_init__(self) -> None:
        if self.cell_id is not None and self.status is None:
            raise ValueError(f"cell {self.cell_id} has no status")


@in_part
@dataclass(frozen=True)
class _Stats:
    median: Time | None = None
    data: list[Time] | None = None


@in_part
@dataclass(frozen=True)
class _Entry:
    fullname: str
    extra_info: _Info
    stats: _Stats

    def __post_init__(self) -> None:
        if self.extra_info.status == "measured" and self.stats.median is None:
            raise ValueError(f"cell {self.extra_info.cell_id} is measured, but has no median")


@in_part
@dataclass(frozen=True)
class _Block:
    identity: dict[str, Any] | None = None


@in_part
@dataclass(frozen=True)
class _Result:
    benchmarks: list[_Entry]
    fakemamba: _Block | None = None


def saved_result(
    path: Path, error: type[ValueError], remedy: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The identity of the sweep that wrote a JSON, and its entries that are cells, as they are.

    Each has a ``fullname``, ``stats`` whose times are numbers, and ``extra_info`` with a
    ``cell_id`` and a ``status``.

    Args:
        path: of the JSON.
        error: what is raised of it.
        remedy: what to do where it is no such JSON.

    Raises:
        error: it is none, or cut short, or the same cell is there twice.
    """
    read_record(path, _Result, error, remedy)
    content = read_record(path, dict[str, Any], error, remedy)
    cells = [one for one in content["benchmarks"] if one["extra_info"].get("cell_id") is not None]
    names = [one["extra_info"]["cell_id"] for one in cells]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise error(f"{path}: cell {twice[0]} is there twice; {remedy}")
    return (content.get("fakemamba") or {}).get("identity") or {}, cells
