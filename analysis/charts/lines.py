"""The lines of a setting, as a legend has them: their names, and how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fakemamba.analysis.palette import Look, Looks


@dataclass(frozen=True)
class Line:
    """How a line and its markers look; ``variant`` tells the backends of one detector apart."""

    name: str
    look: Look
    variant: int = 0


Lines = Sequence[tuple[Line, pd.DataFrame]]  # each with its cells


def lines_of(cells: pd.DataFrame, looks: Looks) -> list[tuple[Line, pd.DataFrame]]:
    """The cells of each line of one setting, a detector's lines one after the other.

    Args:
        cells: from `named`.
        looks: of all detectors of the results, from `looks_of`.
    """
    return [
        (Line(str(name), looks[str(detector)], variant), of_line)
        for detector, of_detector in cells.groupby("detector", sort=False)
        for variant, (name, of_line) in enumerate(of_detector.groupby("line", sort=False))
    ]
