"""How a quantity grows with duration: fits of a + bT + cT², and what noise leaves open about them.

A log-log slope alone misleads: a fixed cost lowers it, so that with 20 ms of overhead a quadratic
model shows 0.4. The fit separates the fixed cost from the growth; non-negative, because no term of
a cost is negative, and weighted by 1/y², because noise is relative and short durations count too.

An interval is made of the fits of a curve as it might have been (`noise`). The durations' distances
from the fit do not widen it: cells as a whole are off by what their visits show. Where the curve is
not of this form, a fit alone would mislead, so a share that says quadratic is not believed where
n log n does as well, or where the top two octaves are no steeper than near-linear ones: so is a
floor, which a fixed cost before long inputs makes.

Everything is vectorised over leading axes (...), so that error rates can be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

LEAST_DURATIONS = 5
LEAST_IN_TOP = 3  # durations in the top two octaves, for the exponent
TOP = 4.0  # two octaves
ROUNDING = 1.01  # a duration that is 1 % off the edge of the octaves is still inside
LEVEL = (0.025, 0.975)
SHARPEST = 1e-9  # relative error below which fits count as equally exact
# Which of the three coefficients are not zero: all 7 possibilities.
ACTIVE_SETS = tuple(product((False, True), repeat=3))[1:]

Growth = Literal["linear", "log-linear", "quadratic"]
GROWTHS: tuple[Growth, ...] = ("linear", "log-linear", "quadratic")
PARAMETERS = {"linear": 3, "log-linear": 4, "quadratic": 4}  # with the variance

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """What a verdict demands of the 95 % intervals.

    Attributes:
        share_near_linear: the quadratic share stays below it.
        exponent_near_linear: so does the local exponent.
        share_quadratic: the quadratic share is above it,
        exponent_quadratic: or the local exponent is above this.
        most_fixed_share: with a larger share of fixed cost at the longest duration there is no
            verdict: growth that is hidden behind launches says nothing about the arithmetic.
        logarithm_margin: by how much of Akaike's criterion a quadratic has to explain the values
            better than n log n does, to be called quadratic by its share.
    """

    share_near_linear: float = 0.25
    exponent_near_linear: float = 1.15
    share_quadratic: float = 0.50
    exponent_quadratic: float = 1.5
    most_fixed_share: float = 0.5
    logarithm_margin: float = 2.0


DEFAULTS = Thresholds()


@dataclass(frozen=True)
class GrowthEstimate:
    """What a fit says, with 95 % intervals (..., 2); fields are arrays (...) unless said otherwise.

    Attributes:
        coefficients: (..., 3), a, b and c of a + bT + cT².
        coefficient_draws: (..., draws, 3), the same of each draw.
        share: cT²/(bT + cT²) at the longest duration; NaN if nothing grows.
        exponent: log-log slope of the values in the top two octaves; NaN with fewer than 3 there.
        fixed_share: a as a share of the fit at the longest duration.
        residuals: (..., n), 1 - fit/value.
        badness: (..., 3), n log(mean squared residual) of a + bT, a + bT + cT log T and of
            a + bT + cT²; the likelihood's part of Akaike's criterion.
    """

    coefficients: Floats
    coefficient_draws: Floats
    share: Floats
    share_ci: Floats
    exponent: Floats
    exponent_ci: Floats
    fixed_share: Floats
    residuals: Floats
    badness: Floats


def estimate(durations_s: Floats, values: Floats, draws: Floats | None) -> GrowthEstimate:
    """Fit values over durations, and every draw of them.

    Args:
        durations_s: (n,) ascending, n >= 5.
        values: (..., n), positive.
        draws: (..., draws, n), the values as they might have been measured, from `Curve.drawn`;
            None for values of unknown noise, whose intervals are points.
    """
    longest_s = durations_s[-1]
    coefficients = fit(durations_s, values)
    residuals = 1 - predict(coefficients, durations_s) / values
    draws = values[..., None, :] if draws is None else draws
    coefficient_draws = fit(durations_s, draws)
    share = _share(coefficients, longest_s)
    share_draws = np.nan_to_num(_share(coefficient_draws, longest_s))  # a draw that does not grow
    share_ci = np.where(np.isnan(share)[..., None], np.nan, _interval(share_draws))
    return GrowthEstimate(
        coefficients=coefficients,
        coefficient_draws=coefficient_draws,
        share=share,
        share_ci=share_ci,
        exponent=_exponent(durations_s, values),
        exponent_ci=_interval(_exponent(durations_s, draws)),
        fixed_share=coefficients[..., 0] / predict(coefficients, longest_s[None])[..., 0],
        residuals=residuals,
        badness=_badness(durations_s, values),
    )


def is_near_linear(found: GrowthEstimate, thresholds: Thresholds) -> Flags:
    """Whether share and exponent are surely small (...), and not because nothing shows."""
    return (
        (found.share_ci[..., 1] < thresholds.share_near_linear)
        & (found.exponent_ci[..., 1] < thresholds.exponent_near_linear)
        & (found.fixed_share < thresholds.most_fixed_share)
    )


def is_quadratic(found: GrowthEstimate, thresholds: Thresholds) -> Flags:
    """Whether share or exponent is surely large (...), and nothing else would do as well."""
    by_share = (
        (found.share_ci[..., 0] > thresholds.share_quadratic)
        & ~like_logarithm(found, thresholds)
        & ~like_floor(found, thresholds)
    )
    by_exponent = found.exponent_ci[..., 0] > thresholds.exponent_quadratic
    return (by_share | by_exponent) & (found.fixed_share < thresholds.most_fixed_share)


def like_logarithm(found: GrowthEstimate, thresholds: Thresholds) -> Flags:
    """Whether n log n explains the values about as well as the quadratic does (...)."""
    return found.badness[..., 1] - found.badness[..., 2] < thresholds.logarithm_margin


def like_floor(found: GrowthEstimate, thresholds: Thresholds) -> Flags:
    """Whether the top two octaves are as steep as near-linear growth above a floor (...)."""
    return found.exponent < thresholds.exponent_near_linear


def aicc(found: GrowthEstimate) -> dict[str, float | None]:
    """Corrected Akaike criterion (Hurvich and Tsai 1989) of one curve's three fits.

    For information: it calls any curvature significant, however small. None where there are too few
    durations for the correction.
    """
    count = found.residuals.shape[-1]
    criteria: dict[str, float | None] = dict.fromkeys(GROWTHS)
    for growth, badness in zip(GROWTHS, found.badness.tolist(), strict=True):
        k = PARAMETERS[growth]
        if count > k + 1:
            criteria[growth] = badness + 2 * k + 2 * k * (k + 1) / (count - k - 1)
    return criteria


def fit(durations_s: Floats, values: Floats, growth: Growth = "quadratic") -> Floats:
    """Non-negative least squares of 1 - (a + bT + cT²)/y, exact, by trying all 7 active sets.

    Args:
        durations_s: (n,) ascending.
        values: (..., n), positive.
        growth: the last term: cT², cT log(T / shortest), or none.

    Returns:
        (..., 3), a, b and c in the values' unit, per second and per second².
    """
    terms, scales = _terms(durations_s, growth)
    weights = 1 / values
    rhs = weights @ terms
    moments = weights**2 @ (terms[:, :, None] * terms[:, None, :]).reshape(-1, 9)
    gram = [[moments[..., 3 * i + j] for j in range(3)] for i in range(3)]
    best = np.full(values.shape[:-1], -np.inf)
    coefficients = np.zeros((*values.shape[:-1], 3))
    for active in ACTIVE_SETS:
        solution = _solve(gram, rhs, active)
        with np.errstate(invalid="ignore"):  # a singular set is never better
            explained = (solution * rhs).sum(axis=-1)
            is_better = (solution >= 0).all(axis=-1) & (explained > best)
        best = np.where(is_better, explained, best)
        coefficients = np.where(is_better[..., None], solution, coefficients)
    return coefficients / scales


def predict(coefficients: Floats, durations_s: Floats) -> Floats:
    """The fits (..., 3) at durations (m,): (..., m)."""
    return coefficients @ durations_s ** np.arange(3)[:, None]


def in_top(durations_s: Floats) -> Flags:
    """Which durations (n,) lie in the top two octaves."""
    return durations_s * TOP * ROUNDING >= durations_s[-1]


def _terms(durations_s: Floats, growth: Growth) -> tuple[Floats, Floats]:
    """The terms (n, 3), for conditioning scaled by the longest duration, and their scales (3,)."""
    longest_s = float(durations_s[-1])
    scaled = durations_s / longest_s
    last, scale = {
        "linear": (np.zeros_like(scaled), 1.0),
        "log-linear": (scaled * np.log(durations_s / durations_s[0]), longest_s),
        "quadratic": (scaled**2, longest_s**2),
    }[growth]
    return np.stack([np.ones_like(scaled), scaled, last], axis=-1), np.array([1, longest_s, scale])


def _solve(gram: list[list[Floats]], rhs: Floats, active: tuple[bool, ...]) -> Floats:
    """Cramer's rule on the normal equations; coefficients that are not active come out as zero."""

    def g(i: int, j: int) -> Floats:
        if active[i] and active[j]:
            return gram[i][j]
        return np.full_like(gram[i][j], float(i == j))

    h = rhs * np.array(active)
    rows = [[g(i, j) for j in range(3)] for i in range(3)]
    adjugate = [
        [
            rows[(j + 1) % 3][(i + 1) % 3] * rows[(j + 2) % 3][(i + 2) % 3]
            - rows[(j + 1) % 3][(i + 2) % 3] * rows[(j + 2) % 3][(i + 1) % 3]
            for j in range(3)
        ]
        for i in range(3)
    ]
    determinant = sum(rows[0][i] * adjugate[i][0] for i in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):  # a singular set is not chosen
        solved = [sum(adjugate[i][j] * h[..., j] for j in range(3)) for i in range(3)]
        return np.stack([row / determinant for row in solved], axis=-1)


def _share(coefficients: Floats, longest_s: float) -> Floats:
    linear = coefficients[..., 1]
    quadratic = coefficients[..., 2] * longest_s
    with np.errstate(invalid="ignore"):
        return quadratic / (linear + quadratic)


def _exponent(durations_s: Floats, values: Floats) -> Floats:
    """The slope (...) of a straight line through log values (..., n) in the top two octaves."""
    top = in_top(durations_s)
    if top.sum() < LEAST_IN_TOP:
        return np.full(values.shape[:-1], np.nan)
    centred = np.log(durations_s[top]) - np.log(durations_s[top]).mean()
    return np.log(values[..., top]) @ centred / (centred @ centred)


def _interval(draws: Floats) -> Floats:
    """Percentiles (..., 2) over the last axis."""
    return np.moveaxis(np.quantile(draws, LEVEL, axis=-1), 0, -1)


def _badness(durations_s: Floats, values: Floats) -> Floats:
    """n log(mean squared relative error) of each growth's fit: (..., 3), in their order."""
    badness = []
    for growth in GROWTHS:
        terms, scales = _terms(durations_s, growth)
        fitted = (fit(durations_s, values, growth) * scales) @ terms.T
        squares = ((1 - fitted / values) ** 2).mean(axis=-1)
        badness.append(len(durations_s) * np.log(np.maximum(squares, SHARPEST**2)))
    return np.stack(badness, axis=-1)
