"""A kernel compared with torch, as a program: one that crashes or hangs takes no other with it.

``python -m fakemamba.models.trust.comparison KERNEL DEVICE SECONDS`` ends with a line of JSON, a
`KernelCheck`, and is over after so many seconds also where what began it is gone.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from fakemamba.kernel_checks import KernelCheck
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.trust.cases import KERNELS, Case, Kernel
from fakemamba.names import one_line

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def check_on(kernel: Kernel, device: torch.device) -> KernelCheck:
    """Run a kernel's cases on a device, and compare them with torch's on the CPU, in float64."""
    differences: dict[str, float] = {}
    try:
        torch.zeros(1, device=device)
    except Exception as error:  # it is full, or for one process alone
        return KernelCheck("not-checked", f"no further process can use it: {_told(error)}", {})
    for precision, dtype in PRECISIONS.items():
        if precision == "bf16" and not _has_bf16(device):
            continue
        try:
            found = (one for case in kernel.cases(dtype) for one in _differences(case, device))
            difference, what = max(found)
        except Exception as error:
            is_full = is_out_of_memory(error) or "out of memory" in str(error).lower()
            told = f"{precision}: {_told(error)}"
            return KernelCheck("not-checked" if is_full else "failed", told, differences)
        if math.isfinite(difference):
            differences[precision] = difference
        if difference > kernel.bounds[dtype]:
            told = (
                f"{precision}: {what} differs from torch's by {difference:.2g} of its norm, but "
                f"may by {kernel.bounds[dtype]:g}"
            )
            return KernelCheck("failed", told, differences)
    return KernelCheck("passed", None, differences)


def _differences(case: Case, device: torch.device) -> Iterator[tuple[float, str]]:
    """How much each output and gradient differs, infinite for what is not finite; and which it is.

    Raises: whatever the kernel raises.
    """
    on_device = {name: one.to(device) for name, one in case.inputs.items()}
    exact = {name: one.double() for name, one in case.inputs.items()}
    found = _outputs(case.by_kernel, on_device, case.has_gradients)
    wanted = _outputs(case.by_torch, exact, case.has_gradients)
    for name, right in wanted.items():
        off = (found[name].double().cpu() - right.double()).norm() / right.double().norm()
        yield float(off.nan_to_num(math.inf)), f"{name} of {case.what}"


def _outputs(
    call: Callable[..., Sequence[Tensor]], inputs: dict[str, Tensor], has_gradients: bool
) -> dict[str, Tensor]:
    """Outputs by their places, and gradients of a sum of them, with weights that are no pattern."""
    with torch.set_grad_enabled(has_gradients):
        given = {name: one.requires_grad_(has_gradients) for name, one in inputs.items()}
        outputs = call(**given)
    named = {f"output {place}": one.detach() for place, one in enumerate(outputs)}
    if has_gradients:
        draw = torch.Generator().manual_seed(1)
        # Rounded to what every dtype has.
        weights = [torch.randn(x.shape, generator=draw).bfloat16().to(x) for x in outputs]
        found = torch.autograd.grad(outputs, list(given.values()), weights)
        named |= {f"the gradient of {k}": one for k, one in zip(given, found, strict=True)}
    return named


def _has_bf16(device: torch.device) -> bool:
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def _told(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}".strip())


def main(name: str, device: str, seconds: str) -> None:
    """Check a kernel, and write how that ended."""
    signal.alarm(math.ceil(float(seconds)))
    check = check_on(KERNELS[name], torch.device(device))
    print(f"\n{json.dumps(asdict(check))}", flush=True)
    os._exit(0)  # what a kernel has broken may be in the way of an ordered end


if __name__ == "__main__":
    main(*sys.argv[1:])
