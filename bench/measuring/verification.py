"""Correct before fast: what a cell's outputs must be before it is timed.

They are finite; on real speech they match fp32, eager, row by row (so that a batch cannot leak into
its rows); a ragged batch gives the scores of its utterances alone; and the end of the input is
heard. A cell that fails has the status ``wrong`` and no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Largest relative error ‖found - wanted‖ / ‖wanted‖. Rounding alone gives about a tenth of these in
# a detector with 24 attention layers; a wrong mask, gate or scan gives more.
ERROR_BOUNDS = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2, "int8": 3e-1}


class WrongResultError(ArithmeticError):
    """A cell's output is not what it has to be; the message says how."""


@dataclass(frozen=True)
class OutputError:
    """Difference of outputs to those of fp32: largest, and relative ‖Δ‖ / ‖wanted‖."""

    max_abs: float
    relative: float


def require_finite(output: Tensor, what: str) -> None:
    """Raise `WrongResultError` if anything is NaN or infinite."""
    if not bool(torch.isfinite(output).all()):
        raise WrongResultError(f"{what} is not finite")


def require_close(found: Tensor, wanted: Tensor, precision: str, what: str) -> OutputError:
    """The difference, if it is within the bound of the precision; else `WrongResultError`."""
    require_finite(found, f"the output of {what}")
    difference = found.float() - wanted.float()
    error = OutputError(
        float(difference.abs().max()), float(difference.norm() / wanted.float().norm())
    )
    bound = ERROR_BOUNDS[precision]
    if not error.relative <= bound:
        raise WrongResultError(
            f"{what}: relative error {error.relative:.2g} against fp32, but {precision} may have "
            f"{bound:g} (largest difference {error.max_abs:.2g})"
        )
    return error


def time_axis(given: Tensor) -> int:
    """Which axis is time: waveforms (B, L), features (B, T, ...) or of layers (B, layers, T, F)."""
    return 2 if given.ndim == 4 else 1


def with_other_tail(given: Tensor, tail: int) -> Tensor:
    """A copy whose last ``tail`` steps in time are reversed, negated and half as loud."""
    changed, axis = given.clone(), time_axis(given)
    end = given.narrow(axis, given.shape[axis] - tail, tail)
    changed.narrow(axis, given.shape[axis] - tail, tail).copy_(end.flip(axis) * -0.5)
    return changed
