"""A study's units: a form of a detector each, on so many cores, and the journal that keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pandas as pd

from fakemamba.journals import JournalFile

Key = tuple[int, str, str, int]


@dataclass(frozen=True)
class Form:
    """What a detector is run as.

    Attributes:
        layers: of its front-end.
        engine: torch, onnxruntime or openvino.
        precision: fp32, bf16 or int8.
    """

    layers: int
    engine: str
    precision: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.layers} layers, {self.engine}, {self.precision}"


@dataclass(frozen=True)
class EdgeUnit:
    """A form on so many cores, and what was found of it; what is unknown is None.

    Attributes:
        layers: see `Form`, as are `engine` and `precision`.
        threads: cores of its process, and threads of the engine.
        status: done or failed.
        reason: why it failed.
        is_fitted: whether the detector was trained behind so many layers.
        files_bytes: on the disk.
        score_error: |Δ score| of the recording that is timed, from torch in fp32, as many layers.
        loaded_s: seconds to load and compile it.
        first_call_s: of the first call.
        latency_p50_s: median of the calls after it.
        latency_p95_s: which one call in twenty exceeds.
        rtf: `latency_p50_s` a second of audio.
        calls: that were timed.
        peak_bytes: the most memory that the process had, with its engine.
        energy_j: of a call, idle power included.
        energy_reason: why that is unknown.
        eer_rise: EER less that of the whole detector in fp32, a fraction, on the same trials.
        eer_rise_low: lower end of its 95 % interval.
        eer_rise_high: upper end.
    """

    layers: int
    engine: str
    precision: str
    threads: int
    status: Literal["done", "failed"]
    reason: str | None = None
    is_fitted: bool | None = None
    files_bytes: int | None = None
    score_error: float | None = None
    loaded_s: float | None = None
    first_call_s: float | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    rtf: float | None = None
    calls: int | None = None
    peak_bytes: int | None = None
    energy_j: float | None = None
    energy_reason: str | None = None
    eer_rise: float | None = None
    eer_rise_low: float | None = None
    eer_rise_high: float | None = None

    @property
    def key(self) -> Key:
        """What it is of."""
        return self.layers, self.engine, self.precision, self.threads


class EdgeJournal(JournalFile[EdgeUnit]):
    """The units of a study, a line each; of those with one key the last counts."""

    format = 1
    form = EdgeUnit
    is_on_disk = True
    remedy = "remove the file, and what it has is measured again"
    anew = "name another folder for --out"
    alike = "Name another folder for --out"

    def add(self, unit: EdgeUnit) -> None:
        """Write down how a unit ended."""
        self.append([asdict(unit)])

    def units(self) -> dict[Key, EdgeUnit]:
        """How each ended, by its key."""
        return {unit.key: unit for _, unit in self.lines()}


def unit_table(units: Iterable[EdgeUnit]) -> pd.DataFrame:
    """A row a unit, most layers first."""
    table = pd.DataFrame([asdict(one) for one in units], columns=[f.name for f in fields(EdgeUnit)])
    order = ["threads", "layers", "engine", "precision"]
    return table.sort_values(order, ascending=[False, False, True, True], ignore_index=True)
