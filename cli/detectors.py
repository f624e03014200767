"""``fakemamba detectors``: what there is, and what other packages declare."""

from __future__ import annotations

from rich.console import Console

from fakemamba.cli.printing import TextTable
from fakemamba.models.external.names import InstalledName, installed_names
from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.registry import (
    DETECTORS,
    USUAL_FRONTEND,
    create_detector,
    detector_entry,
)
from fakemamba.names import one_line


def detectors() -> None:
    """List the detectors, and the front-ends that they can have.

    Those of this package have their parameter counts behind xls-r-300m, unless their row says
    another front-end. Those that installed packages declare, in the entry-point group
    `fakemamba.detectors`, are imported, and have their package; what is wrong with one stands in
    its row.
    """
    console = Console()
    table = TextTable("name", "what it is", "parameters", "back-end's")
    table.columns[0].min_width = max(map(len, DETECTORS))
    for name, entry in DETECTORS.items():
        model = create_detector(name, device="meta")
        total = sum(parameter.numel() for parameter in model.parameters())
        frontend = sum(parameter.numel() for parameter in model.frontend.parameters())
        is_usual = entry.frontend == USUAL_FRONTEND
        what = entry.summary if is_usual else f"{entry.summary}; behind {entry.frontend}"
        table.add_row(name, what, f"{total:,}", f"{total - frontend:,}")
    console.print(table)
    if installed := installed_names():
        table = TextTable("name", "what it is", "front-end", "from")
        table.columns[1].overflow = "fold"  # names of code are long words
        for name, one in sorted(installed.items()):
            table.add_row(name, *_told(one), one.packages)
        console.print(table)
    front_ends = f"Front-ends: {', '.join(FRONTEND_SIZES)}, or a file, folder or Hugging Face id."
    others = "Other detectors: package.module:factory, an exported file, a checkpoint's folder."
    for line in (front_ends, others):
        console.print(line, markup=False, highlight=False)


def _told(installed: InstalledName) -> tuple[str, str]:
    """What a detector of another package is, or what is wrong with it; and its front-end."""
    if installed.name in DETECTORS:
        targets = " or ".join(point.value for point in installed.points)
        return f"hidden by this package's own; name the code itself, {targets}", ""
    try:
        entry = detector_entry(installed.name)
        return one_line(entry.summary), "its own" if entry.has_own_frontend else "any"
    except ValueError as error:
        lines = str(error).splitlines()  # with a traceback, whose end says what went wrong
        return one_line(" ".join(dict.fromkeys((lines[0], lines[-1])))), ""
