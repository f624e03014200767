"""The selective scan alone: which cells a sweep of it has, and their inputs, errors and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from fakemamba.bench.cells import ScanCell
from fakemamba.bench.workload import AUTOCAST_DTYPES, SEED
from fakemamba.models.scan import BACKENDS, directional_scan, unavailable_backends

DTYPES = {"fp32": torch.float32, **AUTOCAST_DTYPES}
DIRECTIONS = {"one": (False,), "both-shared": (False, True), "both-separate": (False, True)}
PASSES = ("forward", "forward+backward")
FRAMES = {
    "smoke": (50, 200, 800),
    "paper": (50, 200, 800, 3_200),
    "full": (50, 200, 800, 3_200, 12_800, 51_200),
}
BATCHES = {"smoke": (1,), "paper": (1,), "full": (1, 16)}
REFERENCE_FRAMES = 3_200  # beyond, float64 torch is the truth: itself held against the reference


def plan_scans(profile: str, device: str, precisions: Sequence[str]) -> list[ScanCell]:
    """The cells of every backend that can run on a device, lengths rising."""
    backends = backends_for(torch.device(device).type)
    grid = product(backends, PASSES, DIRECTIONS, precisions, BATCHES[profile], FRAMES[profile])
    return [
        ScanCell(backend, num_frames, batch_size, precision, directions, passes, device)
        for backend, passes, directions, precision, batch_size, num_frames in grid
    ]


@dataclass(frozen=True)
class ScanWorkload:
    """One scan with its inputs; backward, the gradients of all of them."""

    cell: ScanCell
    inputs: dict[str, Tensor]
    device: torch.device

    def run(self) -> Tensor:
        """The outputs, and with a backward pass also the gradients in ``inputs``."""
        if self.cell.passes == "forward":
            with torch.inference_mode():
                return self._scan(self.inputs, self.cell.backend)
        output = self._scan(self.inputs, self.cell.backend)
        gradients = torch.autograd.grad(output, list(self.inputs.values()), torch.ones_like(output))
        return torch.cat([output.flatten(), *(gradient.flatten() for gradient in gradients)])

    def check(self, output: Tensor) -> dict[str, Any]:
        """Relative error of the outputs against float64."""
        if not bool(torch.isfinite(output).all()):
            raise ArithmeticError(f"the scan is not finite in {self.cell.precision}")
        truth = "reference" if self.cell.num_frames <= REFERENCE_FRAMES else "torch"
        with torch.inference_mode():
            wanted = self._scan({k: v.double() for k, v in self.inputs.items()}, truth).flatten()
        found = output.detach().flatten()[: wanted.numel()].double()
        error = float((found - wanted).norm() / wanted.norm())
        return {"relative_error": error, "error_against": f"{truth} in float64"}

    def figures(self, latency_s: float) -> dict[str, Any]:
        """Bytes that must move, and at which rate they did."""
        moved = bytes_that_must_move(self.cell)
        return {"bytes_moved": moved, "bytes_per_s": moved / latency_s}

    def _scan(self, inputs: dict[str, Tensor], backend: str) -> Tensor:
        reverse = DIRECTIONS[self.cell.directions]
        shared = self.cell.directions == "both-shared"
        given = {
            name: value.expand(len(reverse), *value.shape[1:]) if shared else value
            for name, value in inputs.items()
        }
        return directional_scan(**given, reverse=reverse, backend=backend)


class ScanPreparer:
    """Makes scans; keeps nothing."""

    def prepare(self, cell: ScanCell) -> ScanWorkload:
        """Random inputs with the sizes and scales that a Mamba gives its scan."""
        generator = torch.Generator().manual_seed(SEED)
        directions = len(DIRECTIONS[cell.directions])
        own = 1 if cell.directions == "both-shared" else directions

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        frames = (directions, cell.batch_size, cell.num_frames)
        dtype = DTYPES[cell.precision]
        states = torch.arange(1.0, cell.states + 1)
        inputs = {
            "u": normal(*frames, cell.channels).to(dtype),
            "delta": normal(*frames, cell.channels).to(dtype),
            "A": -states.expand(own, cell.channels, cell.states).contiguous(),
            "B": normal(*frames, cell.states).to(dtype),
            "C": normal(*frames, cell.states).to(dtype),
            "D": torch.ones(own, cell.channels),
            "z": normal(own, *frames[1:], cell.channels).to(dtype),
            "delta_bias": normal(own, cell.channels) - 4,
        }
        needs_gradient = cell.passes == "forward+backward"
        device = torch.device(cell.device)
        return ScanWorkload(
            cell,
            {k: v.to(device).requires_grad_(needs_gradient) for k, v in inputs.items()},
            device,
        )

    def release(self) -> None:
        """There is nothing to let go of but the allocator's cache."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def bytes_that_must_move(cell: ScanCell) -> int:
    """Δ, u, z, B and C read once and y written once; backward, those and dy read, and as many
    gradients written. Weights are small and left out."""
    directions = len(DIRECTIONS[cell.directions])
    gates = 1 if cell.directions == "both-shared" else directions
    frames = cell.batch_size * cell.num_frames
    inputs = frames * ((2 * directions + gates) * cell.channels + 2 * directions * cell.states)
    outputs = frames * directions * cell.channels
    elements = inputs + outputs
    if cell.passes == "forward+backward":
        elements += 2 * inputs + outputs
    return elements * DTYPES[cell.precision].itemsize


def backends_for(device_type: str) -> list[str]:
    """Backends that can run here and belong on a device: cpu on a CPU, Triton's on a GPU, ..."""
    misplaced = ("triton", "mamba-ssm") if device_type == "cpu" else ("cpu",)
    absent = unavailable_backends()
    return [name for name in BACKENDS if name not in absent and name not in misplaced]
