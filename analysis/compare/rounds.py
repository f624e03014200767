"""One launch a side: what its rounds say, and that launches may differ by more than they do.

Rounds in a row are not independent, so a figure is the median of several: each side's are cut into
as many stretches, and those at the same place are a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import pandas as pd

from fakemamba.analysis.compare.accepted import Accepted
from fakemamba.analysis.compare.comparison import compare
from fakemamba.analysis.compare.verdict import Comparison, Rules
from fakemamba.analysis.results import Launch

MOST_STRETCHES = 10
LESS_CERTAIN = (
    "one launch a side: the intervals are of rounds inside it, which differ by less than launches "
    "do, so that a change may be the launch's; give several files a side, made in turns"
)
NO_ROUNDS = (
    "{} of {} benchmarks have no round's time (stats.data), so nothing is known of their spread: "
    "give what --benchmark-json wrote, or save with --benchmark-save-data"
)


def compare_rounds(
    base: Launch, head: Launch, rules: Rules, accepted: Sequence[Accepted] = ()
) -> Comparison:
    """Judge benchmarks of two launches by their rounds, with a note of how sure that is."""
    before, after = _stretches(base, head), _stretches(head, base)
    comparison = compare(before, after, rules, accepted)
    cells = tuple(replace(cell, pairs=1) for cell in comparison.cells)
    notes = [LESS_CERTAIN, *comparison.notes]
    samples = [one for launch in (base, head) for one in launch.cells["samples_s"]]
    if without := sum(one is None for one in samples):
        notes.insert(1, NO_ROUNDS.format(without, len(samples)))
    return replace(comparison, cells=cells, notes=tuple(notes), pairs=1)


def _stretches(launch: Launch, other: Launch) -> list[Launch]:
    """A launch for each stretch; a cell is in as many as both sides' rounds allow."""
    others = dict(zip(other.cells["cell_id"], other.cells["samples_s"], strict=True))
    rows: list[list[dict]] = [[]]
    for row in launch.cells.to_dict("records"):
        samples_s = row["samples_s"]
        count = min(len(samples_s or ()), len(others.get(row["cell_id"]) or ()), MOST_STRETCHES)
        figures_s = [row["latency_s"]]
        if count > 1:
            figures_s = [median(map(float, one)) for one in np.array_split(samples_s, count)]
        for place, figure_s in enumerate(figures_s):
            rows += [[]] if place == len(rows) else []
            rows[place].append(row | {"latency_s": figure_s})
    return [replace(launch, cells=pd.DataFrame(one), created=None) for one in rows]
