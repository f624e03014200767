"""Fits against closed forms; simulated sweeps have the error rates of verdicts."""

import numpy as np
import pytest
from scipy.optimize import nnls

from fakemamba.analysis.scaling.fit import (
    Thresholds,
    aicc,
    estimate,
    fit,
    is_near_linear,
    is_quadratic,
    predict,
)

OCTAVES_S = np.geomspace(1, 64, 7)


def n_log_n(t):
    return t * np.log2(1 + t) / np.log2(65)


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
    found = estimate(OCTAVES_S, values, None)
    assert found.coefficients == pytest.approx(coefficients, abs=1e-6)
    a, b, c = coefficients
    assert found.share == pytest.approx(64 * c / (b + 64 * c), abs=1e-6)
    assert found.share_ci == pytest.approx([found.share, found.share])
    assert found.fixed_share == pytest.approx(a / values[-1], abs=1e-6)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_the_exponent_of_a_power_law_is_its_power(power):
    values = 3 * OCTAVES_S**power
    found = estimate(OCTAVES_S, values, None)
    assert found.exponent == pytest.approx(power)


def test_a_floor_before_linear_growth_is_not_called_quadratic():
    found = estimate(OCTAVES_S, np.maximum(20, OCTAVES_S), None)
    assert found.share > 0.5 and found.exponent < 1.15
    assert not is_quadratic(found, Thresholds()) and not is_near_linear(found, Thresholds())


def test_n_log_n_is_told_from_a_quadratic_by_its_fit():
    found = estimate(OCTAVES_S, n_log_n(OCTAVES_S), None)
    assert found.share > 0.5 and not is_quadratic(found, Thresholds())
    many_s = np.geomspace(1, 64, 12)
    criteria = aicc(estimate(many_s, n_log_n(many_s), None))
    assert criteria["log-linear"] < criteria["quadratic"] < criteria["linear"]


def test_growth_that_is_hidden_by_a_fixed_cost_is_not_judged():
    values = np.array([20.0, 20, 20, 20, 20.1, 20.2, 20.4])
    found = estimate(OCTAVES_S, values, None)
    assert found.fixed_share > 0.9 and found.exponent < 0.1
    assert not is_near_linear(found, Thresholds()) and not is_quadratic(found, Thresholds())
