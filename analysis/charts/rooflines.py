"""Rooflines (Williams, Waterman and Patterson 2009): how near a device's ceilings a part runs.

Arithmetic intensity is flops over the bytes that unfused execution moves, so a part whose kernels
are fused, or whose tensors stay in the cache, may lie above the memory's ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakemamba.result_schema import LEAST_COVERAGE

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Roofline:
    """Cells whose work is known, and the ceilings of their device.

    Attributes:
        cells: with ``intensity`` (flop / byte) and ``flops_per_s``.
        copy_bytes_per_s: of a large copy; NaN where it was not measured, as the next.
        matmul_flops_per_s: of a large matrix product.
        notes: what is left out.
    """

    cells: pd.DataFrame
    copy_bytes_per_s: float
    matmul_flops_per_s: float
    notes: tuple[str, ...]

    def ceilings(self, intensities: pd.Series, margin: float) -> tuple[Range, Range]:
        """From which intensity to which memory's slope and the matrix product's height are drawn.

        They meet at the ridge, and end a factor of ``margin`` beyond it and all intensities.
        """
        ridge = self.matmul_flops_per_s / self.copy_bytes_per_s
        left = float(np.nanmin([intensities.min(), ridge])) / margin
        right = float(np.nanmax([intensities.max(), ridge])) * margin
        if np.isnan(ridge):
            return (left, right), (left, right)
        return (left, ridge), (ridge, right)


def roofline(measured: pd.DataFrame) -> Roofline | None:
    """Of cells with a time, in one setting, those whose flops were counted for 90 % of it."""
    is_known = measured[["flops", "bytes_moved", "latency_s"]].gt(0).all(axis=1)
    counted = measured[is_known & (measured["flop_coverage"] >= LEAST_COVERAGE)]
    if counted.empty:
        return None
    cells = counted.assign(
        intensity=counted["flops"] / counted["bytes_moved"],
        flops_per_s=counted["flops"] / counted["latency_s"],
    )
    note = (
        f"{len(measured) - len(cells)} of {len(measured)} cells not drawn: no count of their flops "
        f"that covers {LEAST_COVERAGE:.0%} of their time."
    )
    return Roofline(
        cells,
        float(cells["copy_bytes_per_s"].median()),
        float(cells["matmul_flops_per_s"].median()),
        (note,) * (len(measured) > len(cells)),
    )
