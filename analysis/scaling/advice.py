"""Why a curve has its verdict, in words with numbers; and what to measure where it is open.

Advice names durations that are longer than the measured ones as something to measure, never as
something known.
"""

from __future__ import annotations

import math

import numpy as np

from fakemamba.analysis.scaling.curves import FORMULA, Curve
from fakemamba.analysis.scaling.fit import (
    LEAST_DURATIONS,
    LEAST_IN_TOP,
    ROUNDING,
    TOP,
    GrowthEstimate,
    Thresholds,
    in_top,
    like_floor,
    like_logarithm,
)

WORDS = {"peak-memory": "peak memory", "flops": "work"}
MOST_DOUBLINGS = 4  # advice to measure more than 16 times as long is none
MOST_TIMES = 50  # nor is advice to repeat more often than that
GOOD_DURATIONS = 9


def why_no_fit(curve: Curve) -> str | None:
    """Why a curve cannot be fitted, and what to measure; None if it can."""
    durations_s = curve.durations_s
    quantity = WORDS.get(curve.quantity, curve.quantity)
    if not len(durations_s):
        return f"no cell has a {quantity}: {curve.without or 'none was measured'}"
    zeros = int((~(curve.values() > 0)).sum())
    if zeros:
        return (
            f"{quantity} is zero at {zeros} of {len(durations_s)} durations: the memory of cells "
            "before was used again; measure each cell in its own process, with --bench-isolate"
        )
    shortest_s, longest_s = durations_s[[0, -1]]
    in_top_octaves = int(in_top(durations_s).sum())
    covers = shortest_s * TOP <= longest_s * ROUNDING
    if len(durations_s) >= LEAST_DURATIONS and covers and in_top_octaves >= LEAST_IN_TOP:
        return None
    wanted_s = np.geomspace(shortest_s, max(longest_s, 2 * TOP * shortest_s), GOOD_DURATIONS)
    span = f"{len(durations_s)} durations from {shortest_s:.4g} to {longest_s:.4g} s"
    if longest_s == shortest_s:
        span = f"only {longest_s:.4g} s was measured"
    return (
        f"{span}; a fit needs "
        f"{LEAST_DURATIONS} durations, {LEAST_IN_TOP} of them in the top two octaves: "
        f"measure --bench-durations {','.join(f'{one:.3g}' for one in wanted_s)}"
    )


def why_near_linear(curve: Curve, found: GrowthEstimate) -> str:
    """What is surely so, at the longest duration."""
    return (
        f"up to {curve.durations_s[-1]:.4g} s at most {found.share_ci[1]:.0%} of the growth is "
        f"quadratic, and the exponent is at most {found.exponent_ci[1]:.2f}"
    )


def why_quadratic(curve: Curve, found: GrowthEstimate, thresholds: Thresholds) -> str:
    """Which of the two says so."""
    said = [f"at least {found.share_ci[0]:.0%} of the growth is quadratic"]
    if found.exponent_ci[0] > thresholds.exponent_quadratic:
        said.append(f"the exponent is at least {found.exponent_ci[0]:.2f}")
    return f"at {curve.durations_s[-1]:.4g} s {', and '.join(said)}"


def why_undecided(curve: Curve, found: GrowthEstimate, thresholds: Thresholds) -> str:
    """Which threshold lies inside its interval, and what would move it out."""
    longest_s = float(curve.durations_s[-1])
    if found.fixed_share >= thresholds.most_fixed_share:
        _, linear, quadratic = found.coefficients * longest_s ** np.arange(3)
        doublings = 1
        while doublings < MOST_DOUBLINGS and (
            linear * 2**doublings + quadratic * 4**doublings < found.coefficients[0]
        ):
            doublings += 1
        return (
            f"{found.fixed_share:.0%} of it at {longest_s:.4g} s is a fixed cost, behind which "
            f"growth does not show; measure up to {longest_s * 2**doublings:.4g} s"
        )
    share, (low, high) = float(found.share), found.share_ci
    exponent, (flat, steep) = float(found.exponent), found.exponent_ci
    mild, strong = thresholds.share_near_linear, thresholds.share_quadratic
    longer = f"measure up to {longest_s * _factor_until_quadratic(share):.4g} s"
    if curve.figure == FORMULA:
        longer = "this is by formula, up to the longest input that it takes"
    if low > strong and like_floor(found, thresholds):
        return (
            f"{low:.0%} to {high:.0%} of the growth at {longest_s:.4g} s would be quadratic, but "
            f"the exponent of the top two octaves is {exponent:.2f}, as that of linear growth "
            f"above a floor; leave the floor out with --from-s, or {longer}"
        )
    if low > strong and like_logarithm(found, thresholds):
        return (
            f"{low:.0%} to {high:.0%} of the growth at {longest_s:.4g} s would be quadratic, but "
            f"n log n explains the durations as well; {longer}"
        )
    if high >= mild:
        reason = (
            f"{low:.0%} to {high:.0%} of the growth at {longest_s:.4g} s is quadratic; near-linear "
            f"is below {mild:.0%}, quadratic above {strong:.0%}"
        )
        if mild <= share <= strong and (low >= mild or high <= strong):
            return f"{reason}; {longer}"
        times = (
            _times(high - share, mild - share)
            if share < mild
            else _times(share - low, share - strong)
        )
        return f"{reason}; {_more(curve, times, longer)}"
    limit = thresholds.exponent_near_linear
    reason = (
        f"the exponent of the top two octaves is {flat:.2f} to {steep:.2f}; near-linear is below "
        f"{limit:.4g}"
    )
    if exponent >= limit:
        return f"{reason}; {longer}"
    return f"{reason}; {_more(curve, _times(steep - exponent, limit - exponent), longer)}"


def _factor_until_quadratic(share: float) -> int:
    """By which power of two to lengthen, to tell the linear from the quadratic part."""
    wanted = 2 * (1 - share) / max(share, 2.0**-MOST_DOUBLINGS)
    return 2 ** int(np.clip(math.ceil(math.log2(wanted)) if wanted > 1 else 1, 1, MOST_DOUBLINGS))


def _times(half_width: float, gap: float) -> float:
    """How many times the measurements make an interval's half as narrow as its gap is."""
    return (half_width / gap) ** 2 if gap > 0 else math.inf


def _more(curve: Curve, times: float, longer: str) -> str:
    """What of to measure more, for an interval that is too wide."""
    if times > MOST_TIMES:
        return longer
    count = max(2, math.ceil(times))
    if curve.are_launches:
        wanted = count * curve.launches
        return f"measure about {wanted} launches and give all files, now {curve.launches}"
    return (
        f"measure about {count * curve.visits_each} visits a duration, now {curve.visits_each} "
        "(--bench-budget)"
    )
