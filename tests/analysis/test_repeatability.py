"""How well a cell repeats: found from what was measured more than once, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.repeatability import repeat_factors, repeatabilities
from fakemamba.analysis.results import read_results


def cells_of(rng, spread, detectors=11, durations=20, part="front-end", launches=1):
    """Cells whose latency is off by ``spread`` as a whole, and whose rounds hardly differ."""
    rows = []
    for launch in range(launches):
        for detector in range(detectors):
            for duration_s in range(1, durations + 1):
                latency_s = 0.01 * duration_s * np.exp(rng.normal(0, spread))
                rows.append(
                    {
                        "cell_id": f"d{detector}-{part}-{duration_s}",
                        "detector": f"d{detector}",
                        "backend": "none" if detector % 2 else "cpu",
                        "frontend": "xls-r-tiny",
                        "part": part,
                        "duration_s": float(duration_s),
                        "batch_size": 1,
                        "precision": "fp32",
                        "execution": "eager",
                        "attention": "sdpa",
                        "clock": "latency",
                        "device": "cpu",
                        "device_name": "CPU",
                        "recording": None,
                        "status": "measured",
                        "launch": launch,
                        "disturbed": False,
                        "flops": 1e6 * duration_s,
                        "latency_s": latency_s,
                        "latency_low_s": latency_s * 0.999,
                        "latency_high_s": latency_s * 1.001,
                    }
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("spread", [0.01, 0.1])
def test_the_factor_holds_95_percent_of_cells(spread):
    table = cells_of(np.random.default_rng(0), spread)
    (found,) = repeatabilities(table)
    assert found.factor == pytest.approx(np.exp(1.96 * spread), rel=0.15 * spread)
    assert found.rounds_factor == pytest.approx(1.001, abs=1e-4)
    assert (found.cells, found.works) == (220, 20)
    truth_s = 0.01 * table["duration_s"]
    off = np.abs(np.log(table["latency_s"] / truth_s))
    assert 0.90 < (off < np.log(found.factor)).mean() < 0.99


def test_a_few_repeats_are_told_with_their_doubt():
    """Student's quantile: of three cells of one work, it holds 95 % of the fourth ones."""
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(400):
        (found,) = repeatabilities(cells_of(rng, 0.05, detectors=3, durations=1))
        inside.append(abs(rng.normal(0, 0.05)) < np.log(found.factor))
    assert 0.92 < np.mean(inside) < 0.98


def test_encoders_repeat_in_launches_only():
    rng = np.random.default_rng(2)
    assert repeatabilities(cells_of(rng, 0.1, part="encoder")) == []
    (found,) = repeatabilities(cells_of(rng, 0.1, part="encoder", launches=3))
    assert found.works == 220
    assert found.factor == pytest.approx(np.exp(1.96 * 0.1), rel=0.03)


def test_what_is_cut_is_not_the_same_work():
    """A detector that gives its front-end four seconds of ten measures something else."""
    table = cells_of(np.random.default_rng(3), 0.01, detectors=4, durations=10)
    is_cut = (table["detector"] == "d0") & (table["duration_s"] > 4)
    table.loc[is_cut, "flops"] = 4e6
    table.loc[is_cut, "latency_s"] = 0.04
    (found,) = repeatabilities(table)
    assert found.factor < 1.03


def test_without_flops_detectors_are_kept_apart():
    table = cells_of(np.random.default_rng(4), 0.01).assign(flops=np.nan)
    assert repeatabilities(table) == []


def test_a_factor_is_of_its_part_and_setting():
    rng = np.random.default_rng(5)
    front, encoder = cells_of(rng, 0.1), cells_of(rng, 0.1, part="encoder")
    half = cells_of(rng, 0.01).assign(precision="bf16")
    table = pd.concat([front, encoder, half], ignore_index=True)
    factors = repeat_factors(table, repeatabilities(table))
    assert factors[table["part"] == "encoder"].isna().all()
    assert factors[table["precision"] == "bf16"].nunique() == 1
    assert factors[table["precision"] == "bf16"].max() < 1.03
    assert factors[(table["part"] == "front-end") & (table["precision"] == "fp32")].min() > 1.15


def test_cells_without_a_time_are_no_repeats(write_growth, tmp_path):
    paths = [write_growth(tmp_path / f"{k}.json") for k in range(3)]
    found = repeatabilities(read_results(paths))
    assert {one.part for one in found} == {"front-end", "encoder", "end-to-end"}
    assert {one.part: one.works for one in found} == {
        "front-end": 7,
        "encoder": 14,
        "end-to-end": 14,
    }


def test_disturbed_cells_say_nothing_of_the_others():
    table = cells_of(np.random.default_rng(6), 0.01)
    table["disturbed"] = table["detector"].isin(["d3", "d7"])
    table.loc[table["disturbed"], "latency_s"] *= 30
    (found,) = known = repeatabilities(table)
    assert found.factor < 1.03 and found.cells == 180
    assert repeat_factors(table, known).isna().equals(table["disturbed"])


def test_nothing_gives_nothing():
    assert repeatabilities(pd.DataFrame()) == []
    table = cells_of(np.random.default_rng(7), 0.01).assign(disturbed=True)
    assert repeatabilities(table) == [] and repeat_factors(table, []).isna().all()
