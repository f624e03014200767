"""What is known of GPU kernels that were compared with torch: in this process, and on the disk.

A check is kept in the user's cache folder, by all that it may depend on: the kernel's sources, the
device, its driver, torch and Triton. What cannot be read there is not there, and what cannot be
written is known to this process alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from fakemamba.files import user_cache_folder
from fakemamba.locks import waiting_lock
from fakemamba.records import Stamp, content_sha256, kept_record, write_sealed

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

STAMP: Stamp = {"kind": "fakemamba-kernel-check", "schema": 1}
FOLDER, LOCK = "kernels", ".lock"
CheckStatus = Literal["passed", "failed", "not-checked"]
CHECK_STATUSES = get_args(CheckStatus)
HOW_IT_ENDED = {"failed": "is not right here", "not-checked": "could not be compared with torch"}


@dataclass(frozen=True)
class KernelCheck:
    """How a comparison of a kernel with torch ended.

    Attributes:
        status: ``not-checked`` where there could be none, which says nothing of the kernel.
        error: what went wrong; None if nothing did.
        differences: largest ‖kernel - torch‖ / ‖torch‖ of any output or gradient, by precision.
    """

    status: CheckStatus
    error: str | None
    differences: dict[str, float]


@dataclass(frozen=True)
class Circumstances:
    """All that a check may depend on.

    Attributes:
        kernel: its name.
        sources_sha256: of the files that it is in.
        device: the GPU's name,
        architecture: and what kernels are compiled for.
        driver: None where it is not known: then no check is kept.
        torch: its version, with what it was built for.
        triton: its version.
    """

    kernel: str
    sources_sha256: str
    device: str
    architecture: str
    driver: str | None
    torch: str
    triton: str

    @property
    def path(self) -> Path:
        """Where a check is kept.

        Raises:
            OSError: there is no such place.
        """
        name = f"{self.kernel}-{content_sha256(asdict(self))[:16]}.json"
        return user_cache_folder(FOLDER) / name


@dataclass(frozen=True)
class _Kept:
    circumstances: Circumstances
    check: KernelCheck


_known: dict[tuple[str, int], KernelCheck] = {}  # of this process, by kernel and GPU


def known_check(kernel: str, gpu: int) -> KernelCheck | None:
    """What this process knows of a kernel on a GPU."""
    return _known.get((kernel, gpu))


def note_check(kernel: str, gpu: int, check: KernelCheck) -> None:
    """Let this process know how a check ended."""
    _known[kernel, gpu] = check


def describe_kernels(device: torch.device) -> dict[str, Any]:
    """The checks that this process knows of a device, by kernel, as JSON; none of a CPU."""
    gpu = device.index or 0
    on_gpu = device.type == "cuda"
    return {name: asdict(one) for (name, where), one in _known.items() if on_gpu and where == gpu}


def unused_kernels(described: Mapping[str, Any]) -> list[str]:
    """What is to be told of kernels that torch computes for, by `describe_kernels` of a device."""
    return [
        f"torch computes for the kernel {name}, which {HOW_IT_ENDED[one['status']]}: {one['error']}"
        for name, one in described.items()
        if one["status"] != "passed"
    ]


def kept_check(circumstances: Circumstances, check: Callable[[], KernelCheck]) -> KernelCheck:
    """The check that is on the disk, or a new one, which is then kept there.

    Of several processes that want the same one, one makes it and the others wait. A check that
    could not be made, and one without a known driver, is not kept.
    """
    if circumstances.driver is None:
        return check()
    with ExitStack() as held:
        try:
            path = circumstances.path
            if (found := _kept(path, circumstances)) is not None:
                return found
            lock = waiting_lock(path.with_name(LOCK), "another check of a kernel", log.info)
            held.enter_context(lock)
        except OSError as error:
            log.info("no check of a kernel can be kept: %s", error)
            return check()
        found = _kept(path, circumstances)
        if found is None:
            found = check()
            if found.status != "not-checked":
                try:
                    write_sealed(path, STAMP | asdict(_Kept(circumstances, found)))
                except OSError as error:
                    log.info("this check of a kernel cannot be kept: %s", error)
        return found


def _kept(path: Path, circumstances: Circumstances) -> KernelCheck | None:
    found = kept_record(path, _Kept, STAMP)
    return None if found is None or found.circumstances != circumstances else found.check
