"""The fastest at each duration: by ratios in which the drift of passes cancels."""

import numpy as np
import pandas as pd
import pytest

from fakemamba.analysis.results import read_results
from fakemamba.analysis.scaling.ranking import fastest


def by_duration(results, part="encoder"):
    return {one.duration_s: one for one in fastest(results) if one.best.part == part}


def test_the_winner_changes_where_the_curves_cross(tmp_path, write_growth):
    found = by_duration(read_results([write_growth(tmp_path / "x.json")]))
    # 4 + 2T ms against 2 + T/2 + T²/5 ms cross at 8.6 s.
    best = {at: one.best.detector for at, one in found.items()}
    assert best == {at: "bent" if at < 8.6 else "straight" for at in best}
    for at, one in found.items():
        assert one.is_sure == (one.ratio_ci[0] > 1) and one.ratio >= 1, at
        assert one.ratio_ci[0] <= one.ratio <= one.ratio_ci[1]
    assert found[64.0].is_sure and found[64.0].ratio == pytest.approx(6.45, rel=0.05)


def test_the_same_front_end_ties(tmp_path, write_growth):
    found = by_duration(read_results([write_growth(tmp_path / "x.json")]), "front-end")
    assert len(found) == 7 and sum(one.is_sure for one in found.values()) <= 1
    assert "tie" in next(one for one in found.values() if not one.is_sure).reason


def test_drift_of_single_passes_cancels(tmp_path, write_growth):
    results = read_results([write_growth(tmp_path / "x.json")])
    bare = results.drop(columns=["steady_s", "drift"])
    slow = np.where(np.arange(9) < 4, 3.0, 1.0)
    measured = bare["status"] == "measured"
    bare.loc[measured, "samples_s"] = pd.Series(
        [tuple(np.array(one) * slow) for one in bare["samples_s"][measured]],
        bare.index[measured],
        dtype=object,
    )
    for at, one in by_duration(bare).items():
        assert one.ratio == pytest.approx(by_duration(results)[at].ratio, rel=0.03)


def test_single_visits_decide_nothing(tmp_path, write_growth):
    found = by_duration(read_results([write_growth(tmp_path / "x.json", schema=2)]))
    assert len(found) == 7
    for one in found.values():
        assert not one.is_sure and one.ratio_ci is None and "three launches" in one.reason
