"""A list of trials as a whole."""

from pathlib import Path

import pytest

from fakemamba.data.trials import Trial
from fakemamba.evaluation import trial_list
from fakemamba.evaluation.trial_list import TrialListError, survey


def listed(*names):
    return lambda: (Trial(name, Path(f"{name}.wav")) for name in names)


def test_names_paths_and_order_decide_on_the_hash():
    first = survey(listed("a", "b"))
    assert first.count == 2 and first == survey(listed("a", "b"))
    others = [listed("b", "a"), listed("a"), lambda: [Trial("a", Path("x.wav")), Trial("b")]]
    assert len({first.sha256, *(survey(other).sha256 for other in others)}) == 4


def test_names_that_are_there_twice_are_listed():
    with pytest.raises(TrialListError, match="several recordings are called b, d: "):
        survey(listed(*"abcbdd"))
    with pytest.raises(TrialListError, match="0, 1, 2, 3, 4 and 5 more"):
        survey(listed(*map(str, [*range(10), *range(10)])))


def test_different_names_of_one_hash_are_no_duplicates(monkeypatch):
    monkeypatch.setattr(trial_list, "_hash", lambda name: 7)
    assert survey(listed("a", "b")).count == 2
    with pytest.raises(TrialListError, match="called a:"):
        survey(listed("a", "b", "a"))


def test_an_empty_list_is_refused():
    with pytest.raises(TrialListError, match="no recordings given"):
        survey(list)
