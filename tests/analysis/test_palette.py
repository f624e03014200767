"""The palette: detectors are told apart with every kind of eyes, and in print without colour."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.analysis.charts.lines import Line
from fakemamba.analysis.palette import (
    BACKEND_LOOKS,
    GREYS,
    LOOKS,
    MOST_OTHERS,
    Look,
    backend_look,
    colour,
    dashes,
    look,
    looks_of,
    marker,
    system_looks,
)
from fakemamba.analysis.report.traces import Style
from fakemamba.models.registry import list_detectors

# How linear RGB looks without one kind of cones: Machado, Oliveira and Fernandes 2009, severity 1.
VIEWS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Linear RGB to cones, and their cube roots to OKLab: Ottosson 2020.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
LEAST_DISTANCE = 0.12  # of OKLab, where black and white are 1 apart, and 0.02 can just be seen
LEAST_CONTRAST = 1.8  # against white paper
ALONE = Look("#6d0555", "d", (3, 1))


def linear(name):
    """#rrggbb to linear RGB (3,)."""
    channels = np.array([int(name[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(name, view):
    seen = np.clip(np.array(VIEWS[view]) @ linear(name), 0, 1)
    return np.array(TO_OKLAB) @ np.cbrt(np.array(TO_CONES) @ seen)


def test_the_simulation_is_right():
    """White and greys stay what they are; red and green, apart for most, are not for some."""
    for view in VIEWS:
        np.testing.assert_allclose(oklab("#ffffff", view), [1, 0, 0], atol=2e-3)
        np.testing.assert_allclose(oklab("#808080", view)[1:], 0, atol=2e-3)
    pair = ("#b04040", "#707030")
    apart = {view: np.linalg.norm(oklab(pair[0], view) - oklab(pair[1], view)) for view in VIEWS}
    assert apart["deuteranopia"] < apart["all cones"] / 2


@pytest.mark.parametrize("view", VIEWS)
def test_any_two_detectors_have_colours_that_are_told_apart(view):
    distances = {
        (one, other): np.linalg.norm(oklab(colour(one), view) - oklab(colour(other), view))
        for one, other in combinations(LOOKS, 2)
    }
    closest = min(distances, key=distances.get)
    assert distances[closest] >= LEAST_DISTANCE, closest


@pytest.mark.parametrize("detector", LOOKS)
def test_every_colour_is_seen_on_paper(detector):
    luminance = linear(colour(detector)) @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) >= LEAST_CONTRAST


def test_without_colour_the_markers_tell_detectors_apart():
    assert len({marker(name) for name in LOOKS}) == len(LOOKS)
    assert marker("fake-mamba-l") != marker("xlsr-conformer")
    assert dashes("fake-mamba-l") != dashes("xlsr-conformer") != dashes("xlsr-mamba")


def test_every_look_is_of_a_detector_that_there_is():
    assert set(LOOKS) <= set(list_detectors())


def test_an_unknown_detector_always_looks_the_same_and_never_like_a_known_one():
    known = {one.marker for one in LOOKS.values()}
    for name in ("my-detector", "другой", "", "a" * 10_000, "<script>", "\ud800"):
        assert look(name).marker not in known
    assert look("my-detector") == ALONE  # in every process
    assert len({look(f"detector-{number}") for number in range(200)}) > 40


@given(
    st.lists(st.one_of(st.sampled_from(list(LOOKS)), st.text(max_size=5)), unique=True, max_size=40)
)
def test_detectors_of_any_names_are_told_apart_in_any_order_on_the_page_and_in_pictures(names):
    looks = looks_of(names)
    assert list(looks) == names and looks == looks_of(sorted(names))
    assert all(looks[name] == LOOKS[name] for name in names if name in LOOKS)
    for what, count in (("colour", 11), ("marker", 15)):
        assert len({getattr(one, what) for one in looks.values()}) >= min(len(names), count)
    assert len(set(looks.values())) == len(names)
    assert len({Style.of(Line(name, looks[name])) for name in names}) == len(names)


def test_as_many_are_told_apart_as_there_are_looks_and_more_are_told(caplog):
    names = [f"{number}" for number in range(MOST_OTHERS)]
    assert len(set(looks_of([*names, *LOOKS]).values())) == MOST_OTHERS + len(LOOKS)
    assert not caplog.records
    assert len(looks_of([*names, "one more"])) == MOST_OTHERS + 1
    assert f"of {MOST_OTHERS + 1} other detectors only {MOST_OTHERS}" in caplog.text


def test_a_detector_keeps_its_look_where_one_is_added_that_is_not_like_it():
    before = looks_of(["fake-mamba-l", "mine"])
    after = looks_of(["fake-mamba-l", "mine", "xlsr-conformer", "theirs"])
    assert before["mine"] == after["mine"] != after["theirs"]


def test_backends_of_the_scan_are_grey_and_differ_without_it():
    looks = [(one.marker, one.dashes) for one in BACKEND_LOOKS.values()]
    assert len(set(looks)) == len(looks)
    assert {one.colour for one in BACKEND_LOOKS.values()} <= set(GREYS)
    assert backend_look("another").colour in GREYS


def test_systems_of_a_picture_all_look_different():
    names = ["fake-mamba-s-test.txt", "xlsr-conformer-test.txt", "xlsr-conformer-again.txt"]
    names += ["scores.txt", "others.txt", "a", "b"]
    looks = system_looks(names)
    assert looks["fake-mamba-s-test.txt"] == look("fake-mamba-s")
    assert looks["xlsr-conformer-test.txt"] == look("xlsr-conformer")
    assert len({(one.colour, one.marker) for one in looks.values()}) == len(names)
    assert {one.colour for one in looks.values()} <= {one.colour for one in LOOKS.values()}


@given(st.lists(st.text(max_size=5), unique=True, max_size=11))
def test_up_to_eleven_systems_of_any_name_are_told_apart(names):
    assert len({one.colour for one in system_looks(names).values()}) == len(names)
