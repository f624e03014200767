"""Ids of two lists, of which either may have the endings of audio files: same ids always match."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.data.trials import without_ending
from fakemamba.evaluation.trial_ids import TrialIdError, find_ids

ENDINGS = ("", ".wav", ".flac", ".mp3.wav", ".mp3", ".WAV")
STEMS = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)
IDS = st.lists(
    st.builds("{}{}".format, st.sampled_from("abc"), st.sampled_from(ENDINGS)), unique=True
)


def found(sought, among):
    return find_ids(sought, pd.Index(among, dtype=object)).tolist()


@given(IDS, st.randoms())
def test_the_very_same_ids_always_match(ids, random):
    shuffled = random.sample(ids, len(ids))
    assert found(ids, shuffled) == [shuffled.index(one) for one in ids]


@given(STEMS, st.sampled_from(ENDINGS), st.sampled_from(ENDINGS))
def test_an_ending_on_either_side_does_not_matter(stems, here, there):
    """Each side may lack one ending that the other has, or have another one."""
    names = [without_ending(one + ending) for one, ending in ((stems[0], here), (stems[0], there))]
    alike = {names[0], stems[0] + here} & {names[1], stems[0] + there}
    places = found([one + here for one in stems], [one + there for one in stems])
    assert places == ([*range(len(stems))] if alike else [-1] * len(stems))


@given(IDS, IDS)
def test_sides_may_be_exchanged(left, right):
    try:
        there = find_ids(left, pd.Index(right, dtype=object))
        back = find_ids(right, pd.Index(left, dtype=object))
    except TrialIdError:
        return
    pairs = {(left[i], right[at]) for i, at in enumerate(there) if at >= 0}
    assert pairs == {(left[at], right[i]) for i, at in enumerate(back) if at >= 0}


def test_codecs_in_names_are_kept_apart():
    scores = ["x.mp3.wav", "x.ogg.wav", "x.wav"]
    assert found(scores, ["x.ogg", "x", "x.mp3"]) == [2, 0, 1]
    assert found(["x.ogg", "x", "x.mp3"], scores) == [1, 2, 0]


def test_ids_that_are_alike_without_their_endings_are_named():
    message = r"a\.wav and a\.flac differ in their endings alone, and the other list has a: write"
    with pytest.raises(TrialIdError, match=message):
        found(["b", "a.wav", "a.flac"], ["a", "b"])
    with pytest.raises(TrialIdError, match=message):
        found(["b", "a"], ["a.wav", "a.flac", "b"])
    assert found(["b"], ["a.wav", "a.flac", "b"]) == [2]  # nothing asks for them
    assert found(["a.wav", "a.wav"], ["a"]) == [0, 0]  # repeated, which is another fault


def test_nothing_matches_an_empty_list():
    assert found(["a.wav"], []) == [-1]
    assert np.array_equal(found([], ["a"]), [])
