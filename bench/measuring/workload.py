"""A part of a detector, ready to be called, verified and described."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.bench.cells import Cell
from fakemamba.bench.measuring.verification import (
    WrongResultError,
    require_close,
    require_finite,
    time_axis,
    with_other_tail,
)
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.models.detector import Detector
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.engines.frontend import ENGINES, EngineFrontend
from fakemamba.models.execution.modes import OTHER_FRONTENDS, running_in, slower_than_fp32
from fakemamba.models.registry import detector_entry, is_ours
from fakemamba.models.scan.mixer import set_scan_backend

SEED = 1234  # of random weights, and of speech-like input
ERRORS = ("max_abs_error", "relative_error")
ROTATED_INPUTS = 4
FIXED_LENGTH = "its input is cut, or repeated, to a fixed length"


def running_as(cell: Cell, precision: str) -> AbstractContextManager[None]:
    """`running_in` for a cell; where another front-end is run, it has the precision by itself."""
    device, is_other = torch.device(cell.device), cell.execution in OTHER_FRONTENDS
    return running_in(device, precision, cell.attention, autocast=not is_other)


@dataclass(frozen=True)
class Truth:
    """What a workload's outputs are held against; nothing is computed before it is asked for.

    Attributes:
        plain: runs the part in fp32, eager, with the torch scan.
        on_speech: what a run of the part makes of real speech, and its plain outputs row by row.
        on_ragged_batch: scores of a ragged batch, and of its utterances alone.
        errors: that were found in a cell with the same speech; empty before.
    """

    plain: Callable[[Tensor], Tensor]
    on_speech: Callable[[Callable[[Tensor], Tensor]], tuple[Tensor, Tensor]]
    on_ragged_batch: Callable[[], tuple[Tensor, Tensor]]
    errors: dict[str, Any]


@dataclass(frozen=True)
class DetectorWorkload:
    """A part of a detector and what it is given: ``first`` (B, T, ...), and others like it."""

    cell: Cell
    detector: Detector
    part: nn.Module
    countable: Callable[[Tensor], Tensor]
    executed: Callable[[Tensor], Tensor]
    first: Tensor
    truth: Truth
    device: torch.device

    def inputs(self) -> list[Tensor]:
        """``first``, the same with another end, and in another order, so that no result is reused.

        They are made anew, so that they lie elsewhere in memory.
        """
        set_kernels(self.detector, self.cell.attention, self.cell.backend)
        axis, parts = time_axis(self.first), range(1, ROTATED_INPUTS)
        steps = [part * self.first.shape[axis] // ROTATED_INPUTS for part in parts]
        rolled = [self.first.roll(step, dims=axis) for step in steps]
        return [self.first.clone(), with_other_tail(self.first, self._tail), *rolled]

    def run(self, given: Tensor) -> Tensor:
        """The part's output in the cell's precision and execution."""
        return self._run(self.executed, given)

    def run_eager(self) -> Tensor:
        """The part's output for the first input in the cell's precision, eager, to be counted."""
        return self._run(self.countable, self.first)

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Check the first two inputs' outputs, and more; the errors where fp32 eager is truth.

        Raises:
            WrongResultError: an output is not what it has to be.
        """
        precision, what = self.cell.precision, f"{self.cell.part} in {self.cell.precision}"
        require_finite(output, f"the output of {what}")
        is_fixed = self.detector.fixed_samples is not None
        if not is_fixed and not self.hears_tail(output, other):
            raise WrongResultError(
                f"the output of {what} stays the same when the end of its input changes: it is cut "
                "to a fixed length, or remembered"
            )
        together, alone = self.truth.on_ragged_batch()
        require_close(together, alone, precision, "a batch against its rows alone")
        known = {"fixed_length": FIXED_LENGTH} if is_fixed else {}
        return self.errors_against_fp32(what) | known

    def errors_against_fp32(self, what: str) -> dict[str, Any]:
        """The errors, None where fp32 eager is what was run; ``what`` it is, for messages.

        Raises:
            WrongResultError: they are beyond the precision's bound.
        """
        if self._is_plain:
            return dict.fromkeys(ERRORS)
        if not self.truth.errors:
            self.truth.errors.update(self._errors(what))
        return self.truth.errors

    def facts(self) -> dict[str, Any]:
        """Sizes of the part, where code or weights of others come from, how an engine started."""
        parameters = list(self.part.parameters())
        stored = [*parameters, *self.part.buffers()]
        facts: dict[str, Any] = {
            "n_parameters": sum(parameter.numel() for parameter in parameters),
            "weights_bytes": sum(tensor.numel() * tensor.element_size() for tensor in stored),
        }
        if (origin := origin_of(self.cell)) is not None:
            facts["origin"] = origin
        for one in self.part.modules():
            if isinstance(one, EngineFrontend):
                facts["n_parameters"] += one.num_parameters
                facts["weights_bytes"] += one.start.files_bytes
                facts |= {"engine": one.start.to_json(), "cold_start_s": one.start.cold_start_s}
        if slow := self._slow():
            facts["notes"] = [f"slower than plain fp32: {slow}"]
        return facts

    def _slow(self) -> str | None:
        """Why the part is slower than in fp32 here, where that is known; None where it is not."""
        in_fp32 = self.cell.part == "encoder" and self.cell.execution in OTHER_FRONTENDS
        if in_fp32 or self.cell.execution in ENGINES:  # whose precisions are not torch's
            return None
        return slower_than_fp32(self.device, self.cell.precision)

    def _errors(self, what: str) -> dict[str, Any]:
        try:
            found = require_close(*self.truth.on_speech(self.run), self.cell.precision, what)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # The plain scan and fp32 need more memory than what is measured may need.
            return dict.fromkeys(ERRORS) | {"error_reason": "memory ended while fp32 was run"}
        return {
            "max_abs_error": found.max_abs,
            "relative_error": found.relative,
            "error_against": "fp32, eager, torch scan, each row alone, on real speech",
        }

    def _run(self, call: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
        with torch.inference_mode(), running_as(self.cell, self.cell.precision):
            return call(given)

    @property
    def _is_plain(self) -> bool:
        cell = self.cell
        scans_plainly = cell.part == "front-end" or cell.backend in ("none", "torch")
        how = (cell.precision, cell.execution, cell.attention, cell.batch_size)
        return scans_plainly and how == ("fp32", "eager", "sdpa", 1)

    @property
    def _tail(self) -> int:
        """The last second, in samples or frames; half of what is shorter."""
        is_waveform = self.first.ndim == 2
        rate_hz = SAMPLE_RATE_HZ if is_waveform else self.detector.framing.frames_per_s
        return min(rate_hz, self.first.shape[time_axis(self.first)] // 2)

    def hears_tail(self, output: Tensor, other: Tensor) -> bool:
        """Whether the outputs of the first two inputs, which differ in their ends, differ."""
        if self._tail == 0 or not torch.equal(output, other):
            return True
        # A mean over a long input may move by less than a step of a lower precision.
        plain = self.truth.plain
        return self.cell.precision != "fp32" and not torch.equal(
            plain(self.first), plain(with_other_tail(self.first, self._tail))
        )


def origin_of(cell: Cell) -> dict[str, str | None] | None:
    """Where a cell's detector comes from, if it is not of this package."""
    return None if is_ours(cell.detector) else detector_entry(cell.detector).origin()


def set_kernels(detector: Detector, attention: str, backend: str) -> None:
    """Let a detector, and all that share its front-end, use these kernels."""
    detector.set_attention("eager" if attention == "eager" else "sdpa")
    set_scan_backend(detector, "auto" if backend == "none" else backend)
