"""``fakemamba detectors``: what there is."""

from __future__ import annotations

from rich.console import Console

from fakemamba.cli.printing import TextTable
from fakemamba.models.registry import DETECTORS, create_detector


def detectors() -> None:
    """List the detectors with their parameter counts with the 300M front-end."""
    table = TextTable("name", "what it is", "parameters", "of them back-end")
    for name, entry in DETECTORS.items():
        model = create_detector(name, device="meta")
        total = sum(parameter.numel() for parameter in model.parameters())
        frontend = sum(parameter.numel() for parameter in model.frontend.parameters())
        table.add_row(name, entry.summary, f"{total:,}", f"{total - frontend:,}")
    Console().print(table)
