"""Verdicts on growth: is a detector's part near-linear in duration, quadratic, or is it open?

A verdict is about the size of an effect with its interval, over the measured range and nowhere
else: which share of the growth is quadratic at the longest duration, and how steep the top two
octaves are. Where it is open, the reason says what to measure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.scaling.advice import (
    why_near_linear,
    why_no_fit,
    why_quadratic,
    why_undecided,
)
from fakemamba.analysis.scaling.curves import SINGLE, Curve, curves
from fakemamba.analysis.scaling.fit import (
    DEFAULTS,
    LEVEL,
    ROUNDING,
    Floats,
    GrowthEstimate,
    Thresholds,
    aicc,
    estimate,
    is_near_linear,
    is_quadratic,
    predict,
)
from fakemamba.analysis.setting import Subject

__all__ = [
    "Curve",
    "Scaling",
    "Thresholds",
    "assert_near_linear",
    "curves",
    "judge_growth",
    "scale",
]

DRAWS = 1000
SEED = 0
INTERVALS = ("quadratic_share_ci", "exponent_ci", "crossover_ci_s")
EDGE = 1e-6  # relative; a range's end that was computed is still in the range

GrowthVerdict = Literal["near-linear", "quadratic", "undecided", "fixed-length input"]
Ends = tuple[float | None, float | None]  # of an interval


@dataclass(frozen=True)
class Scaling(Subject):
    """How one quantity grows; what is not known is None, and ``reason`` says why.

    Attributes:
        quantity: ``latency``, ``peak-memory`` or ``flops``.
        figure: the column that it was read from.
        unit: of ``a_s``; of ``b`` per second, of ``c`` per second².
        a_s: the fixed cost: seconds, for a latency.
        b: the linear term.
        c: the quadratic term.
        quadratic_share: cT²/(bT + cT²) at ``t_max_s``, with its 95 % interval.
        exponent: log-log slope over the top two octaves, with its 95 % interval.
        crossover_s: the duration b/c from which on the quadratic term is the larger; None, as is an
            end of its interval, outside the measured range: a share below a half means beyond it.
        fixed_share: the fixed cost's share at ``t_max_s``.
        t_min_s: the shortest duration.
        t_max_s: the longest.
        durations: how many.
        launches: in how many files.
        visits: the median number of visits of a duration.
        resampled: what intervals are of, ``launches`` or ``visits``; None where they are unknown,
            or the values exact.
        noise: relative standard deviation of a visit.
        aicc: corrected Akaike criterion of linear, n log n and quadratic fits, for information.
        verdict: ``near-linear``, ``quadratic``, ``undecided`` or ``fixed-length input``.
        reason: of the verdict.
        thresholds: that it was judged by.
        coefficient_draws: (draws, 3), of the curve as it might have been.
    """

    quantity: str
    figure: str
    unit: str
    t_min_s: float | None
    t_max_s: float | None
    durations: int
    launches: int
    visits: int
    verdict: GrowthVerdict
    reason: str
    thresholds: Thresholds
    a_s: float | None = None
    b: float | None = None
    c: float | None = None
    quadratic_share: float | None = None
    quadratic_share_ci: Ends | None = None
    exponent: float | None = None
    exponent_ci: Ends | None = None
    crossover_s: float | None = None
    crossover_ci_s: Ends | None = None
    fixed_share: float | None = None
    resampled: str | None = None
    noise: float | None = None
    aicc: dict[str, float | None] | None = None
    coefficient_draws: Floats = field(
        default_factory=lambda: np.empty((0, 3)), repr=False, compare=False
    )

    def predict(self, durations_s: npt.ArrayLike) -> Floats:
        """The fitted curve at durations (m,); NaN outside the measured range, or without a fit."""
        if self.a_s is None or self.b is None or self.c is None:
            return np.full(np.shape(durations_s), np.nan)
        fitted = predict(np.array([self.a_s, self.b, self.c]), np.asarray(durations_s, np.float64))
        return np.where(self._is_measured(durations_s), fitted, np.nan)

    def band(self, durations_s: npt.ArrayLike) -> tuple[Floats, Floats]:
        """The ends of the curve's 95 % interval at durations (m,); NaN as in `predict`."""
        if not len(self.coefficient_draws):
            return self.predict(durations_s), self.predict(durations_s)
        drawn = predict(self.coefficient_draws, np.asarray(durations_s, np.float64))
        low, high = np.quantile(drawn, LEVEL, axis=0)
        inside = self._is_measured(durations_s)
        return np.where(inside, low, np.nan), np.where(inside, high, np.nan)

    def to_json(self) -> dict[str, Any]:
        """All fields but the draws; unknown is None."""
        kept = super().to_json()
        del kept["coefficient_draws"]
        return kept | {"thresholds": asdict(self.thresholds)}

    def _is_measured(self, durations_s: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        asked_s = np.asarray(durations_s, np.float64)
        if self.t_min_s is None or self.t_max_s is None:
            return np.zeros(asked_s.shape, bool)
        low_s, high_s = self.t_min_s * (1 - EDGE), self.t_max_s * (1 + EDGE)
        return (asked_s >= low_s) & (asked_s <= high_s)


def scale(results: pd.DataFrame, thresholds: Thresholds = DEFAULTS) -> list[Scaling]:
    """Judge latency, peak memory and FLOPs of every setting of a table.

    Args:
        results: from `read_results`; several files are several launches.
        thresholds: of the verdicts.

    Raises:
        ValueError: the results have no cell of a detector.
    """
    return [judge_growth(curve, thresholds) for curve in curves(results)]


def judge_growth(curve: Curve, thresholds: Thresholds = DEFAULTS) -> Scaling:
    """Fit one curve and say what can be said of its growth; the draws are seeded."""
    known: dict[str, Any] = curve.labels() | {
        "quantity": curve.quantity,
        "figure": curve.figure,
        "unit": curve.unit,
        "t_min_s": float(curve.durations_s[0]) if len(curve.durations_s) else None,
        "t_max_s": float(curve.durations_s[-1]) if len(curve.durations_s) else None,
        "durations": len(curve.durations_s),
        "launches": curve.launches,
        "visits": curve.visits_each,
        "resampled": curve.resampled,
        "noise": None if curve.noise is None else curve.noise.visit,
        "thresholds": thresholds,
    }
    if curve.fixed_length is not None:
        return Scaling(**known, verdict="fixed-length input", reason=curve.fixed_length)
    unfit = why_no_fit(curve) or curve.doubt
    if unfit is not None:
        return Scaling(**known, verdict="undecided", reason=_with_losses(curve, unfit))
    draws = curve.drawn(DRAWS, np.random.default_rng(SEED))
    found = estimate(curve.durations_s, curve.values(), draws)
    if draws is None:
        figures = _figures(curve, found) | dict.fromkeys(INTERVALS)
        return Scaling(**known, **figures, verdict="undecided", reason=_with_losses(curve, SINGLE))
    verdict: GrowthVerdict = "undecided"
    if is_near_linear(found, thresholds):
        verdict, reason = "near-linear", why_near_linear(curve, found)
    elif is_quadratic(found, thresholds):
        verdict, reason = "quadratic", why_quadratic(curve, found, thresholds)
    else:
        reason = _with_losses(curve, why_undecided(curve, found, thresholds))
    figures = _figures(curve, found) | {"coefficient_draws": found.coefficient_draws}
    return Scaling(**known, **figures, verdict=verdict, reason=reason)


def assert_near_linear(curve: Curve, up_to_s: float, thresholds: Thresholds = DEFAULTS) -> None:
    """Make a claim a test: the quantity is near-linear up to a duration.

    Judged are the durations up to the first measured one that is at least ``up_to_s``.

    Raises:
        AssertionError: it is not, or that is open; with the numbers.
        ValueError: the curve does not reach ``up_to_s``.
    """
    durations_s = curve.durations_s
    reaching = durations_s * ROUNDING >= up_to_s
    if not reaching.any():
        measured = f"ends at {durations_s[-1]:g} s" if len(durations_s) else "has no durations"
        raise ValueError(
            f"the {curve.quantity} of {curve.detector}'s {curve.part} {measured}, but the claim is "
            f"about {up_to_s:g} s: measure up to there"
        )
    found = judge_growth(curve.until(float(durations_s[reaching][0])), thresholds)
    assert found.verdict == "near-linear", (
        f"{curve.quantity} of {curve.detector}'s {curve.part} up to {found.t_max_s:g} s: "
        f"{found.verdict}: {found.reason} ({summary(found)})"
    )


def summary(found: Scaling) -> str:
    """Share and exponent with their intervals, in a line."""
    if not (found.quadratic_share_ci and found.exponent_ci):
        return "no fit"
    (low, high), (flat, steep) = found.quadratic_share_ci, found.exponent_ci
    return (
        f"quadratic share {found.quadratic_share:.0%}, {low:.0%} to {high:.0%}; "
        f"exponent {found.exponent:.2f}, {flat:.2f} to {steep:.2f}; {found.durations} durations"
    )


def _figures(curve: Curve, found: GrowthEstimate) -> dict[str, Any]:
    """The numbers of an estimate, None where there is none."""
    shortest_s, longest_s = curve.durations_s[[0, -1]]

    def number(value: float | Floats) -> float | None:
        return float(value) if np.isfinite(value) else None

    def crossover_s(share: float) -> float | None:
        # b/c, as cT/(b + cT) is the share; where it was not measured it is not told.
        where_s = longest_s * (1 - share) / share if share > 0 else np.inf
        return number(where_s) if shortest_s <= where_s <= longest_s * (1 + EDGE) else None

    a, b, c = found.coefficients.tolist()
    low, high = found.share_ci
    return {
        "a_s": a,
        "b": b,
        "c": c,
        "quadratic_share": number(found.share),
        "quadratic_share_ci": None if np.isnan(low) else (number(low), number(high)),
        "exponent": number(found.exponent),
        "exponent_ci": (number(found.exponent_ci[0]), number(found.exponent_ci[1])),
        "crossover_s": crossover_s(float(found.share)),
        "crossover_ci_s": (crossover_s(float(high)), crossover_s(float(low))),
        "fixed_share": float(found.fixed_share),
        "aicc": aicc(found),
    }


def _with_losses(curve: Curve, reason: str) -> str:
    """A reason, with the cells that are missing or disturbed and may be why."""
    if curve.without and len(curve.durations_s):
        reason += f"; without a figure: {curve.without}"
    if curve.disturbed:
        reason += f"; the machine was disturbed in {curve.disturbed} cells"
    return reason
