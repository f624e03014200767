"""Figures to verdicts, quantity by quantity: effects, floors, noise, many cells, clocks."""

import numpy as np
import pytest

from fakemamba.analysis.compare.cells import PairedFigures
from fakemamba.analysis.compare.judge import judge_figures
from fakemamba.analysis.compare.verdict import Rules

PAIRS = 6
RULES = Rules()


def judged(quantity, base, head, rules=RULES, on_gpu=True, clock=None):
    """Verdict and reason code of one cell."""
    (found,) = judge_figures(
        [PairedFigures("a", quantity, tuple(base), tuple(head), on_gpu, clock)], rules
    )
    return found.verdict, found.reason_code


def latency(change, base_s=0.010, noise=0.002, rules=RULES, clock=None):
    rng = np.random.default_rng(3)
    base, head = base_s * np.exp(rng.normal(0, noise, (2, PAIRS)))
    return judged("latency", base, head * change, rules, clock=clock)


def test_a_tiny_cell_cannot_fail():
    """+5 % of 100 µs are 5 µs; the floor is 50 µs, half of it."""
    assert latency(1.05, base_s=1e-4) == ("fine", "below-floor")
    assert latency(1.6, base_s=1e-4) == ("regressed", "above-effect")
    assert latency(1.05, base_s=1e-4, rules=Rules(floor_s=0)) == ("regressed", "above-effect")


def test_nothing_below_the_noise_floor_fails_nor_passes():
    assert latency(1.05, rules=Rules(noise_floor=0.01)) == ("regressed", "above-effect")
    assert latency(1.05, rules=Rules(noise_floor=0.06)) == ("undecided", "noise-floor")
    assert latency(1.00, rules=Rules(noise_floor=0.06)) == ("fine", "below-effect")


def test_what_chance_makes_of_many_cells_is_not_shown():
    """With 3 pairs and 300 cells, an interval above the effect is likely by chance."""
    noisy = 0.01 * np.exp(np.random.default_rng(0).normal(0, 0.03, (300, 2, 3)))
    figures = [
        PairedFigures(f"c{number}", "latency", tuple(base), tuple(head), True, None)
        for number, (base, head) in enumerate(noisy)
    ]
    alone = [judge_figures([one], Rules(family_error=0.05))[0].verdict for one in figures]
    together = [found.reason_code for found in judge_figures(figures, RULES)]
    assert "regressed" in alone
    assert "not-shown" in together and "above-effect" not in together


@pytest.mark.parametrize(
    ("peak_bytes", "wanted"),
    [
        (100e6, ("fine", "below-effect")),
        (100.9e6, ("fine", "below-effect")),
        (101.04e6, ("fine", "below-floor")),  # 1.04 %, but less than 1 MiB
        (101.1e6, ("regressed", "above-effect")),
        (50e6, ("fine", "below-effect")),
    ],
)
def test_a_gpus_memory_is_judged_exactly(peak_bytes, wanted):
    assert judged("peak-memory", [100e6] * 2, [peak_bytes] * 2) == wanted


@pytest.mark.parametrize(
    ("head_mb", "spread_mb", "wanted"),
    [
        (110, 1, ("regressed", "above-effect")),
        (100, 0.1, ("fine", "below-effect")),
        (103, 10, ("undecided", "across-effect")),
    ],
)
def test_a_cpus_memory_is_judged_by_an_interval(head_mb, spread_mb, wanted):
    spread = np.random.default_rng(0).normal(0, spread_mb * 1e6, (2, PAIRS))
    base, head = 100e6 + spread[0], head_mb * 1e6 + spread[1]
    assert judged("peak-memory", base, head, on_gpu=False) == wanted


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (0, 0, ("fine", "below-floor")),
        (5e6, 0, ("fine", "below-floor")),
        (0, 5e6, ("undecided", "not-positive")),
    ],
)
def test_memory_that_does_not_grow_has_no_ratio(before, after, wanted):
    assert judged("peak-memory", [before] * 2, [after] * 2, on_gpu=False) == wanted


@pytest.mark.parametrize(
    ("before_j", "after_j", "wanted"),
    [
        (10.0, 10.5, ("fine", "below-effect")),
        (10.0, 12.0, ("regressed", "above-effect")),
        (-5.0, -1.0, ("undecided", "not-positive")),
    ],
)
def test_energy_is_judged_at_ten_percent(before_j, after_j, wanted):
    assert judged("energy", [before_j] * 2, [after_j] * 2) == wanted


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (1e-4, 1.9e-4, ("fine", "below-effect")),
        (1e-4, 2.1e-4, ("regressed", "above-effect")),
        (1e-6, 9e-6, ("fine", "below-floor")),
        (0.0, 1e-4, ("regressed", "above-effect")),
        (0.0, 0.0, ("fine", "below-effect")),
    ],
)
def test_an_error_may_not_double(before, after, wanted):
    assert judged("error", [before] * 2, [after] * 2) == wanted


def test_an_exact_comparison_has_no_interval():
    (found,) = judge_figures(
        [PairedFigures("a", "peak-memory", (2e6, 2e6), (5e6, 5e6), True, None)], RULES
    )
    assert (found.ratio, found.ratio_low, found.ratio_high) == (2.5, None, None)
    assert (found.base_value, found.head_value, found.pairs) == (2e6, 5e6, 2)


@pytest.mark.parametrize(
    ("clock_ratios", "change", "wanted"),
    [
        ([1.0] * PAIRS, 1.05, ("regressed", "above-effect")),
        ([1.0, 0.96, 1.04] * 2, 1.05, ("regressed", "above-effect")),  # differs by chance
        ([0.95] * PAIRS, 1.05, ("undecided", "clock")),  # the clock alone is 5 % slower
        ([1.05] * PAIRS, 1.00, ("undecided", "clock")),  # a faster clock hides 5 %
        ([0.91] * PAIRS, 1.30, ("regressed", "above-effect")),
    ],
)
def test_a_change_of_clock_that_explains_the_verdict_is_told(clock_ratios, change, wanted):
    assert latency(change, clock=tuple(np.log(clock_ratios))) == wanted
