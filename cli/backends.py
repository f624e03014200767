"""``fakemamba backends``: the scans' implementations, and which can run here."""

from __future__ import annotations

import torch
from rich.console import Console

from fakemamba.cli.printing import TextTable
from fakemamba.models.device import resolve_device
from fakemamba.models.scan import BACKENDS, resolve_backend, unavailable_backends


def backends() -> None:
    """List the backends of the selective and the SSD scan, and why one cannot run here."""
    absent = unavailable_backends()
    device = resolve_device()
    automatic = resolve_backend("auto", device, torch.float32)
    table = TextTable("backend", "here", "what it is", title=f"scans on {device}")
    for name, module in BACKENDS.items():
        status = absent.get(name, f"yes, used by auto on {device}" if name == automatic else "yes")
        head = (module.__doc__ or "").partition(".")[0].partition(":")[0]
        table.add_row(name, status, head)
    Console().print(table)
