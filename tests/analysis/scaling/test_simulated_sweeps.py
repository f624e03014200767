"""Sweeps of known truth on a noisy machine, and how often what is said of them is wrong.

``python tests/analysis/scaling/test_simulated_sweeps.py 1000``: the tables of docs/scaling.md.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fakemamba.analysis.length_cost import HOUR, LEVELS, latency_over_lengths
from fakemamba.analysis.scaling.crossover import compare
from fakemamba.analysis.scaling.curves import Curve, level_error
from fakemamba.analysis.scaling.fit import LEVEL, estimate
from fakemamba.analysis.scaling.ranking import ratios
from fakemamba.analysis.scaling.verdicts import judge_growth
from fakemamba.data.lengths import read_lengths
from fakemamba.visits import drifts, interval

ENCODER_S = np.geomspace(0.5, 32, 9)
WHOLE_S = np.geomspace(0.5, 8, 5)
TRUTHS = {  # seconds over duration
    "linear": lambda t: 0.001 * t,
    "linear, 5 ms fixed": lambda t: 0.005 + 0.001 * t,
    "5 % quadratic": lambda t: 0.002 + 0.001 * (t + 5 / 95 / 32 * t**2),
    "steps of 0.64 s": lambda t: 0.002 + 0.00064 * np.ceil(t / 0.64 - 1e-9),
    "floor of 6 ms": lambda t: np.maximum(0.006, 0.001 * t),
    "T log(1 + T)": lambda t: 0.001 * t * np.log(1 + t),
    "n log n, n frames": lambda t: 0.001 * t * np.log2(50 * t),
    "55 % quadratic": lambda t: 0.002 + 0.001 * (t + 55 / 45 / 32 * t**2),
    "80 % quadratic": lambda t: 0.002 + 0.001 * (t + 80 / 20 / 32 * t**2),
    "95 % quadratic": lambda t: 0.001 * (t + 95 / 5 / 32 * t**2),
}
LINEAR = ("linear", "linear, 5 ms fixed", "5 % quadratic")
VISITS = {  # of the encoders' durations, and of the front-end's and the whole detector's
    "3": ((3,) * 9, (3,) * 5),
    "5 to 3": ((5, 5, 5, 5, 5, 4, 3, 3, 3), (5, 5, 4, 3, 3)),
    "7 to 3": ((7, 7, 7, 7, 6, 6, 5, 5, 3), (5, 5, 4, 4, 3)),
    "9 to 3": ((9, 9, 9, 9, 9, 9, 8, 6, 3), (3,) * 5),
    "14 to 5": ((14, 14, 12, 10, 9, 8, 7, 6, 5), (7, 7, 6, 5, 5)),
}
VERDICTS = ("near-linear", "quadratic", "undecided")
LENGTHS = "asterisk-prompts"
COSTS = [*((name, "_s") for name in LEVELS), (HOUR, "")]
CROSSING = 0.3  # by which the third curve is scaled, so that it crosses the first
OTHERS = 12  # cells of other detectors
SETTING = {"device": "cpu", "device_name": "CPU: Test", "precision": "fp32", "backend": None}
SETTING |= {"batch_size": 1, "attention": None, "execution": None, "frontend": None, "clock": None}


@dataclass(frozen=True)
class Machine:
    """Its noise, as shares of a visit's time.

    Attributes:
        drift: standard deviation of what all cells share for a while (AR(1) over visits).
        likeness: of the drift of neighbouring visits.
        offset: what a cell as a whole is off by, new in each visit.
        rounds: what the median over a visit's rounds is off by.
        bursts: the share of visits that take up to ten times as long.
    """

    drift: float = 0.03
    likeness: float = 0.99
    offset: float = 0.03
    rounds: float = 0.01
    bursts: float = 0.05


def swept(machine, truths, visits, rng):
    """A sweep's curves with their truths, and each cell's visits with its truth.

    Three encoders, each alone and in a whole detector with the same front-end.
    """
    of_encoder, of_whole = VISITS[visits]
    parts = [("encoder", ENCODER_S, of_encoder, TRUTHS[name](ENCODER_S)) for name in truths]
    front_end_s = 0.02 + 0.05 * WHOLE_S
    for name in truths:
        parts.append(("front-end", WHOLE_S, of_whole, front_end_s))
        parts.append(("end-to-end", WHOLE_S, of_whole, front_end_s + TRUTHS[name](WHOLE_S)))
    counts = np.concatenate([np.array(one[2]) for one in parts] + [np.full(OTHERS, 4)])
    exact_s = np.concatenate([one[3] for one in parts] + [np.full(OTHERS, 0.1)])
    figures, passes = [[] for _ in counts], [[] for _ in counts]
    drift = rng.normal()
    for number in range(counts.max()):
        for place in rng.permutation(np.flatnonzero(counts > number)):
            drift = machine.likeness * drift + np.sqrt(1 - machine.likeness**2) * rng.normal()
            error = machine.drift * drift + machine.offset * rng.normal()
            error += machine.rounds * rng.normal()
            burst = rng.uniform(1, 10) if rng.random() < machine.bursts else 1.0
            figures[place].append(exact_s[place] * burst * np.exp(error))
            passes[place].append(number)
    factors = drifts(figures, passes)
    steady = [
        np.array([value / factors[one] for value, one in zip(values, each, strict=True)])
        for values, each in zip(figures, passes, strict=True)
    ]
    found, at = [], 0
    for place, (part, durations_s, _, truth_s) in enumerate(parts):
        curve = Curve(
            **SETTING,
            **{"detector": str(place), "part": part, "quantity": "latency", "unit": "s"},
            figure="latency_s",
            durations_s=durations_s,
            visits=tuple(steady[at : at + len(durations_s)]),
            level_error=level_error(factors[k] for each in passes for k in each),
        )
        found.append((curve, truth_s))
        at += len(durations_s)
    return found, list(zip(figures, exact_s, strict=True))


def holds(ends, truth):
    """Whether an interval holds the truth; a point does within rounding."""
    return ends[0] <= truth * (1 + 1e-6) + 1e-6 and truth <= ends[1] * (1 + 1e-6) + 1e-6


def rates(truths, visits="9 to 3", count=100, seed=0, machine=None):
    """Of ``count`` sweeps: shares of verdicts by truth, and of intervals that hold."""
    rng = np.random.default_rng(seed)
    said = {name: [] for name in truths}
    held = {name: [] for name in ("latency", "share", "exponent", "ratio", "crossover", "cost")}
    lengths = read_lengths(LENGTHS)
    for _ in range(count):
        found, cells = swept(machine or Machine(), truths, visits, rng)
        for name, (curve, truth_s) in zip(truths, found, strict=False):
            verdict = judge_growth(curve)
            said[name].append(verdict.verdict)
            exact = estimate(ENCODER_S, truth_s, None)
            if verdict.quadratic_share_ci[0] is not None:
                held["share"].append(holds(verdict.quadratic_share_ci, exact.share))
            held["exponent"].append(holds(verdict.exponent_ci, exact.exponent))
        for values, exact_s in cells:
            held["latency"].append(holds(interval(values), exact_s))
        (first, first_s), (last, last_s) = found[0], found[2]
        for (_, draws), exact in zip(ratios(last, first).values(), last_s / first_s, strict=True):
            held["ratio"].append(holds(np.quantile(draws, LEVEL), exact))
        for curve, truth_s in found:
            if curve.part == "end-to-end":
                cost = latency_over_lengths(curve, lengths)
                exact = latency_over_lengths(known(curve, truth_s), lengths)
                held["cost"] += [
                    holds((cost[f"{one}_low{unit}"], cost[f"{one}_high{unit}"]), exact[one + unit])
                    for one, unit in COSTS
                    if one + unit in exact
                ]
        crossed = compare(first, scaled(last, CROSSING))
        exact = compare(known(first, first_s), known(last, CROSSING * last_s))
        if crossed.crossings_s and exact.crossings_s:
            held["crossover"].append(holds(crossed.from_s_ci, exact.from_s))
    shares = {
        name: {one: np.mean([verdict == one for verdict in verdicts]) for one in VERDICTS}
        for name, verdicts in said.items()
    }
    return shares, {name: np.mean(one) for name, one in held.items() if one}


def scaled(curve, factor):
    return replace(curve, visits=tuple(factor * one for one in curve.visits))


def known(curve, values):
    """A curve without noise."""
    return replace(curve, visits=tuple(np.full(3, value) for value in values))


def print_rates(truths, visits, count, machine=None):
    """A row of verdicts a truth, and the shares of intervals that hold."""
    shares, held = rates(truths, visits, count, machine=machine)
    for name, said in shares.items():
        told = " / ".join(f"{100 * said[one]:.1f}" for one in VERDICTS)
        print(f"| {visits} | {name} | {told} |")
    print(f"| {visits} |", " | ".join(f"{name} {100 * one:.1f}" for name, one in held.items()))


@pytest.mark.parametrize("visits", ["5 to 3", pytest.param("9 to 3", marks=pytest.mark.at_length)])
def test_verdicts_are_right_and_intervals_hold(visits):
    shares, held = rates(("linear, 5 ms fixed", "linear", "95 % quadratic"), visits, count=30)
    for name, said in shares.items():
        right, opposite = VERDICTS[:2] if name in LINEAR else VERDICTS[1::-1]
        assert said[right] > 0.85 and said[opposite] == 0, name
    assert min(held.values()) > 0.9 and held["latency"] > 0.93, held


def test_a_floor_and_n_log_n_are_not_called_quadratic():
    truths = ("floor of 6 ms", "T log(1 + T)", "n log n, n frames")
    shares, _ = rates(truths, "14 to 5", count=20)
    assert all(said["quadratic"] <= 0.05 for said in shares.values())


if __name__ == "__main__":
    count = int(sys.argv[1])
    names = list(TRUTHS)
    for visits in VISITS:
        for few in (names[:2] + names[-1:], names[2:5], names[5:8], names[8:] + names[:1]):
            print_rates(few, visits, count)
    other = {"likeness 0.9": Machine(likeness=0.9), "likeness 0.999": Machine(likeness=0.999)}
    other |= {"offset 6 %": Machine(offset=0.06), "no bursts": Machine(bursts=0.0)}
    other |= {"drift 10 %": Machine(drift=0.1), "bursts 10 %": Machine(bursts=0.1)}
    for name, machine in other.items():
        print(name)
        print_rates(["linear", "linear, 5 ms fixed", "95 % quadratic"], "9 to 3", count, machine)
