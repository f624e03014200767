"""Modules that scan, and which backend they do it with."""

from __future__ import annotations

from torch import nn

from fakemamba.models.scan import check_backend


class ScanMixer(nn.Module):
    """A module whose scan runs by the backend ``scan_backend``; see `set_scan_backend`."""

    def __init__(self) -> None:
        super().__init__()
        self.scan_backend = "auto"


def has_scan(module: nn.Module) -> bool:
    """Whether anything below ``module`` scans."""
    return any(isinstance(child, ScanMixer) for child in module.modules())


def set_scan_backend(module: nn.Module, backend: str) -> None:
    """Let everything that scans below ``module`` do it with ``backend``.

    Raises: see `fakemamba.models.scan.check_backend`.
    """
    check_backend(backend)
    for child in module.modules():
        if isinstance(child, ScanMixer):
            child.scan_backend = backend
