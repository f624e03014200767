"""Searching for the largest that fits, against capacities that are known."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.bench.cells import Cell, LimitCell
from fakemamba.bench.outcome import Outcome, Visit
from fakemamba.bench.sweep.limits import LimitMeasurer, find_limit, plan_limits

CELL = Cell("fake-mamba-s", "xls-r-tiny", "encoder", 4.0, backend="torch")


def probe_of(capacity, seconds=1e-3):
    def probe(value):
        status = "measured" if value <= capacity else "out-of-memory"
        return Outcome(CELL, status, details={"trial_s": seconds})

    return probe


@given(st.floats(4.0, 60_000.0))
def test_the_longest_duration_is_found_within_five_percent(capacity_s):
    limit = find_limit(probe_of(capacity_s), 4.0, 65_536.0)
    assert limit.fits <= capacity_s < limit.fits * 1.05 or capacity_s >= limit.fails / 1.05
    assert limit.fits <= capacity_s < limit.fails
    assert limit.ended_by == "out-of-memory" and limit.trials < 25


@given(st.integers(1, 20))
def test_the_largest_small_batch_is_found_exactly(capacity):
    limit = find_limit(probe_of(capacity), 1, 65_536)
    assert limit.fits == capacity and isinstance(limit.fits, int)


def test_what_does_not_fit_at_all_has_no_limit():
    assert find_limit(probe_of(3.0), 4.0, 100.0).fits is None


def test_a_search_ends_before_trials_take_minutes():
    limit = find_limit(probe_of(1e9, seconds=20.0), 4.0, 65_536.0)
    assert (limit.fits, limit.fails, limit.ended_by) == (4.0, None, "time")


def test_a_search_ends_where_nobody_would_ask_for_more():
    assert find_limit(probe_of(1e9), 4.0, 64.0).ended_by == "most"


def test_another_end_than_memory_is_named():
    def probe(value):
        if value > 10:
            return Outcome(CELL, "unsupported", "positions end")
        return probe_of(1e9)(value)

    limit = find_limit(probe, 4.0, 1e4)
    assert limit.ended_by == "unsupported" and limit.reason == "positions end"
    assert 9.5 < limit.fits <= 10


class StandIn:
    """Takes 100 s of audio in all."""

    def probe(self, cell):
        return probe_of(100.0)(cell.duration_s * cell.batch_size)

    def measure(self, cell):
        visits = (Visit(0, (1.0,), 1.0, 1.0, (), 0.0),)
        return Outcome(cell, "measured", None, {"load_s": 1.0}, visits)


@pytest.mark.parametrize(("vary", "largest"), [("batch_size", 25), ("duration_s", 100.0)])
def test_the_outcome_is_the_largest_cells_with_its_limit(vary, largest):
    cell = LimitCell(CELL, vary)
    outcome = LimitMeasurer(StandIn()).measure(cell)
    info = outcome.to_json()
    assert outcome.status == "measured" and info["latency_s"] == 1.0
    assert info["cell"][vary] == pytest.approx(largest, rel=0.05)
    assert info["limit"]["fits"] == info["cell"][vary]
    assert info["cell_id"] == cell.id
    entry = {"extra_info": info, "stats": {"data": [1.0]}}
    assert Outcome.from_entry(cell, entry) == outcome


def test_each_kind_of_cell_is_searched_once():
    cells = [replace(CELL, duration_s=d, batch_size=b) for d in (1.0, 2.0) for b in (1, 8)]
    planned = plan_limits([*cells, replace(CELL, precision="bf16")])
    assert len(planned) == 4 and len({cell.id for cell in planned}) == 4
