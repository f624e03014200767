"""A comparison: every verdict and reason code from launches whose truth is known."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.compare.accepted import Accepted
from fakemamba.analysis.compare.comparison import compare
from fakemamba.analysis.compare.from_json import validate_comparison
from fakemamba.analysis.compare.verdict import Rules
from fakemamba.analysis.results import Launch

PAIRS = 6
ENVIRONMENT = {
    "device": "Test GPU",
    "gpu": {"name": "Test GPU", "uuid": "GPU-1", "driver": "580.1", "power_limit_w": 700.0},
    "cpu": "Test CPU",
    "torch_threads": 8,
    "packages": {"torch": "2.13.0"},
    "git": {"commit": "abc", "dirty": True},
}


def row(cell_id="a", latency_s=0.010, **changes):
    """One cell of one launch, as `read_launch` gives it."""
    return {
        "cell_id": cell_id,
        "device": "cuda:0",
        "duration_s": 4.0,
        "batch_size": 1,
        "status": "measured",
        "reason": None,
        "latency_s": latency_s,
        "peak_bytes": 100e6,
        "net_energy_j": None,
        "relative_error": None,
        "disturbed_by": (),
    } | changes


def launches(rows, side="base"):
    """A launch for each list of rows, which took turns with the other side's."""
    return [
        Launch(
            path=Path(f"{side}-{number}.json"),
            cells=pd.DataFrame(cells),
            environment=ENVIRONMENT,
            options={"isolate": False},
            identity={"method": {"flush_cache": False}},
            created=f"2026-01-01T{number:02}:{'00' if side == 'base' else '30'}:00+00:00",
        )
        for number, cells in enumerate(rows)
    ]


def sides(change=1.0, noise=0.002, pairs=PAIRS, latency_s=0.010, **changes):
    """Base, and head that takes ``change`` times as long; ``changes`` are head's alone."""
    rng = np.random.default_rng(3)
    noisy = latency_s * np.exp(rng.normal(0, noise, (2, pairs)))
    return (
        launches([[row(latency_s=one)] for one in noisy[0]]),
        launches([[row(latency_s=one * change, **changes)] for one in noisy[1]], "head"),
    )


def only(comparison, quantity="latency"):
    (found,) = (cell for cell in comparison.cells if cell.quantity == quantity)
    return found


def judged(comparison, quantity="latency"):
    found = only(comparison, quantity)
    return found.verdict, found.reason_code, comparison.exit_code


@pytest.mark.parametrize(
    ("change", "noise", "wanted"),
    [
        (1.05, 0.002, ("regressed", "above-effect", 1)),
        (1.00, 0.002, ("fine", "below-effect", 0)),
        (0.80, 0.002, ("fine", "below-effect", 0)),
        (1.02, 0.001, ("fine", "below-effect", 0)),
        (1.05, 0.05, ("undecided", "across-effect", 0)),
    ],
)
def test_latency_is_judged_by_its_interval(change, noise, wanted):
    comparison = compare(*sides(change, noise))
    assert judged(comparison) == wanted
    found = only(comparison)
    assert found.ratio_low < found.ratio < found.ratio_high and found.pairs == PAIRS
    assert found.ratio_low < change < found.ratio_high


def test_ratio_and_values_are_the_closed_form():
    base = launches([[row(latency_s=one)] for one in (1.0, 2.0, 4.0)])
    head = launches([[row(latency_s=one)] for one in (1.1, 2.2, 4.4)], "head")
    found = only(compare(base, head))
    ratios = (found.ratio, found.ratio_low, found.ratio_high)
    assert ratios == pytest.approx((1.1, 1.1, 1.1))
    assert (found.base_value, found.head_value) == (2.0, 2.2)


def test_strictly_doubt_is_an_error_and_names_its_cells():
    comparison = compare(*sides(1.05, 0.05), Rules(strict=True))
    assert comparison.exit_code == 1 and comparison.verdict == "undecided"
    assert comparison.undecided_cell_ids == ("a",)
    assert compare(*sides()).undecided_cell_ids == ()


def test_the_gravest_and_largest_come_first():
    rows = [[row("same"), row("slow"), row("slower")], [row("same"), row("slow"), row("slower")]]
    head = [[row("same"), row("slow", 0.011), row("slower", 0.012)]] * 2
    comparison = compare(launches(rows), launches(head, "head"))
    latencies = [cell.cell_id for cell in comparison.cells if cell.quantity == "latency"]
    assert latencies == ["slower", "slow", "same"]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("out-of-memory", "out-of-memory", ("fine", "out-of-memory")),
        ("unsupported", "unsupported", ("fine", "unsupported")),
        ("out-of-memory", "measured", ("fine", "newly-measured")),
        ("unsupported", "measured", ("fine", "newly-measured")),
        ("measured", "out-of-memory", ("unanswerable", "newly-out-of-memory")),
        ("measured", "unsupported", ("unanswerable", "newly-unsupported")),
        ("out-of-memory", "unsupported", ("unanswerable", "newly-unsupported")),
        ("measured", "failed", ("unanswerable", "failed")),
        ("failed", "measured", ("unanswerable", "failed")),
        ("failed", "failed", ("unanswerable", "failed")),
        ("measured", "wrong", ("unanswerable", "wrong")),
        ("wrong", "wrong", ("unanswerable", "wrong")),
    ],
)
def test_every_end_of_a_cell_has_a_reason_code(before, after, wanted):
    def side(status, name):
        ended = row("b", None, status=status, reason="told why")
        return launches([[row(), row("b") if status == "measured" else ended]] * 2, name)

    comparison = compare(side(before, "base"), side(after, "head"))
    found = only(comparison, "status")
    assert (found.verdict, found.reason_code) == wanted and "told why" in found.reason
    assert comparison.exit_code == (2 if wanted[0] == "unanswerable" else 0)


def test_a_launch_that_ended_otherwise_than_its_side_is_no_answer():
    head = [[row()], [row(latency_s=None, status="out-of-memory")]]
    comparison = compare(launches([[row()]] * 2), launches(head, "head"))
    assert judged(comparison, "status") == ("unanswerable", "mixed-status", 2)


@pytest.mark.parametrize("absent", ["base", "head", "one launch of head"])
def test_a_cell_that_is_missing_is_no_answer(absent):
    both, one = [row(), row("b")], [row()]
    base = [one] * 2 if absent == "base" else [both] * 2
    head = {"base": [both] * 2, "head": [one] * 2}.get(absent, [both, one])
    comparison = compare(launches(base), launches(head, "head"))
    assert judged(comparison, "status") == ("unanswerable", "missing", 2)


def test_later_pairs_may_hold_fewer_cells():
    rows = [[row(), row("b")]] * 3 + [[row("b")]] * 4
    comparison = compare(launches(rows), launches(rows, "head"))
    assert comparison.exit_code == 0
    pairs = {cell.cell_id: cell.pairs for cell in comparison.cells if cell.quantity == "latency"}
    assert pairs == {"a": 3, "b": 7}


def test_a_cell_in_one_pair_alone_is_no_answer():
    rows = [[row(), row("b")], [row("b")]]
    comparison = compare(launches(rows), launches(rows, "head"))
    found = [cell for cell in comparison.cells if cell.cell_id == "a"]
    assert {cell.reason_code for cell in found} == {"too-few-pairs"}
    assert comparison.exit_code == 2


def test_disturbed_times_are_no_answer_but_memory_is():
    base, head = sides(disturbed_by=("GPU throttled: power",), peak_bytes=200e6)
    comparison = compare(base, head)
    assert judged(comparison)[:2] == ("unanswerable", "disturbed")
    assert judged(comparison, "peak-memory") == ("regressed", "above-effect", 1)
    assert compare(base, sides(disturbed_by=("GPU throttled: power",))[1]).exit_code == 2


@pytest.mark.parametrize("side", [0, 1], ids=["base", "head"])
def test_a_disturbed_launch_is_left_out_with_its_partner_and_said(side):
    both = sides(change=1.1)
    both[side][2].cells.at[0, "disturbed_by"] = ("another program",)
    both[side][2].cells.at[0, "latency_s"] = 5.0
    comparison = compare(*both)
    found = only(comparison)
    assert (found.verdict, found.pairs, comparison.exit_code) == ("regressed", PAIRS - 1, 1)
    assert found.reason.endswith(f"; left out: 1 of {PAIRS} pairs disturbed, by another program")
    assert only(comparison, "peak-memory").pairs == PAIRS


def test_a_figure_that_one_side_lacks_is_no_answer():
    comparison = compare(*sides(peak_bytes=None))
    assert judged(comparison, "peak-memory") == ("unanswerable", "unknown-figure", 2)


def test_a_figure_that_no_cell_has_is_told():
    (note,) = compare(*sides()).notes
    assert note == "not compared, as no cell has it: energy, error"


def test_searches_that_ended_at_other_sizes_are_no_answer():
    comparison = compare(*sides(duration_s=5.0))
    assert judged(comparison, "status") == ("unanswerable", "other-size", 2)


def test_a_change_of_clock_that_explains_the_verdict_is_told():
    base, head = (
        [replace(one, cells=one.cells.assign(sm_clock_mhz=clock)) for one in side]
        for side, clock in zip(sides(1.05), (1980.0, 1880.0), strict=True)
    )
    assert judged(compare(base, head))[:2] == ("undecided", "clock")


def problems(base, head):
    comparison = compare(base, head)
    assert comparison.exit_code == 2 and not comparison.cells
    return [problem.reason_code for problem in comparison.problems]


def test_one_pair_and_unequal_counts_are_no_answer():
    base, head = sides()
    assert problems(base[:1], head[:1]) == ["too-few-launches"]
    assert problems(base, head[:-1]) == ["unpaired-launches"]
    assert problems(base[:2], head[:1]) == ["unpaired-launches", "too-few-launches"]
    assert problems([], []) == ["too-few-launches"]


def test_no_common_cell_and_no_figure_at_all_are_no_answer():
    other = launches([[row("other")]] * PAIRS, "head")
    assert problems(sides()[0], other) == ["no-cells"]
    lost = [[row(latency_s=None, status="out-of-memory")]] * 2
    comparison = compare(launches(lost), launches(lost, "head"))
    assert [problem.reason_code for problem in comparison.problems] == ["nothing-measured"]
    assert comparison.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"environment": {"device": "Other GPU"}}, "other-machine"),
        ({"environment": {"torch_threads": 4}}, "other-machine"),
        ({"environment": {"gpu": {**ENVIRONMENT["gpu"], "driver": "590.1"}}}, "other-machine"),
        ({"environment": {"gpu": {**ENVIRONMENT["gpu"], "uuid": "GPU-2"}}}, "other-machine"),
        ({"identity": {"method": {"flush_cache": True}}}, "other-method"),
        ({"options": {"isolate": True}}, "other-method"),
    ],
    ids=str,
)
def test_other_machines_and_methods_are_no_answer(changes, code):
    base, head = sides()
    one = head[2]
    changed = {name: getattr(one, name) | value for name, value in changes.items()}
    head[2] = replace(one, **changed)
    assert problems(base, head) == [code]
    assert "head-2.json" in compare(base, head).problems[0].reason


def test_another_torch_is_compared_and_told():
    base, head = sides()
    other = ENVIRONMENT | {"packages": {"torch": "2.14.0"}}
    comparison = compare(base, [replace(one, environment=other) for one in head])
    assert comparison.exit_code == 0
    assert "torch is 2.13.0 in base and 2.14.0 in head" in comparison.notes
    assert comparison.base["torch"] == "2.13.0" and comparison.base["commit"] == "abc with changes"


def test_kernels_that_one_side_did_not_use_are_told():
    base, head = sides()
    checks = {"scan": {"status": "failed", "error": "it is wrong", "differences": {}}}
    other = ENVIRONMENT | {"kernels": checks}
    comparison = compare(base, [replace(one, environment=other) for one in head])
    assert "kernels" not in comparison.base
    told = "torch computes for the kernel scan, which is not right here: it is wrong"
    assert comparison.head["kernels"] == told


def test_launches_that_did_not_take_turns_are_told():
    base, head = sides()
    late = [replace(one, created=f"2026-01-02T{i:02}:00:00+00:00") for i, one in enumerate(head)]
    assert any("did not take turns" in note for note in compare(base, late).notes)
    unknown = [replace(one, created=None) for one in head]
    assert not any("turns" in note for note in compare(base, unknown).notes)


def test_a_regression_stays_one_whatever_else_is_unknown():
    base = launches([[row(), row("b")]] * 2)
    head = launches([[row(latency_s=0.02)]] * 2, "head")
    assert compare(base, head).exit_code == 1


ACCEPTED = Accepted("a*", 1.10, "exact now", date(2027, 3, 31))


def test_an_accepted_slowdown_passes_up_to_its_factor_and_its_day():
    comparison = compare(*sides(1.05), accepted=[ACCEPTED], today=date(2027, 3, 31))
    assert judged(comparison) == ("accepted", "accepted", 0)
    assert only(comparison).reason == "up to 1.1 times until 2027-03-31: exact now"
    too_much = compare(*sides(1.11), accepted=[ACCEPTED], today=date(2027, 3, 31))
    assert judged(too_much)[0] == "regressed"
    late = compare(*sides(1.05), accepted=[ACCEPTED], today=date(2027, 4, 1))
    assert judged(late)[0] == "regressed"
    assert "an accepted slow-down has expired on 2027-03-31: a*" in late.notes


def test_an_accepted_slowdown_covers_its_cells_and_quantity_alone():
    day = date(2027, 1, 1)
    for entry in (replace(ACCEPTED, pattern="b*"), replace(ACCEPTED, quantity="energy")):
        assert judged(compare(*sides(1.05), accepted=[entry], today=day))[0] == "regressed"
    memory = replace(ACCEPTED, quantity="peak-memory", factor=2.5)
    comparison = compare(*sides(peak_bytes=200e6), accepted=[memory], today=day)
    assert judged(comparison, "peak-memory")[0] == "accepted"


@pytest.mark.parametrize(
    "wrong",
    [{"min_effect": -0.1}, {"floor_s": float("nan")}, {"confidence": 1.0}, {"family_error": 0}],
    ids=str,
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rules(**wrong)


def test_the_json_is_read_again():
    comparison = compare(*sides(1.05))
    content = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert validate_comparison(content) == comparison
