"""The two scans alone: which cells a sweep of them has, and their inputs, errors and bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from fakemamba.bench.cells import ScanCell
from fakemamba.bench.measuring.verification import WrongResultError, require_finite
from fakemamba.bench.measuring.workload import SEED
from fakemamba.models.execution.modes import (
    AUTOCAST_DTYPES,
    OPTIMIZED,
    UnsupportedSettingError,
    check_setting,
    executed,
)
from fakemamba.models.scan import BACKENDS, directional_scan, ssd_scan, unavailable_backends

SCANS: dict[str, Callable[..., Tensor]] = {"selective": directional_scan, "ssd": ssd_scan}
SIZES = {"selective": (288, 16), "ssd": (256, 64)}  # channels and states, in Fake-Mamba and Hydra
HEAD_CHANNELS = 64  # of the SSD scan, at most
DTYPES = {"fp32": torch.float32, **AUTOCAST_DTYPES}
DIRECTIONS = {"one": (False,), "both-shared": (False, True), "both-separate": (False, True)}
PASSES = ("forward", "forward+backward")
FRAMES = {
    "smoke": (50, 200, 800),
    "answer": (50, 200, 800),
    "paper": (50, 200, 800, 3_200),
    "full": (50, 200, 800, 3_200, 12_800, 51_200),
}
BATCHES = {"smoke": (1,), "answer": (1,), "paper": (1,), "full": (1, 16)}
REFERENCE_FRAMES = 3_200  # beyond, float64 torch is the truth: itself held against the reference
ERROR_BOUNDS = {"fp32": 1e-5, "bf16": 1e-2, "fp16": 1e-2}  # relative, against float64

Inputs = dict[str, Tensor]


def plan_scans(
    profile: str,
    device: str,
    precisions: Sequence[str],
    executions: Sequence[str] = ("eager",),
    clock: str = "latency",
) -> list[ScanCell]:
    """The cells of every backend that can run on a device, lengths rising."""
    backends = backends_for(torch.device(device).type)
    kinds = product(SCANS, backends, PASSES, DIRECTIONS, precisions, executions)
    lengths = list(product(BATCHES[profile], FRAMES[profile]))
    return [
        ScanCell(
            *(backend, frames, batch, precision, directions, passes, device, execution, clock),
            *SIZES[scan],
            scan,
        )
        for scan, backend, passes, directions, precision, execution in kinds
        for batch, frames in lengths
    ]


@dataclass(frozen=True)
class ScanWorkload:
    """One scan with its inputs; backward, the gradients of all of them."""

    cell: ScanCell
    scan: Callable[[Inputs], Tensor]
    given: tuple[Inputs, ...]
    device: torch.device

    def inputs(self) -> tuple[Inputs, ...]:
        """Two of them, which take turns."""
        return self.given

    def run(self, given: Inputs) -> Tensor:
        """The outputs, and with a backward pass also the gradients of all inputs, as one vector."""
        return self._run(self.scan, given)

    def run_eager(self) -> Tensor:
        """The same for the first inputs, eager."""
        return self._run(scan_of(self.cell, self.cell.backend), self.given[0])

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Relative error of the outputs against float64.

        Raises:
            WrongResultError: the error is larger than rounding makes it.
        """
        for one in (output, other):
            require_finite(one, f"the scan in {self.cell.precision}")
        error, truth = self.error(output)
        bound = ERROR_BOUNDS[self.cell.precision]
        if not error <= bound:
            raise WrongResultError(
                f"relative error {error:.2g} against float64, but {self.cell.precision} may have "
                f"{bound:g}"
            )
        return {"relative_error": error, "error_against": f"{truth} in float64"}

    def error(self, output: Tensor) -> tuple[float, str]:
        """Relative error of an output for the first inputs against float64, and whose that is."""
        truth = "reference" if self.cell.num_frames <= REFERENCE_FRAMES else "torch"
        with torch.inference_mode():
            exact = {name: value.double() for name, value in self.given[0].items()}
            wanted = scan_of(self.cell, truth)(exact).flatten()
        found = output.detach().flatten()[: wanted.numel()].double()
        return float((found - wanted).norm() / wanted.norm()), truth

    def facts(self) -> dict[str, Any]:
        """Bytes that must move."""
        moved = bytes_that_must_move(self.cell)
        return {"bytes_moved": moved, "must_move_bytes": moved}

    def _run(self, scan: Callable[[Inputs], Tensor], given: Inputs) -> Tensor:
        if self.cell.passes == "forward":
            with torch.inference_mode():
                return scan(given)
        output = scan(given)
        gradients = torch.autograd.grad(output, list(given.values()), torch.ones_like(output))
        return torch.cat([output.flatten(), *(gradient.flatten() for gradient in gradients)])


def scan_of(cell: ScanCell, backend: str) -> Callable[[Inputs], Tensor]:
    """The cell's scan by a backend; shared inputs are expanded to both directions."""
    reverse = DIRECTIONS[cell.directions]
    shared = cell.directions == "both-shared"

    def scan(inputs: Inputs) -> Tensor:
        given = {
            name: value.expand(len(reverse), *value.shape[1:]) if shared else value
            for name, value in inputs.items()
        }
        return SCANS[cell.scan](**given, reverse=reverse, backend=backend)

    return scan


class ScanPreparer:
    """Makes scans; keeps nothing."""

    def prepare(self, cell: ScanCell) -> ScanWorkload:
        """Random inputs with the sizes and scales that a Mamba gives its scan.

        Raises:
            UnsupportedSettingError: the scan has no such precision or execution.
        """
        check_setting(torch.device(cell.device), cell.precision, cell.execution)
        if cell.precision not in ERROR_BOUNDS or cell.execution in ("graph", OPTIMIZED):
            raise UnsupportedSettingError(
                f"the scan by itself is not measured in {cell.precision}, {cell.execution}"
            )
        generator = torch.Generator().manual_seed(SEED)
        inputs = {
            name: torch.randn(shape, generator=generator).to(DTYPES[cell.precision])
            for name, shape in frame_shapes(cell).items()
        } | _weights(cell, generator)
        needs_gradient = cell.passes == "forward+backward"
        device = torch.device(cell.device)
        driving = next(iter(inputs))
        rotated = inputs | {driving: inputs[driving].roll(1, dims=2)}
        both = tuple(
            {k: v.detach().to(device).requires_grad_(needs_gradient) for k, v in one.items()}
            for one in (inputs, rotated)
        )
        scan = executed(scan_of(cell, cell.backend), cell.execution, both[0])
        return ScanWorkload(cell, scan, both, device)

    def release(self) -> None:
        """There is nothing to let go of but the allocator's cache."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def frame_shapes(cell: ScanCell) -> dict[str, tuple[int, ...]]:
    """Inputs that have a value a frame, the scanned one first; shared ones have one direction."""
    directions = len(DIRECTIONS[cell.directions])
    own = _own(cell)
    frames = (cell.batch_size, cell.num_frames)
    states = dict.fromkeys(("B", "C"), (directions, *frames, cell.states))
    if cell.scan == "ssd":
        heads = _heads(cell)
        x = (own, *frames, heads, cell.channels // heads)
        return {"x": x, "delta": (directions, *frames, heads), **states}
    u = (directions, *frames, cell.channels)
    return {"u": u, "delta": u, **states, "z": (own, *frames, cell.channels)}


def _weights(cell: ScanCell, generator: torch.Generator) -> Inputs:
    """Inputs of no frame, as a mixer that was just made has them."""
    own = _own(cell)
    if cell.scan == "ssd":
        heads = (own, _heads(cell))
        return {"A": -torch.ones(heads), "delta_bias": torch.randn(heads, generator=generator) - 4}
    channels = (own, cell.channels)
    states = torch.arange(1.0, cell.states + 1)
    return {
        "A": -states.expand(*channels, cell.states).contiguous(),
        "D": torch.ones(channels),
        "delta_bias": torch.randn(channels, generator=generator) - 4,
    }


def _own(cell: ScanCell) -> int:
    """Directions that have weights of their own."""
    return 1 if cell.directions == "both-shared" else len(DIRECTIONS[cell.directions])


def _heads(cell: ScanCell) -> int:
    return max(1, cell.channels // HEAD_CHANNELS)


def bytes_that_must_move(cell: ScanCell) -> int:
    """Inputs of frames (u or x, Δ, z, B and C) read once and y written once; backward, those and dy
    read, and as many gradients written. Weights are small and left out."""
    inputs = sum(map(math.prod, frame_shapes(cell).values()))
    outputs = len(DIRECTIONS[cell.directions]) * cell.batch_size * cell.num_frames * cell.channels
    elements = inputs + outputs
    if cell.passes == "forward+backward":
        elements += 2 * inputs + outputs
    return elements * DTYPES[cell.precision].itemsize


def backends_for(device_type: str) -> list[str]:
    """Backends that can run here and belong on a device: cpu on a CPU, Triton's on a GPU, ..."""
    misplaced = ("triton", "mamba-ssm") if device_type == "cpu" else ("cpu",)
    absent = unavailable_backends()
    return [name for name in BACKENDS if name not in absent and name not in misplaced]
