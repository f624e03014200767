"""What the tests of both scans are run on and compared by."""

import torch

from fakemamba.models.scan import BACKENDS, unavailable_backends

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
AVAILABLE = [name for name in BACKENDS if name not in unavailable_backends()]
# On a GPU the cpu backend has nothing to run on, and the other way round for Triton, unless
# TRITON_INTERPRET=1 (set in conftest.py) lets its kernels run on a CPU.
FAST = [name for name in AVAILABLE if name not in ("reference", "cpu" if DEVICE == "cuda" else "")]
INTERPRETED = "triton" in FAST and DEVICE == "cpu"
EXTREMES = (
    {"delta": 50.0, "delta_bias": 0.0},
    {"delta": -18.4, "delta_bias": 0.0},  # softplus gives 1e-8
    {"A": -1e-8},
    {"A": -1e4},
)


def in_float64(inputs):
    return {name: value.double() for name, value in inputs.items()}


def relative_error(found, wanted):
    error = (found.detach().double() - wanted.detach()).norm()
    return float(error / wanted.detach().norm().clamp(min=1e-30))
