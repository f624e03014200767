"""Whether `auto` may use a Triton kernel on a GPU: once it has given there what torch gives.

On a device, driver or version that nobody has tried, a kernel may be wrong, raise, crash or hang.
So before `auto` first uses one, small cases of it (`cases`) are compared with torch (`comparison`),
in a process of its own (`process`): after an access to memory that is not there, nothing runs in a
process any more, and what hangs on a GPU cannot be ended from within. That takes as long as to
import torch and to compile the kernel, once, as the check is kept on the disk. Where it failed,
torch computes.

Nothing is checked while a CUDA graph is captured or torch.compile traces: there, a check from
before holds, and without one torch computes.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import torch

from fakemamba.environment import describe_gpu
from fakemamba.files import files_sha256
from fakemamba.kernel_checks import (
    HOW_IT_ENDED,
    Circumstances,
    KernelCheck,
    kept_check,
    known_check,
    note_check,
)
from fakemamba.models.trust.process import check_in_process

log = logging.getLogger(__name__)

MODELS = Path(__file__).resolve().parents[1]

_lock = threading.Lock()
_told: set[str] = set()


def is_trusted(kernel: str, device: torch.device) -> bool:
    """Whether `auto` may use a kernel on a GPU; if nobody knows, it is checked, which takes long.

    Args:
        kernel: one of `fakemamba.models.trust.cases.KERNELS`.
        device: a GPU.
    """
    gpu = _number(device)
    check = known_check(kernel, gpu)
    if check is None:
        if torch.compiler.is_compiling():
            return False
        if torch.cuda.is_current_stream_capturing():
            _tell_of_capture(kernel)
            return False
        check = _check(kernel, gpu)
    return check.status == "passed"


def check_all(device: torch.device) -> dict[str, KernelCheck]:
    """The check of each kernel on a device; none where `auto` uses no such kernel."""
    if device.type != "cuda":
        return {}
    from fakemamba.models.scan import triton_scan
    from fakemamba.models.trust.cases import KERNELS

    if triton_scan.unavailable() is not None:
        return {}
    gpu = _number(device)
    return {kernel: known_check(kernel, gpu) or _check(kernel, gpu) for kernel in KERNELS}


def _check(kernel: str, gpu: int) -> KernelCheck:
    """The check of a kernel on a GPU, from the disk or made now; warns if it is not used."""
    with _lock:
        if (known := known_check(kernel, gpu)) is not None:
            return known
        around = _circumstances(kernel, torch.device("cuda", gpu))
        check = kept_check(around, lambda: _made(around, f"cuda:{gpu}"))
        note_check(kernel, gpu, check)
    if check.status != "passed":
        log.warning("%s", _warning(around, check))
    return check


def _made(around: Circumstances, device: str) -> KernelCheck:
    log.info(
        "the kernel %s is compared with torch on %s, which takes a while, once",
        *(around.kernel, around.device),
    )
    return check_in_process(around.kernel, device)


def _number(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


def _circumstances(kernel: str, device: torch.device) -> Circumstances:
    import triton

    from fakemamba.models.trust.cases import KERNELS

    properties = torch.cuda.get_device_properties(device)
    sources = [MODELS / name for name in (*KERNELS[kernel].sources, "trust/cases.py")]
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return Circumstances(
        kernel=kernel,
        sources_sha256=files_sha256(sources),
        device=properties.name,
        architecture=getattr(properties, "gcnArchName", f"{properties.major}.{properties.minor}"),
        driver=(describe_gpu(device) or {}).get("driver"),
        torch=torch.__version__,
        triton=triton.__version__ + (" (interpreted)" if is_interpreted else ""),
    )


def _warning(around: Circumstances, check: KernelCheck) -> str:
    remedy = "the next process tries again"
    if check.status == "failed" and around.driver is not None:
        remedy = f"to try again, remove {around.path}"
    return (
        f"the kernel {around.kernel} {HOW_IT_ENDED[check.status]}: {check.error}. torch computes "
        f"instead, slower; {remedy} ({around.device}, driver {around.driver}, torch "
        f"{around.torch}, triton {around.triton})"
    )


def _tell_of_capture(kernel: str) -> None:
    if kernel not in _told:
        _told.add(kernel)
        log.warning(
            "a CUDA graph is captured before the kernel %s was compared with torch, so torch "
            "computes in it, slower; make one call before it is captured",
            kernel,
        )
