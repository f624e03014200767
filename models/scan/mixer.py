"""Modules that scan, and which backend they do it with."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from fakemamba.models.scan import check_backend, resolve_backend


class ScanMixer(nn.Module):
    """A module whose scan runs by the backend ``scan_backend``; see `set_scan_backend`.

    Attributes:
        scan: which of the two it is, as `resolve_backend` names it.
    """

    scan: ClassVar[str] = "selective-scan"

    def __init__(self) -> None:
        super().__init__()
        self.scan_backend = "auto"


def has_scan(module: nn.Module) -> bool:
    """Whether anything below ``module`` scans."""
    return any(isinstance(child, ScanMixer) for child in module.modules())


def backend_used(module: nn.Module, backend: str, device: torch.device) -> str:
    """What ``backend`` comes to for all that scans below ``module``; ``none`` where nothing does.

    Raises: see `fakemamba.models.scan.check_backend`.
    """
    scans = dict.fromkeys(child.scan for child in module.modules() if isinstance(child, ScanMixer))
    used = [resolve_backend(backend, device, scan=scan) for scan in scans]
    return used[0] if used else "none"


def set_scan_backend(module: nn.Module, backend: str) -> None:
    """Let everything that scans below ``module`` do it with ``backend``.

    Raises: see `fakemamba.models.scan.check_backend`.
    """
    check_backend(backend)
    for child in module.modules():
        if isinstance(child, ScanMixer):
            child.scan_backend = backend
