"""Fits against closed forms, and error rates of the verdicts on simulated truths."""

from functools import cache

import numpy as np
import pytest
from scipy.optimize import nnls

from fakemamba.analysis.scaling.curves import draw_medians
from fakemamba.analysis.scaling.fit import (
    Thresholds,
    aicc,
    estimate,
    fit,
    is_near_linear,
    is_quadratic,
    predict,
)
from fakemamba.analysis.scaling.verdicts import DRAWS

OCTAVES_S = np.geomspace(1, 64, 7)
ROUNDS, BOOTSTRAPS, SIMULATIONS = 10, 200, 100
COUNTS = (7, 12)
TRUTHS = {  # ms over duration, without overhead
    "linear": lambda t: t,
    "tiles": lambda t: np.ceil(t / 0.64 - 1e-9) * 0.64,
    "n log n": lambda t: t * np.log2(1 + t) / np.log2(65),
    "frames log frames": lambda t: t * np.log2(50 * t) / np.log2(3200),
    "floor": lambda t: np.maximum(6, t),
    **{
        f"{percent} %": lambda t, s=percent / 100: t + s / (1 - s) / 64 * t**2
        for percent in (5, 55, 80, 95)
    },
}
NEVER_QUADRATIC = ("linear", "tiles", "n log n", "frames log frames", "floor", "5 %")
NEVER_NEAR_LINEAR = ("55 %", "80 %", "95 %")


@cache
def simulated(truth, overhead_ms, noise, bootstraps=BOOTSTRAPS):
    """Shares of near-linear and quadratic verdicts, and of intervals that hold the true share.

    Each round is off by the noise, and each cell as a whole by a third of it, which no round shows.
    """
    names = sorted(TRUTHS)
    rng = np.random.default_rng([names.index(truth), overhead_ms, int(1000 * noise)])
    near, quadratic, held = [], [], []
    for count in COUNTS:
        durations_s = np.geomspace(1, 64, count)
        exact = overhead_ms + TRUTHS[truth](durations_s)
        cells = np.exp(rng.normal(0, noise / 3, (SIMULATIONS, count, 1)))
        rounds = np.exp(rng.normal(0, noise, (SIMULATIONS, count, ROUNDS)))
        samples = exact[:, None] * cells * rounds  # (simulations, durations, rounds)
        seeded = np.random.default_rng(0)
        draws = np.stack(
            [draw_medians(samples[:, place], bootstraps, seeded) for place in range(count)], axis=-1
        )
        found = estimate(durations_s, np.median(samples, axis=-1), draws, seeded)
        near.append(is_near_linear(found, Thresholds()))
        quadratic.append(is_quadratic(found, Thresholds()))
        if truth.endswith("%"):
            share = float(truth[:-1]) / 100
            held.append((found.share_ci[:, 0] <= share) & (share <= found.share_ci[:, 1]))
    return np.mean(near), np.mean(quadratic), np.mean(held) if held else None


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("overhead_ms", [0, 5, 20])
def test_the_opposite_is_never_said(overhead_ms, noise):
    for truth in NEVER_QUADRATIC:
        assert simulated(truth, overhead_ms, noise)[1] <= 0.01, truth
    for truth in NEVER_NEAR_LINEAR:
        assert simulated(truth, overhead_ms, noise)[0] <= 0.01, truth


@pytest.mark.parametrize("noise", [0.01, 0.03])
@pytest.mark.parametrize("overhead_ms", [0, 5, 20])
def test_what_is_clear_is_decided(overhead_ms, noise):
    for truth in ("linear", "5 %"):
        assert simulated(truth, overhead_ms, noise)[0] > 0.9, truth
    for truth in ("80 %", "95 %"):
        assert simulated(truth, overhead_ms, noise)[1] > 0.9, truth


@pytest.mark.parametrize("truth", ["5 %", "55 %", "80 %", "95 %"])
def test_the_interval_holds_the_true_share(truth):
    cases = [(overhead_ms, noise) for overhead_ms in (0, 5, 20) for noise in (0.01, 0.03, 0.1)]
    held = [simulated(truth, *case, bootstraps=DRAWS)[2] for case in cases]
    assert np.mean(held) > 0.93 and min(held) > 0.9


def test_the_fit_is_that_of_nnls():
    rng = np.random.default_rng(0)
    for _ in range(200):
        power, noise = rng.uniform(0, 2.5), rng.uniform(0, 0.5)
        values = rng.uniform(0.5, 2) * OCTAVES_S**power * np.exp(rng.normal(0, noise, 7))
        scaled = (OCTAVES_S[:, None] / 64) ** np.arange(3)
        wanted, _ = nnls(scaled / values[:, None], np.ones(7))
        got = fit(OCTAVES_S, values) * 64.0 ** np.arange(3)
        assert got == pytest.approx(wanted, abs=1e-7 * values.max())


@pytest.mark.parametrize("coefficients", [(5, 1, 0), (0, 1, 0.01), (20, 0.5, 0.005), (0, 0, 1)])
def test_exact_values_give_their_coefficients_and_a_point(coefficients):
    values = predict(np.array(coefficients, float), OCTAVES_S)
    found = estimate(OCTAVES_S, values, None, np.random.default_rng(0))
    assert found.coefficients == pytest.approx(coefficients, abs=1e-6)
    a, b, c = coefficients
    assert found.share == pytest.approx(64 * c / (b + 64 * c), abs=1e-6)
    assert found.share_ci == pytest.approx([found.share, found.share])
    assert found.fixed_share == pytest.approx(a / values[-1], abs=1e-6)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_the_exponent_of_a_power_law_is_its_power(power):
    values = 3 * OCTAVES_S**power
    found = estimate(OCTAVES_S, values, None, np.random.default_rng(0))
    assert found.exponent == pytest.approx(power)


def test_lack_of_fit_widens_the_interval_where_rounds_agree():
    values = TRUTHS["floor"](OCTAVES_S)
    draws = np.repeat(values[None], 500, axis=0)
    found = estimate(OCTAVES_S, values, draws, np.random.default_rng(0))
    assert found.noise < 1e-9 and found.misfit > 0.05
    assert found.share_ci[1] - found.share_ci[0] > 0.1


def test_a_common_factor_of_a_launch_bends_no_curve():
    rng = np.random.default_rng(0)
    values = TRUTHS["linear"](OCTAVES_S) * np.exp(rng.normal(0, 0.03, 7))
    launches = values * np.exp(rng.normal(0, 0.5, (1000, 1)))
    still = np.repeat(values[None], 1000, axis=0)
    widths = [
        np.ptp(estimate(OCTAVES_S, values, draws, np.random.default_rng(1)).share_ci)
        for draws in (launches, still)
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.05)


def test_n_log_n_is_told_from_a_quadratic_by_its_fit():
    found = estimate(OCTAVES_S, TRUTHS["n log n"](OCTAVES_S), None, np.random.default_rng(0))
    assert found.share > 0.5 and not is_quadratic(found, Thresholds())
    many_s = np.geomspace(1, 64, 12)
    criteria = aicc(estimate(many_s, TRUTHS["n log n"](many_s), None, np.random.default_rng(0)))
    assert criteria["log-linear"] < criteria["quadratic"] < criteria["linear"]


def test_growth_that_is_hidden_by_a_fixed_cost_is_not_judged():
    values = np.array([20.0, 20, 20, 20, 20.1, 20.2, 20.4])
    found = estimate(OCTAVES_S, values, None, np.random.default_rng(0))
    assert found.fixed_share > 0.9 and found.exponent < 0.1
    assert not is_near_linear(found, Thresholds()) and not is_quadratic(found, Thresholds())


@pytest.mark.parametrize("count", [1, 2, 3, 8, 15])
def test_drawn_medians_are_those_of_resamples(count):
    rng = np.random.default_rng(0)
    samples = rng.lognormal(size=count)
    drawn = draw_medians(samples, 20_000, rng)
    wanted = np.median(rng.choice(samples, (20_000, count)), axis=1)
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        spread = 1e-9 + np.ptp(samples) * 0.06
        assert np.quantile(drawn, level) == pytest.approx(np.quantile(wanted, level), abs=spread)
    assert drawn.mean() == pytest.approx(wanted.mean(), abs=0.02)
