"""The statistics of a comparison against simulated truths: alarms, power, coverage."""

import subprocess
import sys

import numpy as np
import pytest

from fakemamba.analysis.compare.statistics import is_slower, mean_log_ratio
from fakemamba.analysis.compare.verdict import Rules
from fakemamba.holm import holm

RULES = Rules()
CELLS = 100
SWEEPS = 1_000
DRIFT, RHO = 0.03, 0.95  # of one launch to the next
NOISE = 0.02  # of a launch's median


def drifting(rng, shape, launches):
    """AR(1) around 0 with the standard deviation ``DRIFT`` (*shape, launches)."""
    innovations = rng.normal(0, DRIFT, (*shape, launches))
    values = np.empty_like(innovations)
    values[..., 0] = innovations[..., 0]
    for launch in range(1, launches):
        step = np.sqrt(1 - RHO**2) * innovations[..., launch]
        values[..., launch] = RHO * values[..., launch - 1] + step
    return values


def sweeps_of(pairs, shared_drift, seed, sweeps=SWEEPS):
    """Log ratios of sweeps in which nothing changed, launched A B B A (sweeps, CELLS, pairs)."""
    rng = np.random.default_rng(seed)
    drift = drifting(rng, (sweeps, 1 if shared_drift else CELLS), 2 * pairs)
    logs = drift + rng.normal(0, NOISE, (sweeps, CELLS, 2 * pairs))
    second_less_first = np.diff(logs.reshape(sweeps, CELLS, pairs, 2), axis=-1)[..., 0]
    return second_less_first * np.where(np.arange(pairs) % 2 == 0, 1, -1)


def alarms(log_ratios):
    """Where the default rules call cells slower (sweeps, CELLS)."""
    found = mean_log_ratio(log_ratios, RULES.confidence)
    adjusted = holm(found.p_slower)
    return is_slower(found, adjusted, np.log1p(RULES.min_effect), RULES.family_error)


@pytest.mark.parametrize("shared_drift", [True, False])
@pytest.mark.parametrize("pairs", [6, 10, 20])
def test_an_unchanged_sweep_of_100_cells_raises_no_alarm_in_99_of_100(pairs, shared_drift):
    alarmed = alarms(sweeps_of(pairs, shared_drift, seed=pairs)).any(axis=-1)
    assert alarmed.mean() <= 0.01


@pytest.mark.parametrize("shared_drift", [True, False])
def test_a_slowdown_of_5_percent_of_one_cell_in_100_is_found_in_95_of_100(shared_drift):
    log_ratios = sweeps_of(20, shared_drift, seed=0, sweeps=4_000)
    log_ratios[:, 0] += np.log(1.05)
    found = alarms(log_ratios)
    assert found[:, 0].mean() >= 0.95
    assert found[:, 1:].any(axis=-1).mean() <= 0.01


def test_a_slowdown_below_the_least_effect_is_seldom_called_one():
    log_ratios = sweeps_of(20, shared_drift=False, seed=1)
    log_ratios[:, 0] += np.log(1.02)
    assert alarms(log_ratios)[:, 0].mean() < 0.05


@pytest.mark.parametrize("pairs", [2, 3, 6, 10, 20])
@pytest.mark.parametrize("noise", ["normal", "heavy", "spikes"])
def test_each_end_of_the_interval_holds_in_95_of_100(pairs, noise):
    rng = np.random.default_rng(pairs)
    shape = (20_000, 2 * pairs)
    logs = drifting(rng, shape[:1], shape[1])
    if noise == "normal":
        logs += rng.normal(0, NOISE, shape)
    elif noise == "heavy":
        logs += NOISE * rng.standard_t(3, shape)
    else:
        logs += rng.normal(0, NOISE, shape) + 0.1 * (rng.random(shape) < 0.05)
    log_ratios = np.diff(logs.reshape(-1, pairs, 2), axis=-1)[..., 0]
    found = mean_log_ratio(log_ratios, 0.95)
    assert (found.low > 0).mean() < 0.06 and (found.high < 0).mean() < 0.06


def test_the_interval_is_students():
    """By hand: mean 2, standard error sqrt(1/3), and t(2 degrees, 95 %) = 2.920."""
    found = mean_log_ratio([1.0, 2.0, 3.0], 0.95)
    assert found.mean == 2
    reach = 2.920 * np.sqrt(1 / 3)
    np.testing.assert_allclose([found.low, found.high], [2 - reach, 2 + reach], rtol=1e-3)
    assert found.p_slower == pytest.approx(0.0371, abs=1e-4)  # of t = 3.464


def test_pairs_without_any_spread_are_certain():
    found = mean_log_ratio([[0.05, 0.05], [0.0, 0.0], [-0.05, -0.05]], 0.95)
    np.testing.assert_allclose(found.low, found.high)
    assert found.p_slower.tolist() == [0, 1, 1]


def test_one_pair_has_no_interval():
    with pytest.raises(ValueError, match="1 pairs of launches have no spread"):
        mean_log_ratio([0.05], 0.95)


def test_holm_is_its_textbook_example_and_works_on_rows():
    wanted = [0.03, 0.06, 0.06, 0.02]
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), wanted)
    np.testing.assert_allclose(holm([[0.01, 0.04, 0.03, 0.005]] * 2), [wanted] * 2)
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])


def test_comparing_loads_neither_torch_nor_what_is_slow():
    code = "import sys, fakemamba.analysis.compare.statistics as _;"
    code += "assert not {'torch', 'scipy.stats', 'matplotlib'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
