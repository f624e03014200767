"""A sample of a trial list: fair, of the size that was asked for, and always the same."""

from collections import Counter

import pytest

from fakemamba.data.sampling import draw_per_class
from fakemamba.data.trials import Trial


def trials(bonafide, spoof):
    labels = ["bonafide"] * bonafide + ["spoof"] * spoof
    return [Trial(f"t{place:03d}", label=label) for place, label in enumerate(labels)]


def test_so_many_of_each_class_are_drawn_in_the_order_of_the_list():
    drawn = draw_per_class(iter(trials(3, 50)), 10)
    assert Counter(trial.label for trial in drawn) == {"bonafide": 3, "spoof": 10}
    assert drawn == sorted(drawn, key=lambda trial: trial.trial_id)
    assert len(set(drawn)) == 13


def test_a_seed_gives_one_sample():
    listed = trials(40, 40)
    assert draw_per_class(listed, 5, seed=1) == draw_per_class(iter(listed), 5, seed=1)
    assert draw_per_class(listed, 5, seed=1) != draw_per_class(listed, 5, seed=2)


def test_every_trial_has_the_same_chance():
    listed = trials(0, 20)
    counts = Counter(
        trial.trial_id for seed in range(2_000) for trial in draw_per_class(listed, 5, seed)
    )
    # 500 each, with a standard deviation of 19.
    assert len(counts) == 20 and all(abs(count - 500) < 80 for count in counts.values())


def test_nothing_cannot_be_drawn():
    with pytest.raises(ValueError, match="0 trials a class"):
        draw_per_class([], 0)
