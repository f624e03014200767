"""A training step as a workload: forward, weighted cross-entropy, backward, Adam.

As the Fake-Mamba authors train: class weights 0.1 (spoof) and 0.9 (bona fide), Adam with learning
rate 1e-6 and L2 1e-4. ``training-step`` tunes everything, ``training-step-frozen`` leaves the
front-end as it is, which then runs without gradients and in evaluation mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.bench.cells import Cell
from fakemamba.bench.measuring.verification import WrongResultError, require_finite
from fakemamba.bench.measuring.workload import set_kernels
from fakemamba.models.detector import Detector
from fakemamba.models.execution.modes import UnsupportedSettingError, running_in

CLASS_WEIGHTS = (0.1, 0.9)
LEARNING_RATE = 1e-6
L2 = 1e-4
MOST_HALVINGS = 16


@dataclass(frozen=True)
class Trainee:
    """A detector that is trained, and what trains it."""

    detector: Detector
    optimizer: torch.optim.Optimizer


@dataclass(frozen=True)
class TrainingWorkload:
    """One optimizer step on a batch; rows are spoof and bona fide in turns."""

    cell: Cell
    detector: Detector
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    first: Tensor
    device: torch.device

    def inputs(self) -> list[Tensor]:
        """The batch, and the same in another order; the detector is set to run as this cell's."""
        set_kernels(self.detector, self.cell.attention, self.cell.backend)
        return [self.first, self.first.roll(self.first.shape[1] // 2, dims=1)]

    def run(self, given: Tensor) -> Tensor:
        """Do a step on waveforms (B, L) and return the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(given)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def run_eager(self) -> Tensor:
        """A step on the first batch."""
        return self.run(self.first)

    def verify(self, output: Tensor, other: Tensor) -> dict[str, Any]:
        """Loss and gradients are finite, and exactly the parameters that are tuned have one.

        Raises:
            WrongResultError: they are not.
        """
        require_finite(output, "the loss")
        self._settle_scale()
        for name, parameter in self.detector.named_parameters():
            if parameter.grad is not None:
                require_finite(parameter.grad, f"the gradient of {name}")
        frozen = self.cell.part == "training-step-frozen"
        frontend = list(self.detector.parts.get("front-end", nn.Module()).parameters())
        if frontend and any(parameter.grad is not None for parameter in frontend) == frozen:
            state = "has" if frozen else "has no"
            raise WrongResultError(f"the front-end {state} gradients in a {self.cell.part}")
        require_finite(other, "the loss after a step")
        return {"loss": float(output)}

    def facts(self) -> dict[str, Any]:
        """Sizes of the detector."""
        parameters = list(self.detector.parameters())
        return {
            "n_parameters": sum(parameter.numel() for parameter in parameters),
            "n_trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
            "weights_bytes": sum(p.numel() * p.element_size() for p in parameters),
        }

    def _settle_scale(self) -> None:
        """Let the loss scaling of fp16 find its scale: it begins too high, and halves."""
        for _ in range(MOST_HALVINGS if self.scaler.is_enabled() else 0):
            before = self.scaler.get_scale()
            self.run(self.first)
            if self.scaler.get_scale() >= before:
                break

    def _loss(self, waveforms: Tensor) -> Tensor:
        labels = torch.arange(len(waveforms), device=self.device) % 2
        weights = torch.tensor(CLASS_WEIGHTS, device=self.device)
        with running_in(self.device, self.cell.precision, self.cell.attention):
            logits = self.detector(waveforms)
        return F.cross_entropy(logits.float(), labels, weights)


def check_trainable(cell: Cell) -> None:
    """Raises UnsupportedSettingError: nobody trains in int8, or in a CUDA graph here."""
    if cell.precision == "int8" or cell.execution != "eager":
        raise UnsupportedSettingError(
            f"a training step is measured eager and in floating point, not in {cell.precision}, "
            f"{cell.execution}"
        )


def make_trainee(detector: Detector, part: str) -> Trainee:
    """A detector that steps change: all of it, or all but its front-end."""
    frozen = part == "training-step-frozen"
    detector.train()
    frontend = detector.parts.get("front-end")
    if frontend is None and frozen:
        raise UnsupportedSettingError("it names no front-end that could be left as it is")
    if frontend is not None:
        frontend.requires_grad_(not frozen)
        frontend.train(not frozen)
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    if not trained:
        raise UnsupportedSettingError("it has no parameters that could be trained")
    optimizer = torch.optim.Adam(trained, lr=LEARNING_RATE, weight_decay=L2)
    return Trainee(detector, optimizer)


def make_training_workload(cell: Cell, trainee: Trainee, first: Tensor) -> TrainingWorkload:
    """The step on waveforms (B, L)."""
    device = torch.device(cell.device)
    scaler = torch.amp.GradScaler(device.type, enabled=cell.precision == "fp16")
    return TrainingWorkload(cell, trainee.detector, trainee.optimizer, scaler, first, device)
