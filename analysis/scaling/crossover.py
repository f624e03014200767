"""From which duration on one detector beats another: in latency, memory or energy.

Users choose by this, not by slopes. Compared are the measured values themselves, straight between
durations on logarithmic axes, inside the range that both were measured in and nowhere else. A win
is one beyond noise: the 95 % interval of the ratio leaves 1, in which the drift of passes cancels.
Peak memory is with the weights, as it has to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakemamba.analysis.grouping import grouped
from fakemamba.analysis.scaling.advice import why_no_fit
from fakemamba.analysis.scaling.curves import SINGLE, Curve, curves, quarter_octaves
from fakemamba.analysis.scaling.fit import LEVEL, Floats
from fakemamba.analysis.setting import Subject
from fakemamba.analysis.ties import undecided

DRAWS = 1000


@dataclass(frozen=True)
class Crossover(Subject):
    """``detector`` beats ``rival`` from ``from_s`` to ``to_s``; None where that is open.

    Attributes:
        quantity: ``latency``, ``peak-memory`` or ``energy``; less is better.
        rival: the detector that loses at ``to_s``; if it is open who does, the other one.
        rival_backend: its backend of the scan.
        start_s: where the range that both were measured in begins.
        to_s: where it ends.
        from_s: from here on the detector beats the rival, up to the end.
        from_s_ci: its 95 % interval, or the two measured durations that it lies between; None where
            it is the range's start.
        crossings_s: every duration at which the better one changes.
        ratio: the rival's value over the detector's at ``to_s``, with its 95 % interval.
        verdict: ``throughout``, ``from a duration on``, ``several crossings`` or ``undecided``.
        reason: of the verdict.
    """

    quantity: str
    rival: str
    rival_backend: str | None
    verdict: Literal["throughout", "from a duration on", "several crossings", "undecided"]
    reason: str
    start_s: float | None = None
    to_s: float | None = None
    from_s: float | None = None
    from_s_ci: tuple[float, float] | None = None
    crossings_s: tuple[float, ...] = ()
    ratio: float | None = None
    ratio_ci: tuple[float, float] | None = None


@dataclass(frozen=True)
class _LogCurve:
    """A curve on logarithmic axes: nodes (n,), values (n,) and their draws (draws, n)."""

    nodes: Floats
    values: Floats
    draws: Floats


def crossovers(
    results: pd.DataFrame, quantities: Sequence[str] = ("latency", "peak-memory", "energy")
) -> list[Crossover]:
    """Compare every pair of detectors with equal part and setting; the scan's backends may differ.

    Raises:
        ValueError: the results have no cell of a detector, or a quantity is unknown.
    """
    with_weights = results
    if len(results):
        peaks = results["peak_bytes_with_weights"]
        with_weights = results.assign(activation_bytes=np.nan, peak_bytes=peaks)
    groups = grouped(
        ((curve.quantity, curve.part, curve.setting), curve)
        for curve in curves(with_weights, quantities)
    )
    return [
        compare(one, other)
        for group in groups.values()
        for one, other in combinations(group, 2)
        if one.detector != other.detector
    ]


def compare(one: Curve, other: Curve) -> Crossover:
    """From which duration on the better one at the longest common duration is better."""
    return _compare(one, _line(one, 0), other, _line(other, 1))


def _line(curve: Curve, seed: int) -> _LogCurve | str:
    """A curve's line, or why it has none."""
    name = f"{curve.quantity} of {curve.detector}"
    if curve.fixed_length is not None:
        return f"{name} has a fixed-length input: {curve.fixed_length}"
    values = curve.values()
    if not len(values) or not (values > 0).all():
        return why_no_fit(curve) or f"{name} was not measured"
    draws = curve.drawn(DRAWS, np.random.default_rng(seed))
    if curve.doubt or draws is None:
        return f"{name}: {curve.doubt or SINGLE}"
    nodes, logs, log_draws = np.log(curve.durations_s), np.log(values), np.log(draws)
    _, step = np.unique(quarter_octaves(curve.durations_s), return_inverse=True)
    mean = (step[:, None] == np.arange(step.max() + 1)) / np.bincount(step)  # (n, steps)
    return _LogCurve(nodes @ mean, logs @ mean, log_draws @ mean)


def _compare(
    one: Curve, line: _LogCurve | str, other: Curve, other_line: _LogCurve | str
) -> Crossover:
    """The pair's crossover; who wins at the longest common duration comes first."""
    if isinstance(line, str) or isinstance(other_line, str):
        reason = line if isinstance(line, str) else str(other_line)
        return _crossover(one, other, verdict="undecided", reason=reason)
    start = max(line.nodes[0], other_line.nodes[0])
    end = min(line.nodes[-1], other_line.nodes[-1])
    if end <= start:
        reason = "they were not measured in a common range of durations; measure both in the same"
        return _crossover(one, other, verdict="undecided", reason=reason)
    nodes = np.union1d(line.nodes, other_line.nodes)
    nodes = nodes[(nodes >= start) & (nodes <= end)]
    weights, other_weights = (interpolation(each.nodes, nodes) for each in (line, other_line))
    lead = other_line.values @ other_weights - line.values @ weights  # > 0 where `one` is better
    leads = other_line.draws @ other_weights - line.draws @ weights
    low, high = np.quantile(leads, LEVEL, axis=0)
    durations_s = np.exp(nodes)
    span = {"start_s": float(durations_s[0]), "to_s": float(durations_s[-1])}
    wins = _wins(lead, leads)
    if wins[-1] < 0:
        one, other, lead, leads, wins = other, one, -lead, -leads, -wins
        low, high = -high, -low
    ratio_ci = float(np.exp(low[-1])), float(np.exp(high[-1]))
    ratio = {"ratio": float(np.exp(lead[-1])), "ratio_ci": ratio_ci}
    if wins[-1] == 0:
        reason = (
            f"at {span['to_s']:.4g} s the ratio of {other.detector} to {one.detector} is "
            f"{ratio_ci[0]:.3f} to {ratio_ci[1]:.3f}: {undecided(*ratio_ci)}"
        )
        return _crossover(one, other, **span, **ratio, verdict="undecided", reason=reason)
    return _crossover(one, other, **span, **ratio, **_from(nodes, lead, leads, wins))


def _wins(lead: Floats, leads: Floats) -> npt.NDArray[np.int_]:
    """1 where a lead (n,) is positive beyond noise, -1 where negative, 0 where that is open.

    At the end by the interval of its draws (draws, n) there; before it by a band that holds for all
    durations at once, as many are looked at: as wide as the draws' largest deviation.
    """
    low, high = np.quantile(leads[:, -1], LEVEL)
    deviation = leads.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    widest = np.quantile((np.abs(leads - lead) / scale).max(axis=1), LEVEL[1] - LEVEL[0])
    wins = np.where(np.abs(lead) > widest * deviation, np.sign(lead), 0).astype(int)
    wins[-1] = int(low > 0) - int(high < 0)
    return wins


def _from(nodes: Floats, lead: Floats, leads: Floats, wins: npt.NDArray[np.int_]) -> dict[str, Any]:
    """Since when the winner at the end has won.

    Args:
        nodes: logarithms of durations (n,).
        lead: logarithm of how much better the winner is (n,).
        leads: draws of it (draws, n).
        wins: 1 where it is better beyond noise, -1 where worse, 0 where that is open (n,).
    """
    durations_s = np.exp(nodes)
    decided = np.flatnonzero(wins)
    changes = decided[1:][np.diff(wins[decided]) != 0]
    if not len(changes):
        since = int(np.flatnonzero(wins == 0)[-1]) + 1 if (wins == 0).any() else 0
        if since == 0:
            reason = "better beyond noise at every duration"
            return {"verdict": "throughout", "reason": reason, "from_s": float(durations_s[0])}
        low, high = np.exp(np.quantile(leads[:, since - 1], LEVEL))
        # The band that holds for all durations at once may be open where this interval is not.
        told = undecided(min(low, 1.0), max(high, 1.0))
        return {
            "verdict": "from a duration on",
            "reason": f"at {durations_s[since - 1]:.4g} s still {told}",
            "from_s": float(durations_s[since]),
            "from_s_ci": (float(durations_s[since - 1]), float(durations_s[since])),
        }
    crossings_s = [
        float(_last_crossing_s(nodes[: k + 1], lead[: k + 1] * wins[k])) for k in changes
    ]
    low_s, high_s = np.quantile(_last_crossing_s(nodes, leads), LEVEL)
    several = len(changes) > 1
    return {
        "verdict": "several crossings" if several else "from a duration on",
        "reason": f"the better one changes at {', '.join(f'{one:.4g} s' for one in crossings_s)}",
        "from_s": crossings_s[-1],
        "from_s_ci": (float(low_s), float(high_s)),
        "crossings_s": tuple(crossings_s),
    }


def _last_crossing_s(nodes: Floats, leads: Floats) -> Floats:
    """The duration (...) after which leads (..., n) stay positive, straight between nodes (n,).

    The range's start where they always are, its end where the last one is not.
    """
    behind = leads <= 0
    last = np.where(behind.any(axis=-1), leads.shape[-1] - 1 - behind[..., ::-1].argmax(axis=-1), 0)
    after = np.minimum(last + 1, len(nodes) - 1)
    before_lead, after_lead = (
        np.take_along_axis(leads, place[..., None], axis=-1)[..., 0] for place in (last, after)
    )
    gap = np.where(after_lead > before_lead, after_lead - before_lead, 1)
    part = np.clip(-before_lead / gap, 0, 1)
    return np.exp(nodes[last] + part * (nodes[after] - nodes[last]))


def interpolation(nodes: Floats, at: Floats) -> Floats:
    """Weights (n, m) of values at nodes (n,) that give them at (m,), straight between nodes."""
    return np.array([np.interp(at, nodes, unit) for unit in np.eye(len(nodes))])


def _crossover(one: Curve, other: Curve, **figures: Any) -> Crossover:
    return Crossover(
        **one.labels(),
        quantity=one.quantity,
        rival=other.detector,
        rival_backend=other.backend,
        **figures,
    )
