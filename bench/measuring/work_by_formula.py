"""The work of detectors' parts at any duration, by formula: what needs no clock is not timed.

A front-end is counted once for all detectors that have it, and end to end is the sum of the parts,
and of what is done to waveforms before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fakemamba.bench.cells import PARTS, STREAM_PARTS, AnyCell, Cell
from fakemamba.bench.instruments.work import Work
from fakemamba.bench.instruments.work_on_meta import META, MetaCounter, NoFormulaError
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.execution.modes import OTHER_FRONTENDS
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontend_sources import frontend_config
from fakemamba.models.registry import build_detector, is_ours
from fakemamba.names import one_line
from fakemamba.result_schema import OWN_FRONTEND

DURATIONS_S = tuple(0.5 * 2**doublings for doublings in range(11))  # to 512 s
# Autocast to bf16 or fp16 casts nothing on the meta device, and int8 and the optimized front-end
# have operators of their own: these are counted where they run.
PRECISIONS = ("fp32", "tf32")
COUNTS = ("flops", "bytes_moved")
Made = TypeVar("Made")


def work_records(cells: Iterable[AnyCell]) -> list[dict[str, Any]]:
    """Flops and bytes moved of all parts in a sweep, at ``DURATIONS_S`` in fp32, a record each.

    A record has detector, frontend, part, batch_size and lists of equal length: durations_s, flops
    and bytes_moved. Durations that the detector does not take are left out. Where there is no count
    at all the other two are None, and ``reason`` says why. A part that is measured in several ways
    has one record. Training steps, recordings and detectors of others have none.
    """
    counter = formula_counter()
    parts = {
        (cell.detector, cell.frontend, cell.part, cell.batch_size): None
        for cell in cells
        if isinstance(cell, Cell) and cell.part in PARTS and cell.recording is None
        if is_ours(cell.detector) and cell.frontend != OWN_FRONTEND
    }
    return [_record(counter, *part) for part in parts]


class FormulaCounter:
    """Counts parts of detectors by their names, and keeps what they share."""

    def __init__(self) -> None:
        self._counter = MetaCounter()
        self._kept: dict[object, Any] = {}

    def count(
        self,
        detector: str,
        frontend: str,
        part: str,
        batch_size: int,
        duration_s: float,
        attention: str = "sdpa",
    ) -> Work:
        """The work of a part of ``PARTS`` in fp32, eager; ``attention`` is the front-end's.

        Raises:
            NoFormulaError: an operator has no formula.
            UnsupportedInputError: the detector does not take this duration.
            ValueError: there is no such detector, or the front-end's sizes cannot be read.
        """
        if not is_ours(detector):
            raise NoFormulaError("code of others is not run to be counted, but where it is timed")
        made = self._detector(detector, frontend, attention)
        waveforms = torch.empty(batch_size, round(duration_s * SAMPLE_RATE_HZ), device=META)
        made.check_input(waveforms, None)

        def counted(module: nn.Module, given: Tensor) -> tuple[Work, Any]:
            key = (module, given.shape)
            return self._keep(key, lambda: self._counter.count(lambda: module(given)))

        preparation, (prepared, _) = self._counter.count(lambda: made.prepared(waveforms))
        front_end, (features, _) = counted(made.frontend, prepared)
        if part == "front-end":
            return front_end
        encoder, encoded = counted(made.encoder, features)
        if part == "encoder":
            return encoder
        works = (preparation, front_end, encoder, counted(made.head, encoded)[0])
        flops, bytes_moved = (sum(getattr(work, name) for work in works) for name in COUNTS)
        return Work(flops, bytes_moved, 1.0, {})

    def count_cell(self, cell: object) -> Work | None:
        """The work of a cell, or None where only running it shows that.

        Of a stream it is that of the window, without the samples that are put together for it.
        """
        if isinstance(cell, Cell) and cell.part == "stream":
            cell = cell.of_window
        if (
            not isinstance(cell, Cell)
            or cell.part not in PARTS
            or cell.precision not in PRECISIONS
            or cell.execution in OTHER_FRONTENDS
        ):
            return None
        attention = "eager" if cell.attention == "eager" else "sdpa"
        part = (cell.detector, cell.frontend, cell.part, cell.batch_size)
        try:
            return self.count(*part, cell.duration_s, attention)
        except Exception:  # whatever code of others does not do without numbers
            return None

    def _detector(self, name: str, source: str, attention: str) -> Detector:
        def frontend() -> Frontend:
            config = frontend_config(source, attention)
            with META:
                made = Frontend(config).eval()
            self._counter.watch(made)
            return made

        def detector() -> Detector:
            shared = self._keep((source, attention), frontend)
            with META:
                made = build_detector(name, shared.config, {}, shared).eval()
            for part in (made.encoder, made.head):
                self._counter.watch(part)
            return made

        return self._keep((name, source, attention), detector)

    def _keep(self, key: object, make: Callable[[], Made]) -> Made:
        if key not in self._kept:
            self._kept[key] = make()
        made: Made = self._kept[key]
        return made


@cache
def formula_counter() -> FormulaCounter:
    """The one of this process: what it has counted for one purpose serves the next."""
    return FormulaCounter()


def flops_of(cell: AnyCell) -> float | None:
    """Of a part of ``PARTS`` in fp32, as a measure of how long a cell will take; None of others.

    A stream's is that of its whole window, though less of it may have to be done.
    """
    if isinstance(cell, Cell) and cell.part in STREAM_PARTS:
        cell = cell.of_window
    if not isinstance(cell, Cell) or cell.part not in PARTS:
        return None
    part = (cell.detector, cell.frontend, cell.part, cell.batch_size)
    try:
        return formula_counter().count(*part, cell.duration_s).flops
    except Exception:  # whatever code of others does not do without numbers
        return None


def _record(
    counter: FormulaCounter, detector: str, frontend: str, part: str, batch_size: int
) -> dict[str, Any]:
    names = {"detector": detector, "frontend": frontend, "part": part, "batch_size": batch_size}
    works: dict[float, Work] = {}
    reason = None
    for duration_s in DURATIONS_S:
        try:
            works[duration_s] = counter.count(detector, frontend, part, batch_size, duration_s)
        except UnsupportedInputError as error:
            reason = one_line(str(error))
        except Exception as error:  # whatever code of others does not do without numbers
            works.clear()
            reason = one_line(str(error) or type(error).__name__)
            break
    counts = {name: [getattr(work, name) for work in works.values()] for name in COUNTS}
    if not works:
        return names | {"durations_s": list(DURATIONS_S), **dict.fromkeys(COUNTS), "reason": reason}
    return names | {"durations_s": list(works), **counts, "reason": None}
