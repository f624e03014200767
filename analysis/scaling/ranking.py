"""Which detector is the fastest at each duration, and by how much the next one is slower.

Both were visited in the same passes, whose drift cancels in the ratio; how sure it is comes from
the noise of both curves, as for a crossover.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.scaling.crossover import DRAWS
from fakemamba.analysis.scaling.curves import SINGLE, Curve, curves
from fakemamba.analysis.scaling.fit import LEVEL, Floats
from fakemamba.analysis.ties import undecided

SURE = "the 95 % interval of the ratio leaves 1"


@dataclass(frozen=True)
class Fastest:
    """The two fastest curves at one duration.

    Attributes:
        duration_s: where both, and perhaps others, were measured.
        best: the fastest, or what seems so.
        rival: the next one.
        latency_s: of the best.
        ratio: the rival's latency over the best's.
        ratio_ci: its 95 % interval; None where it is not known.
        is_sure: whether the interval leaves 1.
        reason: how sure that is, in words.
    """

    duration_s: float
    best: Curve
    rival: Curve
    latency_s: float
    ratio: float
    ratio_ci: tuple[float, float] | None
    is_sure: bool
    reason: str


def fastest(results: pd.DataFrame) -> list[Fastest]:
    """The fastest at each duration that two detectors or more were measured at, ascending.

    Compared are cells of the same part and setting; the scan's backends may differ.

    Raises:
        ValueError: the results have no cell of a detector.
    """
    groups = grouped(
        ((curve.part, curve.setting), curve)
        for curve in curves(results, ["latency"])
        if len(curve.durations_s) and curve.fixed_length is None
    )
    return [one for group in groups.values() for one in _of_group(group)]


def ratios(above: Curve, below: Curve, draws: int = DRAWS) -> dict[float, tuple[float, Floats]]:
    """The ratio of two curves at each duration that both have, and its draws (draws,).

    There are none where it is not known how far one of them is off.
    """
    drawn = [
        curve.drawn(draws, np.random.default_rng(seed)) for seed, curve in enumerate((above, below))
    ]
    common, tops, bottoms = np.intersect1d(
        above.durations_s, below.durations_s, return_indices=True
    )
    values = above.values()[tops] / below.values()[bottoms]
    none = np.empty((0, len(common)))
    top, bottom = drawn
    all_drawn = none if top is None or bottom is None else top[:, tops] / bottom[:, bottoms]
    return {
        float(at): (float(value), all_drawn[:, place])
        for place, (at, value) in enumerate(zip(common, values, strict=True))
    }


def _of_group(group: Sequence[Curve]) -> Iterator[Fastest]:
    values = [
        dict(zip(one.durations_s.tolist(), one.values().tolist(), strict=True)) for one in group
    ]
    for duration_s in sorted({at for each in values for at in each}):
        there = [
            (each[duration_s], place) for place, each in enumerate(values) if duration_s in each
        ]
        if len(there) < 2:
            continue
        (latency_s, first), (_, second) = sorted(there)[:2]
        best, rival = group[first], group[second]
        ratio, drawn = ratios(rival, best)[duration_s]
        low, high = np.quantile(drawn, LEVEL).tolist() if len(drawn) else (0.0, np.inf)
        yield Fastest(
            duration_s,
            best,
            rival,
            latency_s,
            ratio,
            (low, high) if len(drawn) else None,
            low > 1,
            SURE if low > 1 else undecided(low, high) if len(drawn) else SINGLE,
        )
