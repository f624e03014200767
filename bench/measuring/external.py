"""A part of an external detector as a workload: what it lacks is worked around, and recorded.

It is held to less than this package's detectors are: whether it may be run in batches is found out
and recorded, and one that does not hear the end of its input is measured as one of a fixed length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.bench.cells import Cell
from fakemamba.bench.measuring.verification import WrongResultError, require_finite
from fakemamba.bench.measuring.workload import (
    FIXED_LENGTH,
    SEED,
    DetectorWorkload,
    Truth,
    running_as,
    set_kernels,
)
from fakemamba.data.recordings import real_speech
from fakemamba.models.detector import Detector
from fakemamba.models.execution.modes import OTHER_FRONTENDS, UnsupportedSettingError, executed
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.external.graphs import GraphModule
from fakemamba.models.frontend import Frontend
from fakemamba.models.registry import detector_entry
from fakemamba.result_schema import OWN_FRONTEND


def frontend_of(detector: str, frontend: str) -> str:
    """The front-end that a detector's cells have where one is asked for: that, or its own."""
    return OWN_FRONTEND if detector_entry(detector).has_own_frontend else frontend


@cache
def detector_of_its_own(name: str) -> Detector:
    """A detector that brings its front-end, in evaluation mode on the CPU, made once a process.

    Raises:
        ValueError: it cannot be made.
    """
    torch.manual_seed(SEED)
    entry = detector_entry(name)
    return entry.make(entry.config(None, {})).eval()


@dataclass(frozen=True)
class ExternalWorkload(DetectorWorkload):
    """A part of an external detector."""

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Check that the output is one, and find what is to be known of the detector.

        Raises:
            WrongResultError: it is not finite, or differs too much from that in fp32.
        """
        what = f"{self.cell.part} in {self.cell.precision}"
        require_finite(output, f"the output of {what}")
        facts = self._external.facts(self.device)
        notes = [*facts.pop("notes")]
        is_fixed = facts["num_samples"] is not None or not self.hears_tail(output, other)
        fixed_length = FIXED_LENGTH if is_fixed else None
        errors = self.errors_against_fp32(what)
        return errors | {"external": facts, "fixed_length": fixed_length, "notes": notes}

    @property
    def _tail(self) -> int:
        """The last second of whatever stands for time along the second axis."""
        steps = self.first.shape[1]
        return min(round(steps / self.cell.duration_s), steps // 2)

    @property
    def _external(self) -> ExternalDetector:
        assert isinstance(self.detector, ExternalDetector)
        return self.detector


def external_workload(
    cell: Cell,
    detector: ExternalDetector,
    waveforms: Tensor,
    as_precision: Callable[[nn.Module], nn.Module],
) -> ExternalWorkload:
    """What a cell of an external detector measures.

    Args:
        cell: of the detector.
        detector: on the cell's device.
        waveforms: of the cell's duration, (B, samples).
        as_precision: a module as the cell's precision wants it, which int8 changes.

    Raises:
        UnsupportedSettingError: it has no such part, or its part cannot be run by itself.
        ExternalDetectorError: no scores can be had of it.
    """
    if cell.execution in OTHER_FRONTENDS:
        raise UnsupportedSettingError(
            f"{cell.detector} is external: execution {cell.execution} is for detectors of this "
            "package"
        )
    if cell.part != "end-to-end" and cell.part not in detector.parts:
        raise UnsupportedSettingError(f"{cell.detector} names no part {cell.part}")
    plain = detector if cell.part == "end-to-end" else detector.parts[cell.part]
    _check_kernels(cell, detector, plain)
    device = torch.device(cell.device)
    set_kernels(detector, cell.attention, cell.backend)
    detector.inspected(device)
    part = as_precision(plain)

    takes_rows = cell.part == "end-to-end" or isinstance(plain, Frontend)

    def given_to(rows: Tensor) -> Tensor:
        with torch.inference_mode():
            return rows if takes_rows else detector.input_of(cell.part, rows)

    def run_plain(given: Tensor) -> Tensor:
        with torch.inference_mode(), running_as(replace(cell, attention="sdpa"), "fp32"):
            return tensor_of(plain(given))

    def on_speech(run: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        rows = [real_speech(waveforms.shape[1], speaker) for speaker in range(cell.batch_size)]
        given = given_to(torch.from_numpy(np.stack(rows)).to(device))
        return run(given), torch.cat([run_plain(row) for row in given.split(1)])

    def eager(given: Tensor) -> Tensor:
        return tensor_of(part(given))

    first = given_to(waveforms)
    with torch.inference_mode(), running_as(cell, cell.precision):
        call = executed(eager, cell.execution, first)
    truth = Truth(run_plain, on_speech, _no_batch, {})
    return ExternalWorkload(cell, detector, part, eager, call, first, truth, device)


def _check_kernels(cell: Cell, detector: ExternalDetector, part: nn.Module) -> None:
    """Raises UnsupportedSettingError: the setting would change nothing, and be its name alone."""
    is_plain = (cell.precision, cell.execution) == ("fp32", "eager")
    if isinstance(detector.network, GraphModule) and not is_plain:
        raise UnsupportedSettingError(
            f"{cell.detector} is run by {detector.network.engine} as it was exported, not in "
            f"{cell.precision}, {cell.execution}"
        )
    has_linear = any(type(module) is nn.Linear for module in part.modules())
    if cell.precision == "int8" and not has_linear:
        raise UnsupportedSettingError(
            f"{cell.part} of {cell.detector} has no linear layers that could be quantised"
        )


def tensor_of(output: Any) -> Tensor:
    """The tensor that a part gives, without what it gives beside it.

    Raises:
        WrongResultError: it gives none.
    """
    first = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(first, Tensor):
        first = getattr(output, "last_hidden_state", first)  # of transformers' models
    if not isinstance(first, Tensor):
        raise WrongResultError(f"the part gives no tensor, but {type(output).__name__}")
    return first


def _no_batch() -> tuple[Tensor, Tensor]:
    raise AssertionError("an external detector's batches are inspected, not verified")
