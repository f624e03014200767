"""A part of a detector, ready to be called, verified and described."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.bench.cells import FRAMES_PER_S, Cell
from fakemamba.bench.verification import (
    WrongResultError,
    require_close,
    require_finite,
    require_tail_heard,
)
from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.modes import OPTIMIZED, running_in

ERRORS = ("max_abs_error", "relative_error")


def running_as(cell: Cell, precision: str) -> AbstractContextManager[None]:
    """`running_in` for a cell; the weights of an optimized one have the precision themselves."""
    device, is_optimized = torch.device(cell.device), cell.execution == OPTIMIZED
    return running_in(device, precision, cell.attention, autocast=not is_optimized)


@dataclass(frozen=True)
class Truth:
    """What a workload's outputs are held against; nothing is computed before it is asked for.

    Attributes:
        plain: runs the part in fp32, eager, with the torch scan.
        on_speech: batches of real speech, each with its plain outputs row by row.
        on_ragged_batch: scores of a ragged batch, and of its utterances alone.
    """

    plain: Callable[[Tensor], Tensor]
    on_speech: Callable[[], list[tuple[Tensor, Tensor]]]
    on_ragged_batch: Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class DetectorWorkload:
    """A part of a detector and what it is given: ``inputs`` take turns in the rounds."""

    cell: Cell
    part: nn.Module
    countable: Callable[[Tensor], Tensor]
    executed: Callable[[Tensor], Tensor]
    inputs: tuple[Tensor, ...]
    truth: Truth
    device: torch.device

    def run(self, given: Tensor) -> Tensor:
        """The part's output in the cell's precision and execution."""
        return self._run(self.executed, given)

    def run_eager(self) -> Tensor:
        """The part's output for the first input in the cell's precision, eager, to be counted."""
        return self._run(self.countable, self.inputs[0])

    def verify(self, output: Tensor) -> dict[str, Any]:
        """Check ``output``, the first input's, and others; the errors where fp32 eager is truth.

        Raises:
            WrongResultError: an output is not what it has to be.
        """
        precision, what = self.cell.precision, f"{self.cell.part} in {self.cell.precision}"
        require_finite(output, f"the output of {what}")
        self._require_tail_heard(output.clone(), what)  # the next run of a graph overwrites it
        together, alone = self.truth.on_ragged_batch()
        require_close(together, alone, precision, "a batch against its rows alone")
        if self._is_plain:
            return dict.fromkeys(ERRORS)
        try:
            errors = [
                require_close(self.run(given), wanted, precision, what)
                for given, wanted in self.truth.on_speech()
            ]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # The plain scan and fp32 need more memory than what is measured may need.
            return dict.fromkeys(ERRORS) | {"error_reason": "memory ended while fp32 was run"}
        return {
            "max_abs_error": max(error.max_abs for error in errors),
            "relative_error": max(error.relative for error in errors),
            "error_against": "fp32, eager, torch scan, each row alone, on real speech",
        }

    def figures(self, latency_s: float) -> dict[str, Any]:
        """Real-time factor (at batch 1), throughput in audio seconds per second, sizes."""
        duration_s, batch_size = self.cell.duration_s, self.cell.batch_size
        parameters = list(self.part.parameters())
        stored = [*parameters, *self.part.buffers()]
        return {
            "rtf": latency_s / duration_s if batch_size == 1 else None,
            "throughput": batch_size * duration_s / latency_s,
            "n_parameters": sum(parameter.numel() for parameter in parameters),
            "weights_bytes": sum(tensor.numel() * tensor.element_size() for tensor in stored),
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

    def _require_tail_heard(self, output: Tensor, what: str) -> None:
        given = self.inputs[0]
        rate_hz = SAMPLE_RATE_HZ if given.ndim == 2 else FRAMES_PER_S
        tail = min(rate_hz, given.shape[1] // 2)  # the last second
        if tail == 0:
            return
        try:
            require_tail_heard(self.run, given, output, tail, what)
        except WrongResultError:
            if self.cell.precision == "fp32":
                raise
            # A mean over a long input may move by less than a step of this precision.
            require_tail_heard(self.truth.plain, given, self.truth.plain(given), tail, what)
