"""Shares of a detector's time, pass by pass."""

import pandas as pd
import pytest

from fakemamba.analysis.shares import frontend_share, part_shares


def cell(part, duration_s, *samples_s, passes=None):
    return {
        "part": part,
        "duration_s": duration_s,
        "status": "measured",
        "launch": 0,
        "latency_s": sorted(samples_s)[len(samples_s) // 2],
        "samples_s": samples_s,
        "passes": tuple(range(len(samples_s))) if passes is None else passes,
    }


def test_a_slow_pass_is_in_part_and_whole_and_so_in_no_share():
    slow = (1.0, 1.0, 3.0, 1.0)
    rows = [
        cell("front-end", 2.0, *(0.9 * one for one in slow)),
        cell("encoder", 2.0, *(0.08 * one for one in slow[:3]), passes=(2, 1, 0)),
        cell("end-to-end", 2.0, *slow),
    ]
    rows[1]["samples_s"] = tuple(0.08 * one for one in (3.0, 1.0, 1.0))
    found = frontend_share(pd.DataFrame(rows))
    assert found.share == pytest.approx(0.9)
    assert found.interval == pytest.approx((0.9, 0.9))
    (shares,) = part_shares(pd.DataFrame(rows)).to_dict("records")
    assert shares == pytest.approx(
        {"duration_s": 2.0, "front-end": 0.9, "encoder": 0.08, "rest": 0.02}
    )


def test_cells_that_share_no_pass_are_compared_by_their_medians():
    rows = [
        cell("front-end", 1.0, 0.7, 0.8, 0.9, passes=(5, 6, 7)),
        cell("end-to-end", 1.0, 0.9, 1.0, 1.1),
        cell("front-end", 2.0, 1.0),
    ]
    found = frontend_share(pd.DataFrame(rows))
    assert found.share == pytest.approx(0.8) and found.interval is None


def test_without_both_there_is_no_share():
    assert frontend_share(pd.DataFrame([cell("front-end", 2.0, 1.0)])) is None
